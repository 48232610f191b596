#include "belayd/config/auth_schema.hpp"
#include "belayd/config/checks.hpp"
#include "belayd/config/rate_limit_schema.hpp"
#include "belayd/config/rule_schema.hpp"
#include "belayd/config/settings.hpp"
#include "belayd/config/value_schema.hpp"
#include "belayd/config/variables_schema.hpp"
#include "belayd/config/webhook_schema.hpp"

#include <fmt/format.h>

#include <chrono>

namespace belay::config {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds day = std::chrono::hours{24};

void read_run(const Node& node, Hook& hook, Problems& problems)
{
    if (node.type != Node::Type::array || node.elements.empty()) {
        problems.add(node.origin, "run must be an array of the command and its arguments: [\"/usr/local/bin/deploy\", "
                                  "{ payload = \"/ref\" }]");
        return;
    }
    hook.run.clear();
    for (const auto& element : node.elements)
        if (auto source = read_source(element, "an argument of run", SourceUse::argument, problems))
            hook.run.push_back(std::move(*source));
    const auto& command = node.elements.front();
    if (command.type == Node::Type::table)
        problems.add(command.origin, "the command of run must be written here: a request cannot choose it");
    else if (command.type == Node::Type::string)
        if (const auto fault = fault_in_command(command.text); !fault.empty())
            problems.add(command.origin, fmt::format("command \"{}\" {}", command.text, fault));
}

std::string write_run(const Hook& hook)
{
    std::string text;
    for (const auto& argument : hook.run)
        text += (text.empty() ? "[" : ", ") + write_source(argument);
    return text + "]";
}

Setting<Hook> rule_setting()
{
    return {"when", [](const Node& node, Hook& hook, Problems& problems) { hook.when = read_rule(node, problems); },
        [](const Hook& hook) { return hook.when ? write_rule(*hook.when) : "{}"; },
        [](const Hook& hook) { return hook.when.has_value(); }};
}

std::vector<Setting<Hook>> make_hook_settings()
{
    return {
        {"compat", read_compat, [](const Hook&) { return std::string{"\"webhook\""}; },
            [](const Hook& hook) { return hook.webhook.has_value(); }},
        {"webhook", read_webhook, write_webhook, [](const Hook& hook) { return hook.webhook.has_value(); }},
        text_setting<Hook>("path", member(&Hook::path), fault_in_hook_path),
        {"auth", [](const Node& node, Hook& hook, Problems& problems) { read_auth(node, hook.auth, problems); },
            [](const Hook& hook) { return write_auth(hook.auth); }, {}},
        rule_setting(),
        {"run", read_run, write_run, {}},
        {"env", [](const Node& node, Hook& hook, Problems& problems) { hook.env = read_variables(node, problems); },
            [](const Hook& hook) { return write_values(hook.env); }, {}},
        {"files", [](const Node& node, Hook& hook, Problems& problems) { hook.files = read_files(node, problems); },
            [](const Hook& hook) { return write_values(hook.files); }, {}},
        text_setting<Hook>("directory", member(&Hook::directory), fault_in_directory),
        duration_setting<Hook>("timeout", member(&Hook::timeout), 1ms, 365 * day),
        count_setting<Hook>("attempts", member(&Hook::attempts), 1, 1'000),
        duration_setting<Hook>("backoff", member(&Hook::backoff), 0s, 30 * day),
        duration_setting<Hook>("max_backoff", member(&Hook::max_backoff), 0s, 365 * day),
        count_setting<Hook>("mismatch_status", member(&Hook::mismatch_status), 200, 499),
        duration_setting<Hook>("wait", member(&Hook::wait), 0s, 1h),
        duration_setting<Hook>("max_wait", member(&Hook::max_wait), 0s, 1h),
        count_setting<Hook>("concurrency", member(&Hook::concurrency), 0, 10'000),
        count_setting<Hook>("max_queued", member(&Hook::max_queued), 0, 1'000'000'000),
        {"rate_limit",
            [](const Node& node, Hook& hook, Problems& problems) { read_rate_limits(node, hook.rate_limit, problems); },
            [](const Hook& hook) { return write_rate_limits(hook.rate_limit); }, {}},
        size_setting<Hook>("max_body", member(&Hook::max_body), 0, largest_body),
        size_setting<Hook>("output_limit", member(&Hook::output_limit), 0, largest_output),
    };
}

} // namespace

const std::vector<Setting<Hook>>& hook_settings()
{
    static const auto made = make_hook_settings();
    return made;
}

} // namespace belay::config
