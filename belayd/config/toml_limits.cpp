#include "belayd/config/toml_limits.hpp"

#include "base/utf8.hpp"

#include <fmt/format.h>

#include <vector>

namespace belay::config {
namespace {

/** Walks a TOML text and knows only strings, comments, brackets and dots. */
class Walk {
public:
    explicit Walk(std::string_view text) noexcept : text_(text) {}

    std::optional<Excess> run()
    {
        while (at_ < text_.size()) {
            step();
            if (depth_ > max_nesting)
                return Excess{line_, static_cast<unsigned>(at_ - line_start_),
                    fmt::format("tables and arrays are nested more than {} deep: flatten them", max_nesting)};
        }
        return std::nullopt;
    }

private:
    void step()
    {
        switch (const char c = text_[at_++]; c) {
        case '\n':
            start_line();
            forget_dots();
            break;
        case ',':
            forget_dots();
            break;
        case '#':
            at_ = std::min(text_.find('\n', at_), text_.size());
            break;
        case '"':
        case '\'':
            skip_string(c);
            break;
        case '[':
        case '{':
            ++depth_;
            dots_.push_back(0);
            break;
        case ']':
        case '}':
            forget_dots();
            if (dots_.size() > 1) {
                dots_.pop_back();
                --depth_;
            }
            break;
        case '.': // a.b.c nests as {a = {b = {c = …}}} does
            ++depth_;
            ++dots_.back();
            break;
        default:
            break;
        }
    }

    void skip_string(char quote)
    {
        const bool multi_line = text_.substr(at_, 2) == std::string{quote, quote};
        if (multi_line)
            at_ += 2;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\n') {
                if (!multi_line)
                    return; // unterminated: the parser will say so
                ++at_;
                start_line();
                --at_;
            } else if (c == '\\' && quote == '"') {
                if (at_ + 1 < text_.size() && text_[at_ + 1] != '\n')
                    ++at_;
            } else if (c == quote && !multi_line) {
                ++at_;
                return;
            } else if (c == quote && text_.substr(at_, 3) == std::string(3, quote)) {
                at_ += 3;
                for (int extra = 0; extra < 2 && at_ < text_.size() && text_[at_] == quote; ++extra)
                    ++at_; // """a""""": up to two quotes belong to the string
                return;
            }
        }
    }

    void start_line() noexcept
    {
        ++line_;
        line_start_ = at_;
    }

    void forget_dots() noexcept
    {
        depth_ -= dots_.back();
        dots_.back() = 0;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t line_start_ = 0;
    unsigned line_ = 1;
    unsigned depth_ = 0;               // brackets, braces and dots around `at_`
    std::vector<unsigned> dots_ = {0}; // of the key being read, at each level of brackets
};

} // namespace

std::optional<Excess> find_excess(std::string_view text)
{
    if (text.size() > max_file_bytes)
        return Excess{1, 1, "the file is over 1 MiB: split it with include"};
    unsigned line = 1;
    for (std::size_t start = 0; start <= text.size(); ++line) {
        const auto end = std::min(text.find('\n', start), text.size());
        const auto content = text.substr(start, end - start);
        if (const auto nul = content.find('\0'); nul != std::string_view::npos)
            return Excess{line, static_cast<unsigned>(nul + 1), "a NUL byte is not allowed"};
        if (!is_valid_utf8(content))
            return Excess{line, 1, "the line is not valid UTF-8"};
        start = end + 1;
    }
    return Walk{text}.run();
}

} // namespace belay::config
