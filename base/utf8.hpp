#pragma once
#include <string>
#include <string_view>

namespace belay {

/**
 * Makes untrusted text safe to print on one line: control characters, DEL, invalid UTF-8, and the characters that
 * reorder or hide text (bidirectional controls, U+2028, U+2029) become \n, \t, \xNN or \u{NNNN}; a backslash is
 * doubled. What is left cannot start a new log record, move a cursor or break sd_notify's STATUS (sd_notify(3)).
 *
 * @param limit bytes of output after which the text is cut and "…" added; zero means none
 */
[[nodiscard]] std::string escape_for_line(std::string_view text, std::size_t limit = 0);

/** Whether the text is valid UTF-8 (RFC 3629): no surrogates, no overlong forms. */
[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;

/** The text with U+FFFD in place of each byte that is not part of valid UTF-8. */
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

} // namespace belay
