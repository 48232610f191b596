#pragma once
#include "base/byte_size.hpp"

#include <string>
#include <string_view>

/**
 * What a configured text must be.  Each check returns "" where the text is fine, else what is wrong with it: a phrase
 * that follows the text, such as "is not a JSON pointer: it must begin with \"/\"".
 */
namespace belay::config {

/** What the store takes: a row of SQLite is at most 256 MiB here, and both streams of an attempt are in one. */
inline constexpr Bytes largest_body = 255_MiB;
inline constexpr Bytes largest_output = 100_MiB;

/** Linux's MAX_ARG_STRLEN, 32 pages, with the terminating NUL: execve(2) fails with E2BIG for a longer string. */
inline constexpr std::size_t max_argument_bytes = 131'072;

/** "host:port", "[v6]:port", "unix:/path" or "fd:NAME" */
[[nodiscard]] std::string fault_in_listen_spec(std::string_view spec);

/** 1 to 64 of [A-Za-z0-9._-], begins with a letter or digit */
[[nodiscard]] std::string fault_in_hook_name(std::string_view name);

/** One segment of a request's path, likewise. */
[[nodiscard]] std::string fault_in_hook_path(std::string_view path);

/** RFC 6901 */
[[nodiscard]] std::string fault_in_json_pointer(std::string_view pointer);

/** RFC 9110 §5.1 */
[[nodiscard]] std::string fault_in_header_name(std::string_view name);

/** Of one that an operator gives an answer: those that frame it, and Date, are belayd's. */
[[nodiscard]] std::string fault_in_response_header(std::string_view name);

/** A name that a shell can read: [A-Za-z_][A-Za-z0-9_]*, and none of those that belay sets itself. */
[[nodiscard]] std::string fault_in_variable_name(std::string_view name);

/** Likewise, of a variable that names a file, which is called the same: at most NAME_MAX bytes. */
[[nodiscard]] std::string fault_in_file_variable(std::string_view name);

/** A variable that whoever sends the request may set: none that changes what a program loads, runs or trusts. */
[[nodiscard]] std::string fault_in_requested_variable(std::string_view name);

/** An absolute path of a file that this process may execute now. */
[[nodiscard]] std::string fault_in_command(const std::string& path);

/** An absolute path of a directory that exists. */
[[nodiscard]] std::string fault_in_directory(const std::string& path);

} // namespace belay::config
