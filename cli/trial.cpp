#include "cli/trial.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/authenticator.hpp"
#include "cli/format.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sysexits.h>

#include <fstream>
#include <iterator>
#include <ostream>
#include <system_error>

namespace belay::cli {

config::Config load_for_trial(Context& context)
{
    try {
        return config::load_config(context.config_file);
    } catch (const config::ConfigError& e) {
        for (const auto& diagnostic : e.diagnostics())
            context.err << config::format(diagnostic) << '\n';
        throw Failure{EX_CONFIG, fmt::format("{} has errors", context.config_file)};
    }
}

const config::Hook& find_hook(const config::Config& config, const std::string& name, int exit_status)
{
    if (const auto found = config.hooks.find(name); found != config.hooks.end())
        return found->second;
    std::vector<std::string> names;
    for (const auto& [other, hook] : config.hooks)
        names.push_back(other);
    throw Failure{exit_status, fmt::format("{} has no hook \"{}\": it has {}", config.file, name,
                                   names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")))};
}

Authentication authenticate(
    const config::Hook& hook, const RecordedRequest& request, const std::string& config_directory)
{
    using State = Authentication::State;
    const http::Request view = request.view();
    hooks::Input input{view, now(), request.remote};
    const hooks::Authenticator from{config::Auth{.anybody = true, .addresses = hook.auth.addresses}, config_directory};
    if (const auto verdict = from.verify(input); !verdict.authentic)
        return {.state = State::refused, .detail = verdict.why_not, .status = verdict.status};
    if (hook.auth.anybody)
        return {.state = State::nobody};
    const std::string& header = hook.auth.scheme.header;
    if (!view.field(header))
        return {.state = State::unchecked, .detail = fmt::format("the request has no {}", header)};
    try {
        const hooks::Authenticator authenticator{hook.auth, config_directory};
        if (const auto credentials = authenticator.credentials(input))
            input.password_file =
                authenticator.passwords()->find(*credentials, std::chrono::floor<std::chrono::seconds>(input.now));
        const auto verdict = authenticator.verify(input);
        if (!verdict.authentic)
            return {.state = State::refused, .detail = verdict.why_not, .status = verdict.status};
        return {.state = State::good, .detail = verdict.key ? hook.auth.secrets.at(*verdict.key).name : ""};
    } catch (const config::ConfigError& e) {
        return {.state = State::unchecked, .detail = e.diagnostics().front().message};
    }
}

Trial::Trial(const config::Hook& hook, const std::string& config_directory, hooks::Signatures signatures)
{
    if (hook.webhook)
        webhook_.emplace(hook, config_directory, signatures);
    else
        judge_.emplace(hook, config_directory,
            signatures == hooks::Signatures::assumed ? hooks::Secrets::unused : hooks::Secrets::optional);
}

hooks::Decision Trial::decide(const hooks::Input& input) const
{
    return webhook_ ? webhook_->decide(input) : judge_->decide(input);
}

std::optional<hooks::Trace> Trial::trace(const hooks::Input& input) const
{
    return webhook_ ? webhook_->trace(input) : judge_->trace(input);
}

std::string_view outcome_of(const hooks::Decision& decision) noexcept
{
    if (std::holds_alternative<hooks::Event>(decision))
        return "event";
    if (std::holds_alternative<hooks::Ignored>(decision))
        return "ignored";
    return std::holds_alternative<hooks::Refusal>(decision) ? "refused" : "answered";
}

int status_of(const hooks::Decision& decision, const config::Hook& hook) noexcept
{
    const auto& compat = hook.webhook;
    if (std::holds_alternative<hooks::Event>(decision))
        return compat ? static_cast<int>(compat->success_status) : 202;
    if (const auto* const refusal = std::get_if<hooks::Refusal>(&decision))
        return refusal->status;
    if (const auto* const ignored = std::get_if<hooks::Ignored>(&decision))
        return compat ? static_cast<int>(compat->mismatch_status) : ignored->status;
    const auto* const reply = std::get_if<hooks::Reply>(&decision);
    return reply != nullptr && reply->json.empty() ? 204 : 200;
}

std::string reason_of(const hooks::Decision& decision)
{
    if (const auto* const ignored = std::get_if<hooks::Ignored>(&decision))
        return ignored->reason;
    if (const auto* const refusal = std::get_if<hooks::Refusal>(&decision))
        return refusal->detail;
    return std::holds_alternative<hooks::Reply>(decision) ? "the sender asks whether this end is what it should be"
                                                          : "";
}

Timestamp now()
{
    return std::chrono::floor<Timestamp::duration>(std::chrono::system_clock::now());
}

std::string read_file(const std::string& file, std::istream& standard_input, int exit_status)
{
    const auto read_all = [](std::istream& in) { return std::string{std::istreambuf_iterator<char>{in}, {}}; };
    if (file == "-")
        return read_all(standard_input);
    std::ifstream in{file, std::ios::binary};
    try {
        if (in)
            return read_all(in);
    } catch (const std::ios_base::failure&) { // libstdc++ throws from the buffer, e.g. for a directory
    }
    throw Failure{exit_status, fmt::format("cannot read {}: {}", file, std::generic_category().message(errno))};
}

} // namespace belay::cli
