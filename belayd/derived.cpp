#include "belayd/derived.hpp"

#include "base/cpu_share.hpp"
#include "build_config.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace belay {
namespace {

/** What a job inherits from belayd's environment when pass_environment says nothing. */
constexpr std::array<std::string_view, 7> inherited{"PATH", "HOME", "LANG", "TZ", "USER", "LOGNAME", "SHELL"};
constexpr std::string_view default_path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

bool is_inherited(std::string_view name, const std::vector<std::string>& passed)
{
    return name.starts_with("LC_") || std::find(inherited.begin(), inherited.end(), name) != inherited.end() ||
           std::find(passed.begin(), passed.end(), name) != passed.end();
}

std::vector<std::pair<std::string, std::string>> base_environment(const std::vector<std::string>& passed)
{
    std::vector<std::pair<std::string, std::string>> environment;
    bool has_path = false;
    for (char** entry = ::environ; *entry != nullptr; ++entry) {
        const std::string_view assignment{*entry};
        const auto equals = assignment.find('=');
        if (equals == std::string_view::npos || !is_inherited(assignment.substr(0, equals), passed))
            continue;
        has_path = has_path || assignment.substr(0, equals) == "PATH";
        environment.emplace_back(assignment.substr(0, equals), assignment.substr(equals + 1));
    }
    if (!has_path)
        environment.emplace_back("PATH", default_path);
    return environment;
}

std::string control_socket_path(const config::Config& config)
{
    // RuntimeDirectory= may list several, separated by colons: the first is ours, systemd.exec(5).
    if (const char* const runtime = std::getenv("RUNTIME_DIRECTORY"); runtime != nullptr && *runtime != '\0')
        return std::string{std::string_view{runtime}.substr(0, std::string_view{runtime}.find(':'))} + "/control.sock";
    return config.state_dir + "/control.sock";
}

/** As adnanh/webhook does, which then takes both streams for one. */
bool answers_output(const config::Hook& hook)
{
    using AnswerOutput = config::WebhookCompat::AnswerOutput;
    return hook.webhook && hook.webhook->answer_output != AnswerOutput::never;
}

} // namespace

daemon::CoreOptions core_options(const config::Config& config, const CommandLine& command_line)
{
    daemon::CoreOptions options;
    options.name = "belayd";
    options.version = BELAY_VERSION;
    options.log = {.level = config.log_level, .format = config.log_format, .identifier = "belayd"};
    if (config.admin_listen)
        options.admin_listen = *config.admin_listen;
    else
        options.admin_listen = {config::default_admin_listen};
    if (!config.admin_listen)
        options.admin_passed = "admin"; // FileDescriptorName= of a socket unit
    options.control_socket = control_socket_path(config);
    options.control_group = "belay";
    options.drain_timeout = config.drain_timeout;
    options.kill_grace = config.kill_grace;
    options.wedge_note = config.state_dir + "/wedged.json";
    options.arguments = command_line.arguments;
    options.strict_leaks = command_line.strict_leaks;
    return options;
}

jobs::SchedulerRules scheduler_rules(const config::Config& config)
{
    jobs::SchedulerRules rules;
    rules.max_jobs = config.max_jobs != 0 ? config.max_jobs : cpu_share().threads();
    rules.kill_grace = config.kill_grace;
    rules.files_directory = files_directory(config);
    rules.free_space_floor = config.free_space_floor;
    rules.base_environment = base_environment(config.pass_environment);
    for (const auto& [name, hook] : config.hooks)
        rules.hooks.emplace(name, jobs::HookRules{.timeout = hook.timeout,
                                      .attempts = hook.attempts,
                                      .backoff = hook.backoff,
                                      .max_backoff = hook.max_backoff,
                                      .concurrency = hook.concurrency,
                                      .directory = hook.directory.empty() ? "/" : hook.directory,
                                      .output_limit = hook.output_limit,
                                      .merges_output = answers_output(hook)});
    return rules;
}

std::string store_path(const config::Config& config)
{
    constexpr std::string_view scheme = "sqlite:";
    const std::string_view url = config.store_url;
    return std::filesystem::path{config.state_dir} / url.substr(url.starts_with(scheme) ? scheme.size() : 0);
}

std::string files_directory(const config::Config& config)
{
    return config.state_dir + "/files";
}

} // namespace belay
