#pragma once
#include <optional>
#include <string>

namespace belay {

/**
 * The ELF build-id (NT_GNU_BUILD_ID) of a file, in hex: two builds that differ have different ones, wherever they lie.
 * The file may be anything, and may be changed while it is read.
 *
 * @return nothing where it is no 64-bit little-endian ELF file, or has no build-id
 * @throws std::system_error with the path, if it cannot be opened or read
 */
[[nodiscard]] std::optional<std::string> read_build_id(const std::string& path);

} // namespace belay
