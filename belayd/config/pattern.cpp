#include "belayd/config/pattern.hpp"

#include <fmt/format.h>

namespace belay::config {
namespace {

constexpr std::int64_t max_regex_memory = 1 << 20; // each thread may use a pattern; RE2's own default is 8 MiB

} // namespace

std::unique_ptr<const re2::RE2> compile_regex(std::string_view pattern)
{
    re2::RE2::Options options;
    options.set_max_mem(max_regex_memory);
    options.set_log_errors(false);
    return std::make_unique<const re2::RE2>(re2::StringPiece{pattern.data(), pattern.size()}, options);
}

std::unique_ptr<const re2::RE2> compile_glob(std::string_view pattern)
{
    std::string regex = "(?s)"; // both stand for line ends too
    for (const char& c : pattern) {
        if (c == '*')
            regex += "\\C*"; // also what is no UTF-8
        else if (c == '?')
            regex += '.';
        else
            regex +=
                static_cast<unsigned char>(c) < 0x80 ? re2::RE2::QuoteMeta(re2::StringPiece{&c, 1}) : std::string{c};
    }
    return compile_regex(regex);
}

std::string fault_in_regex(std::string_view pattern)
{
    const auto regex = compile_regex(pattern);
    if (regex->ok())
        return {};
    const std::string& part = regex->error_arg();
    const auto position = pattern.find(part);
    if (part.empty() || position == std::string_view::npos)
        return fmt::format("is no regular expression: {}", regex->error());
    return fmt::format("is no regular expression: {}, from character {} on", regex->error(), position + 1);
}

} // namespace belay::config
