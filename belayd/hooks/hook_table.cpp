#include "belayd/hooks/hook_table.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/judge.hpp"
#include "belayd/hooks/webhook_hook.hpp"

#include <filesystem>
#include <stdexcept>

namespace belay::hooks {
Hook::Hook(config::Hook hook, const std::string& config_directory)
    : config_(std::move(hook)), authenticator_(config_.auth, config_directory),
      judge_(config_.webhook ? nullptr : std::make_unique<const Judge>(config_, config_directory, Secrets::required)),
      webhook_(config_.webhook ? std::make_unique<const WebhookHook>(config_, config_directory) : nullptr)
{
}

Hook::~Hook() = default;

Judgement Hook::decide(const Input& input) const
{
    Verdict verdict = authenticator_.verify(input);
    if (!verdict.authentic)
        return {Refusal{verdict.status, std::move(verdict.why_not)}, false, verdict.key};
    if (webhook_)
        return {webhook_->decide(input), true, verdict.key};
    std::vector<SignedBy> in_rules;
    Decision decision = judge_->decide(input, in_rules);
    return {std::move(decision), true, verdict.key, std::move(in_rules)};
}

HookTable::HookTable(const config::Config& config)
{
    const auto directory = std::filesystem::path{config.file}.parent_path().string();
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& [name, hook] : config.hooks) {
        try {
            hooks_.emplace(name, std::make_unique<const Hook>(hook, directory));
        } catch (const config::ConfigError& error) {
            diagnostics.insert(diagnostics.end(), error.diagnostics().begin(), error.diagnostics().end());
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
}

const Hook* HookTable::find(std::string_view name) const noexcept
{
    const auto found = hooks_.find(name);
    return found == hooks_.end() ? nullptr : found->second.get();
}

} // namespace belay::hooks
