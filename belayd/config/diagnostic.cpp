#include "base/utf8.hpp"
#include "belayd/config/load.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace belay::config {
namespace {

constexpr std::size_t max_line_shown = 200; // bytes; longer lines are shown without a caret

/** Columns that text takes on a terminal, near enough: code points. */
std::size_t width(std::string_view text) noexcept
{
    return static_cast<std::size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

constexpr auto secret_words = std::to_array<std::string_view>({"secret", "token", "password"});
constexpr auto places_of_secrets =
    std::to_array<std::string_view>({"secret_file", "secret_credential", "secret_env"}); // names, not secrets

/** Whether what follows a word is not just the end of a value: `token = …`, `token: …`, `--token=…`. */
bool is_followed_by_text(std::string_view line, std::size_t end) noexcept
{
    const auto next = line.find_first_not_of("\"' \t", end);
    return next != std::string_view::npos && std::string_view{",}]#"}.find(line[next]) == std::string_view::npos;
}

/** By its keys.  "secret = …" is an easy mistake, and then a real one; it may be what is wrong with the syntax, too. */
bool may_hold_a_secret(std::string line)
{
    std::transform(
        line.begin(), line.end(), line.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    for (const auto word : secret_words)
        for (std::size_t end = 0, at = 0; (at = line.find(word, end)) != std::string::npos;) {
            end = std::min(line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-", at), line.size());
            const auto key = std::string_view{line}.substr(at, end - at);
            const bool is_place = std::ranges::find(places_of_secrets, key) != places_of_secrets.end();
            if (!is_place && is_followed_by_text(line, end))
                return true;
        }
    return false;
}

std::string join(const std::vector<Diagnostic>& diagnostics)
{
    std::string text;
    for (const auto& diagnostic : diagnostics)
        text += (text.empty() ? "" : "\n") + format(diagnostic);
    return text;
}

} // namespace

std::string format(const Diagnostic& diagnostic)
{
    const auto& [file, line, column] = diagnostic.origin;
    std::string text = escape_for_line(file);
    if (line != 0)
        text += fmt::format("{}{}:{}", text.empty() ? "" : ":", line, column);
    text += fmt::format("{}{}", text.empty() ? "" : ": ", escape_for_line(diagnostic.message));
    if (diagnostic.line.empty() || may_hold_a_secret(diagnostic.line))
        return text;
    std::string line_text = diagnostic.line;
    std::replace(line_text.begin(), line_text.end(), '\t', ' ');
    if (line_text.size() > max_line_shown || column == 0)
        return text + fmt::format("\n    {}", escape_for_line(line_text, max_line_shown));
    const auto before = std::string_view{line_text}.substr(0, column - 1);
    return text + fmt::format("\n    {}\n    {:{}}^", escape_for_line(line_text), "", width(escape_for_line(before)));
}

Diagnostic make_diagnostic(const Origin& origin, std::string message)
{
    Diagnostic diagnostic{origin, std::move(message), {}};
    if (std::error_code ignored; std::filesystem::is_regular_file(origin.file, ignored)) {
        std::ifstream file{origin.file};
        for (unsigned line = 0; line < origin.line; ++line)
            if (!std::getline(file, diagnostic.line))
                diagnostic.line.clear();
    }
    return diagnostic;
}

ConfigError::ConfigError(std::vector<Diagnostic> diagnostics)
    : std::runtime_error(join(diagnostics)), diagnostics_(std::move(diagnostics))
{
}

} // namespace belay::config
