#include "belayd/config/load.hpp"

#include "base/unique_fd.hpp"
#include "belayd/config/checks.hpp"
#include "belayd/config/includes.hpp"
#include "belayd/config/secrets.hpp"
#include "belayd/config/settings.hpp"
#include "belayd/config/variables_schema.hpp"
#include "belayd/config/webhook_schema.hpp"

#include <fmt/format.h>

#include <cstdlib>

namespace belay::config {
namespace {

std::string default_state_dir()
{
    const char* directories = std::getenv("STATE_DIRECTORY"); // systemd.exec(5): may hold several, with colons
    const std::string_view first = directories ? std::string_view{directories} : std::string_view{};
    const auto end = first.find(':');
    return first.starts_with('/') ? std::string{first.substr(0, end)} : "/var/lib/belay";
}

void check_top_level(const Node& root, Problems& problems)
{
    std::vector<std::string_view> names{"include", "hooks"};
    for (const auto& section : sections())
        names.push_back(section.name);
    for (const auto& member : root.members) {
        if (std::find(names.begin(), names.end(), member.key) == names.end()) {
            std::string remedy = suggest(member.key, names);
            for (const auto& section : sections())
                for (const auto& setting : section.settings)
                    if (remedy.empty() && setting.name == member.key)
                        remedy = fmt::format(": it belongs under [{}]", section.name);
            problems.add(member.origin, fmt::format("unknown key \"{}\"{}", member.key, remedy));
        }
    }
}

bool is_table(const Node& node, std::string_view name, Problems& problems)
{
    if (node.type != Node::Type::table)
        problems.add(node.origin, fmt::format("{} must be a table, [{}], not {}", name, name, describe(node.type)));
    return node.type == Node::Type::table;
}

void read_hook(const Node::Member& member, Config& config, Problems& problems)
{
    if (const auto fault = fault_in_hook_name(member.key); !fault.empty()) {
        problems.add(member.origin, fmt::format("\"{}\" {}", member.key, fault));
        return;
    }
    const auto path = "hooks." + member.key;
    if (!is_table(member.value, path, problems))
        return;
    Hook hook;
    hook.name = member.key;
    hook.path = member.key;
    hook.origin = member.origin;
    hook.timeout = config.default_timeout;
    hook.output_limit = config.output_limit;
    hook.directory = "/";
    read_settings<Hook>(member.value, path, hook_settings(), hook, config.origins, problems);
    check_compat(hook, problems);
    if (!member.value.find("auth"))
        problems.add(member.origin,
            fmt::format(
                "hook \"{}\" has no auth: add auth = {{ scheme = \"github\", secret_file = \"{}.secret\" }}, or "
                "auth = \"none\" to let anybody run it",
                hook.name, hook.name));
    if (!member.value.find("run"))
        problems.add(
            member.origin, fmt::format("hook \"{}\" has no run: add run = [\"/path/of/the/command\"]", hook.name));
    check_variables(hook, problems);
    if (hook.max_backoff < hook.backoff) {
        const bool written = member.value.find("max_backoff") != nullptr;
        const auto* where = member.value.find(written ? "max_backoff" : "backoff");
        problems.add(where ? where->value.origin : member.origin, "max_backoff must not be shorter than backoff");
    }
    if (hook.max_body > config.body_memory) {
        const auto* where = member.value.find("max_body");
        problems.add(where ? where->value.origin : member.origin,
            fmt::format("max_body is {}, more than ingress.body_memory, {}: no such body could be accepted",
                format_byte_size(hook.max_body), format_byte_size(config.body_memory)));
    }
    config.hooks.emplace(hook.name, std::move(hook));
}

void check_drain(const Config& config, Problems& problems)
{
    if (config.drain_delay > config.drain_timeout)
        problems.add(config.origins.at(
                         config.origins.contains("daemon.drain_delay") ? "daemon.drain_delay" : "daemon.drain_timeout"),
            fmt::format("drain_delay is {}, longer than drain_timeout, {}: the drain would pass its deadline",
                format_duration(config.drain_delay), format_duration(config.drain_timeout)));
}

void check_listeners(const Config& config, Problems& problems)
{
    if (!config.admin_listen)
        return;
    const auto ingress = config.ingress_listen.value_or(std::vector<std::string>{default_ingress_listen});
    for (const auto& spec : *config.admin_listen)
        if (!spec.ends_with(":0") && std::find(ingress.begin(), ingress.end(), spec) != ingress.end())
            problems.add(config.origins.at("admin.listen"),
                fmt::format("admin.listen \"{}\" is what ingress listens on: they need addresses of their own", spec));
}

void check_secrets(const Config& config, const SecretCheck& fault_in_secret, Problems& problems)
{
    for (const auto& [name, hook] : config.hooks)
        for (const auto& [secret, auth] : secrets_of(hook))
            if (auto fault = fault_in_secret(auth, secret); !fault.empty())
                problems.add(secret.get().origin, std::move(fault));
}

Config read_config(const Node& root, const std::string& file, const SecretCheck& fault_in_secret, Problems& problems)
{
    Config config;
    config.file = file;
    config.state_dir = default_state_dir();
    check_top_level(root, problems);
    for (const auto& section : sections())
        if (const auto* member = root.find(section.name); member && is_table(member->value, section.name, problems))
            read_settings<Config>(
                member->value, std::string{section.name}, section.settings, config, config.origins, problems);
    if (const auto* hooks = root.find("hooks"); hooks && is_table(hooks->value, "hooks", problems))
        for (const auto& member : hooks->value.members)
            read_hook(member, config, problems);
    check_drain(config, problems);
    check_listeners(config, problems);
    if (fault_in_secret)
        check_secrets(config, fault_in_secret, problems);
    problems.throw_if_any();
    return config;
}

} // namespace

Config load_config(const std::string& path, const SecretCheck& fault_in_secret)
{
    Problems problems;
    const Node root = load_with_includes(path, problems);
    return read_config(root, path, fault_in_secret, problems);
}

Config parse_config(const std::string& text, const std::string& file)
{
    Problems problems;
    const Document document = parse_document(text, file);
    problems.add_source(document);
    if (const auto* include = document.root.find("include"))
        problems.add(include->origin, "include is only followed from a file");
    return read_config(document.root, file, {}, problems);
}

} // namespace belay::config
