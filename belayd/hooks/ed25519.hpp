#pragma once
#include <string>

namespace belay::hooks {

/** A public key (RFC 8032) of 32 bytes under which anybody can sign: a point of small order, of either sign. */
[[nodiscard]] bool is_of_small_order(std::string key);

} // namespace belay::hooks
