#include "belayd/hooks/hook_table.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/judge.hpp"
#include "belayd/hooks/verifier.hpp"

#include <filesystem>
#include <stdexcept>

namespace belay::hooks {
namespace {

/** @throws config::ConfigError with every secret's fault at once */
std::unique_ptr<const Verifier> make_verifier(const config::Hook& hook, const std::string& config_directory)
{
    if (hook.auth.anybody)
        return nullptr;
    std::vector<Verifier::Key> keys;
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& source : hook.auth.secrets) {
        try {
            keys.push_back({load_key(hook.auth.scheme, source, config_directory), source.not_after});
        } catch (const std::runtime_error& error) {
            diagnostics.push_back(config::make_diagnostic(source.origin, error.what()));
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
    return std::make_unique<const Verifier>(hook.auth.scheme, std::move(keys));
}

} // namespace

Hook::Hook(config::Hook hook, const std::string& config_directory)
    : config_(std::move(hook)), verifier_(make_verifier(config_, config_directory)),
      judge_(std::make_unique<const Judge>(config_))
{
}

Hook::~Hook() = default;

Judgement Hook::decide(const Input& input) const
{
    Verifier::Verdict verdict{.authentic = true};
    if (verifier_)
        verdict = verifier_->verify(input.request, input.now);
    if (!verdict.authentic)
        return {Refusal{401, std::move(verdict.why_not)}, false, verdict.key};
    return {judge_->decide(input), true, verdict.key};
}

std::string Hook::challenge() const
{
    if (!verifier_)
        return {};
    const config::Scheme& scheme = verifier_->scheme();
    if (scheme.layout != config::Scheme::Layout::credentials)
        return scheme.header;
    return scheme.forms.front().label;
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
