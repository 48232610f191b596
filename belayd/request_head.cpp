#include "belayd/request_head.hpp"

#include "belayd/hooks/values.hpp"
#include "belayd/jobs/netstrings.hpp"

#include <algorithm>

namespace belay {
namespace {

bool is_secret_in(const config::Rule& rule, std::string_view field_name) // no deeper than config::max_rule_depth
{
    return (rule.auth && hooks::is_secret(field_name, *rule.auth)) ||
           std::ranges::any_of(
               rule.rules, [field_name](const config::Rule& part) { return is_secret_in(part, field_name); });
}

bool is_secret_to(const config::Hook& hook, std::string_view field_name)
{
    return hooks::is_secret(field_name, hook.auth) || (hook.when && is_secret_in(*hook.when, field_name));
}

} // namespace

std::string stored_head(const http::Request& request, const std::vector<IngressHook>& hooks)
{
    std::string head;
    jobs::append_netstring(head, request.method);
    jobs::append_netstring(head, request.target);
    for (const http::Field& field : request.fields) {
        const auto is_secret = [&field](const IngressHook& hook) { return is_secret_to(hook.config(), field.name); };
        if (std::ranges::any_of(hooks, is_secret))
            continue;
        jobs::append_netstring(head, field.name);
        jobs::append_netstring(head, field.value);
    }
    return head;
}

} // namespace belay
