#pragma once
#include "belayd/ingress_hooks.hpp"
#include "http/request.hpp"

#include <string>
#include <vector>

namespace belay {

/**
 * What is kept of a request beside its body, to explain later what became of it: jobs::NewEvent::request.  No longer
 * than the head was, but for the lengths.
 *
 * @param hooks that share its path: what is a secret to any of them, in its auth or in a rule, is left out
 */
[[nodiscard]] std::string stored_head(const http::Request& request, const std::vector<IngressHook>& hooks);

} // namespace belay
