#include "belayd/request_head.hpp"

#include "belayd/hooks/values.hpp"
#include "belayd/jobs/netstrings.hpp"

#include <algorithm>

namespace belay {
std::string stored_head(const http::Request& request, const std::vector<IngressHook>& hooks)
{
    std::string head;
    jobs::append_netstring(head, request.method);
    jobs::append_netstring(head, request.target);
    for (const http::Field& field : request.fields) {
        const auto is_secret = [&field](
                                   const IngressHook& hook) { return hooks::is_secret(field.name, hook.config()); };
        if (std::ranges::any_of(hooks, is_secret))
            continue;
        jobs::append_netstring(head, field.name);
        jobs::append_netstring(head, field.value);
    }
    return head;
}

} // namespace belay
