#pragma once
#include "belayd/config/config.hpp"

#include <functional>
#include <vector>

namespace belay::config {

/** A secret, and what it is one of.  Borrows the hook. */
struct SecretUse {
    std::reference_wrapper<const SecretSource> source;
    std::reference_wrapper<const Auth> auth;
};

/**
 * Every secret that a hook names: those of `auth`, then those of its rules' signatures as they are written.  A secret's
 * place here is what it is known by.
 */
[[nodiscard]] std::vector<SecretUse> secrets_of(const Hook& hook);

/** What a hook asks proof of by secrets: its own `auth` where there is one, then the signatures of its rules. */
[[nodiscard]] std::vector<std::reference_wrapper<const Auth>> auths_of(const Hook& hook);

} // namespace belay::config
