#include "belayd/config/secrets.hpp"

namespace belay::config {
namespace {

void add(const Auth& auth, std::vector<SecretUse>& uses)
{
    for (const SecretSource& secret : auth.secrets)
        uses.push_back({secret, auth});
}

void add(const Rule& rule, std::vector<SecretUse>& uses) // no deeper than max_rule_depth
{
    if (rule.auth)
        add(*rule.auth, uses);
    for (const Rule& part : rule.rules)
        add(part, uses);
}

} // namespace

std::vector<SecretUse> secrets_of(const Hook& hook)
{
    std::vector<SecretUse> uses;
    add(hook.auth, uses);
    if (hook.when)
        add(*hook.when, uses);
    return uses;
}

} // namespace belay::config
