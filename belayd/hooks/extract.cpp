#include "belayd/hooks/extract.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/hooks/encoding.hpp"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>

namespace belay::hooks {
namespace {

using config::ValueSource;

/** Of all arguments and variables.  Linux passes a quarter of the stack limit, 2 MiB by default: see execve(2). */
constexpr std::size_t max_invocation_bytes = 1 << 20;

/** Thrown within this file only. */
struct Refused {
    Refusal refusal;
};

[[noreturn]] void refuse(int status, std::string detail)
{
    throw Refused{{status, std::move(detail)}};
}

/** "argument 2, payload "/ref"": all of it the operator's words. */
std::string describe_value(const std::string& what, const ValueSource& source)
{
    const std::string where = config::describe(source);
    return where.empty() ? what : fmt::format("{}, {}", what, where);
}

/** Takes one value after the other, and counts what they come to. */
class Extractor {
public:
    Extractor(const config::Hook& hook, Values& values) : hook_(hook), values_(values) {}

    Invocation run()
    {
        for (std::size_t i = 0; i < hook_.run.size(); ++i)
            add_argument(fmt::format("argument {}", i), hook_.run[i]);
        for (const auto& [name, source] : hook_.env)
            add_variable(name, source);
        for (const auto& [name, source] : hook_.files)
            add_file(name, "file " + name, source);
        if (invocation_bytes_ > max_invocation_bytes)
            refuse(413, fmt::format("arguments and variables are over {} bytes together", max_invocation_bytes));
        return std::move(invocation_);
    }

private:
    struct Found {
        std::string text;
        bool ours; ///< the operator's words
    };

    std::optional<Found> find(const std::string& what, const ValueSource& source)
    {
        auto value = values_.find(source);
        if (!value)
            return source.fallback ? std::optional{Found{*source.fallback, true}} : std::nullopt;
        if (source.decoding == ValueSource::Decoding::base64) {
            auto decoded = from_base64(value->text);
            if (!decoded)
                refuse(422, fmt::format("{} is not base64 (RFC 4648 §4, padded)", describe_value(what, source)));
            value->text = std::move(*decoded);
        }
        return Found{std::move(value->text), source.kind == ValueSource::Kind::literal};
    }

    void add_argument(const std::string& what, const ValueSource& source)
    {
        auto found = find(what, source);
        if (!found)
            refuse(422, fmt::format("{} is missing", describe_value(what, source)));
        check_nul(found->text, what, source);
        check_length(found->text.size(), what, source);
        if (!found->ours && !source.allow_dash && found->text.starts_with('-'))
            refuse(422, fmt::format("{} begins with \"-\", which the command could take for an option",
                            describe_value(what, source)));
        invocation_bytes_ += found->text.size() + 1;
        invocation_.arguments.push_back(std::move(found->text));
    }

    void add_variable(const std::string& name, const ValueSource& source)
    {
        const std::string what = "variable " + name;
        auto found = find(what, source);
        if (!found)
            return;
        const auto size = name.size() + 1 + found->text.size(); // of NAME=text
        if (size >= config::max_argument_bytes && !source.overflow_file.empty()) {
            keep_file(source.overflow_file, what, source, std::move(found->text));
            return;
        }
        check_nul(found->text, what, source);
        check_length(size, what, source);
        invocation_bytes_ += size + 1;
        invocation_.environment.emplace_back(name, std::move(found->text));
    }

    void add_file(const std::string& name, const std::string& what, const ValueSource& source)
    {
        if (is_body(source)) { // which need not be kept twice
            invocation_.files.emplace_back(name, std::nullopt);
            return;
        }
        if (auto found = find(what, source))
            keep_file(name, what, source, std::move(found->text));
    }

    void keep_file(const std::string& name, const std::string& what, const ValueSource& source, std::string text)
    {
        if (is_body(source)) {
            invocation_.files.emplace_back(name, std::nullopt);
            return;
        }
        file_bytes_ += text.size();
        if (file_bytes_ > max_file_bytes)
            refuse(413,
                fmt::format("with {}, files are over {} bytes together", describe_value(what, source), max_file_bytes));
        invocation_.files.emplace_back(name, std::move(text));
    }

    static bool is_body(const ValueSource& source)
    {
        return source.kind == ValueSource::Kind::request && source.text == "body" &&
               source.decoding == ValueSource::Decoding::none;
    }

    static void check_nul(const std::string& text, const std::string& what, const ValueSource& source)
    {
        if (text.find('\0') != std::string::npos)
            refuse(400, fmt::format("{} contains a NUL", describe_value(what, source)));
    }

    /** @param size of the whole string that execve(2) is given */
    static void check_length(std::size_t size, const std::string& what, const ValueSource& source)
    {
        if (size >= config::max_argument_bytes)
            refuse(
                413, fmt::format("{} is over {} bytes: let the command read it from a file, or from its standard input",
                         describe_value(what, source), config::max_argument_bytes - 1));
    }

    const config::Hook& hook_;
    Values& values_;
    Invocation invocation_;
    std::size_t invocation_bytes_ = 0;
    Bytes file_bytes_ = 0;
};

} // namespace

std::variant<Invocation, Refusal> extract(const config::Hook& hook, Values& values)
{
    try {
        return Extractor{hook, values}.run();
    } catch (Refused& refused) {
        return std::move(refused.refusal);
    }
}

} // namespace belay::hooks
