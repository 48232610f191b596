#include "belayd/hooks/hook_table.hpp"

#include "belayd/config/load.hpp"
#include "belayd/hooks/extract.hpp"
#include "belayd/hooks/signature.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace belay::hooks {
namespace {

/** The same words for every way not to be authentic: they must not tell which. */
constexpr const char* not_authentic = "the request is not signed with a secret of this hook";

bool is_delivery_id(std::string_view text) noexcept
{
    return !text.empty() && text.size() <= 255 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; });
}

std::vector<SigningKey> load_keys(const config::Hook& hook, const std::string& config_directory)
{
    std::vector<SigningKey> keys;
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& source : hook.auth.secrets) {
        try {
            std::string secret = load_secret(source, config_directory);
            keys.emplace_back(secret);
            OPENSSL_cleanse(secret.data(), secret.size());
        } catch (const std::runtime_error& error) {
            diagnostics.push_back(config::make_diagnostic(source.origin, error.what()));
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
    return keys;
}

} // namespace

struct Hook::Compiled {
    std::vector<SigningKey> keys; // empty: auth = "none"
};

Hook::Hook(config::Hook hook, const std::string& config_directory)
    : config_(std::move(hook)), compiled_(new Compiled{load_keys(config_, config_directory)})
{
}

Hook::~Hook() = default;

Decision Hook::decide(const Input& input) const
{
    const auto& request = input.request;
    if (config_.auth.scheme == config::Auth::Scheme::github) {
        const auto signature = request.field("X-Hub-Signature-256").value_or(std::string_view{});
        const bool signed_by_us = verify_github_signature(compiled_->keys, signature, input.body());
        if (!signed_by_us || request.count("X-Hub-Signature-256") != 1)
            return Refusal{401, not_authentic};
    }
    if (request.field("X-GitHub-Event") == "ping")
        return Ignored{"ping"};
    auto extracted = extract(config_, request);
    if (auto* refusal = std::get_if<Refusal>(&extracted))
        return std::move(*refusal);
    return std::get<Invocation>(std::move(extracted));
}

std::variant<std::optional<std::string>, Refusal> Hook::delivery_id(const http::Request& request)
{
    for (const char* name : {"X-GitHub-Delivery", "Idempotency-Key"}) {
        const auto id = request.field(name);
        if (!id)
            continue;
        if (!is_delivery_id(*id)) // to go on without would run a repeated delivery again
            return Refusal{400, fmt::format("{} is not 1 to 255 bytes of visible ASCII", name)};
        return std::string{*id};
    }
    return std::nullopt;
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
