#pragma once
#include <re2/re2.h>

#include <memory>
#include <string>
#include <string_view>

namespace belay::config {

/**
 * A regular expression as rules have it: RE2's syntax, UTF-8, bounded memory; quiet.  It takes time linear in the text.
 * Thread-safe.
 * @return ok() tells whether it is one
 */
[[nodiscard]] std::unique_ptr<const re2::RE2> compile_regex(std::string_view pattern);

/** * stands for any bytes, ? for a character, all else for itself; to be matched with the whole of a text. */
[[nodiscard]] std::unique_ptr<const re2::RE2> compile_glob(std::string_view pattern);

/** "" where it is one, else a phrase that follows the text, with RE2's reason and place. */
[[nodiscard]] std::string fault_in_regex(std::string_view pattern);

} // namespace belay::config
