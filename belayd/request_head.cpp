#include "belayd/request_head.hpp"

#include "belayd/hooks/values.hpp"
#include "belayd/jobs/netstrings.hpp"

#include <algorithm>

namespace belay {
namespace {

/** About what its head takes, so that memory is asked for once. */
std::size_t size_of(const http::Request& request)
{
    constexpr std::size_t around = 6; // a text: its size in digits, ':' and ','
    std::size_t size = request.method.size() + request.target.size() + 2 * around;
    for (const http::Field& field : request.fields)
        size += field.name.size() + field.value.size() + 2 * around;
    return size;
}

} // namespace

std::string stored_head(const http::Request& request, const std::vector<IngressHook>& hooks)
{
    std::string head;
    head.reserve(size_of(request));
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
