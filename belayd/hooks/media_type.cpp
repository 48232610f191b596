#include "belayd/hooks/media_type.hpp"

#include "http/chars.hpp"

#include <algorithm>

namespace belay::hooks {
namespace {

constexpr std::string_view token_characters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~"; // RFC 9110 §5.6.2

/** Takes `text` apart from its start on. */
class Scanner {
public:
    explicit Scanner(std::string_view text) noexcept : rest_(text) {}

    [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

    void skip_blanks() noexcept { (void)take_while(" \t"); }

    [[nodiscard]] bool skip(char c) noexcept
    {
        const bool there = rest_.starts_with(c);
        rest_.remove_prefix(there ? 1 : 0);
        return there;
    }

    /** As long as characters are of `set`; "" where the first is not. */
    [[nodiscard]] std::string_view take_while(std::string_view set) noexcept
    {
        const auto taken = rest_.substr(0, rest_.find_first_not_of(set));
        rest_.remove_prefix(taken.size());
        return taken;
    }

    /** A token or a quoted string, RFC 9110 §5.6.4. */
    [[nodiscard]] std::optional<std::string> take_value()
    {
        if (!skip('"')) {
            const auto token = take_while(token_characters);
            return token.empty() ? std::nullopt : std::optional{std::string{token}};
        }
        std::string value;
        while (!rest_.empty() && rest_.front() != '"') {
            rest_.remove_prefix(rest_.front() == '\\' ? 1 : 0);
            value += rest_.substr(0, 1);
            rest_.remove_prefix(std::min<std::size_t>(1, rest_.size()));
        }
        return skip('"') ? std::optional{std::move(value)} : std::nullopt;
    }

private:
    std::string_view rest_;
};

} // namespace

const std::string* ParameterisedWord::find(std::string_view name) const noexcept
{
    const auto found = std::ranges::find(parameters, name, [](const auto& parameter) { return parameter.first; });
    return found == parameters.end() ? nullptr : &found->second;
}

std::optional<ParameterisedWord> parse_parameterised_word(std::string_view text)
{
    Scanner scanner{text};
    scanner.skip_blanks();
    ParameterisedWord parsed{http::to_lower(scanner.take_while(std::string{token_characters} + '/')), {}};
    if (parsed.word.empty())
        return std::nullopt;
    for (scanner.skip_blanks(); !scanner.at_end(); scanner.skip_blanks()) {
        if (!scanner.skip(';'))
            return std::nullopt;
        scanner.skip_blanks();
        if (scanner.at_end()) // "form-data;"
            break;
        std::string name = http::to_lower(scanner.take_while(token_characters));
        if (name.empty() || parsed.find(name) != nullptr || !scanner.skip('='))
            return std::nullopt;
        auto value = scanner.take_value();
        if (!value)
            return std::nullopt;
        parsed.parameters.emplace_back(std::move(name), std::move(*value));
    }
    return parsed;
}

} // namespace belay::hooks
