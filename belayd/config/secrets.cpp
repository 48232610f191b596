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

std::vector<std::reference_wrapper<const Auth>> auths_of(const Hook& hook)
{
    std::vector<std::reference_wrapper<const Auth>> auths;
    for (const SecretUse& use : secrets_of(hook)) // in which each one's come together
        if (auths.empty() || &auths.back().get() != &use.auth.get())
            auths.push_back(use.auth);
    return auths;
}

} // namespace belay::config
