#pragma once
#include <cstddef>
#include <optional>
#include <string>

namespace belay::hooks {

/** Whether a request comes from whom its hook hears. */
struct Verdict {
    bool authentic = false;
    std::optional<std::size_t> key = {}; ///< the first secret that fits, whether or not that was in time
    int status = 401;                    ///< of the answer, where it is not
    std::string why_not = {};            ///< for the sender: what is soundly signed gets more than a no
};

/** A secret that a request is signed with. */
struct SignedBy {
    std::size_t secret = 0; ///< its place in config::secrets_of()
    bool authentic = true;  ///< neither is it over, nor the time that was signed
    bool decides = true;    ///< it is what matched: neither under a `not`, nor in a branch that did not match
};

} // namespace belay::hooks
