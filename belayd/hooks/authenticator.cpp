#include "belayd/hooks/authenticator.hpp"

#include "belayd/config/load.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace belay::hooks {
namespace {

/** @throws config::ConfigError with every secret's fault at once */
std::unique_ptr<const Verifier> make_verifier(const config::Auth& auth, const std::string& config_directory)
{
    if (auth.anybody)
        return nullptr;
    std::vector<Verifier::Key> keys;
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& source : auth.secrets) {
        try {
            keys.push_back({load_key(auth.scheme, source, config_directory), source.not_after});
        } catch (const std::runtime_error& error) {
            diagnostics.push_back(config::make_diagnostic(source.origin, error.what()));
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
    return std::make_unique<const Verifier>(auth.scheme, std::move(keys));
}

} // namespace

Authenticator::Authenticator(const config::Auth& auth, const std::string& config_directory)
    : addresses_(auth.addresses), verifier_(make_verifier(auth, config_directory))
{
}

Authenticator::~Authenticator() = default;

/** What is no address, a unix socket or what no proxy names, is in no network. */
bool Authenticator::is_allowed(std::string_view client) const
{
    if (addresses_.empty())
        return true;
    const auto address = parse_ip_address(client);
    return address &&
           std::ranges::any_of(addresses_, [&address](const IpNetwork& network) { return network.contains(*address); });
}

Verdict Authenticator::verify(const Input& input) const
{
    if (!is_allowed(input.client_address)) // no secret: who asks may know what it is asked from
        return {.status = 403, .why_not = "requests to this hook are not taken from this address"};
    if (verifier_)
        return verifier_->verify(input.request, input.now);
    return {.authentic = true};
}

const config::Scheme* Authenticator::scheme() const noexcept
{
    return verifier_ ? &verifier_->scheme() : nullptr;
}

std::string Authenticator::challenge() const
{
    if (!verifier_)
        return {};
    const config::Scheme& scheme = verifier_->scheme();
    return scheme.layout == config::Scheme::Layout::credentials ? scheme.forms.front().label : scheme.header;
}

} // namespace belay::hooks
