#include "belayd/hooks/authenticator.hpp"

#include "belayd/config/auth_schema.hpp"
#include "belayd/config/jwt_schema.hpp"
#include "belayd/config/load.hpp"
#include "belayd/hooks/secret.hpp"
#include "http/chars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace belay::hooks {
namespace {

constexpr std::size_t most_jwt_keys = 64;

/** The same words for every way not to be authentic. */
constexpr const char* no_password = "the request has no user and password of this hook";

/** @throws std::runtime_error */
Passwords::File load_passwords(const config::SecretSource& source, const std::string& config_directory)
{
    std::string text = load_secret(source, config_directory, SecretSize::list);
    try {
        return {PasswordFile{text}, source.not_after};
    } catch (const std::invalid_argument& e) {
        throw std::runtime_error{fmt::format("{} {}", describe(source), e.what())};
    }
}

/** What `load` makes of each. @throws config::ConfigError with every secret's fault at once */
template <typename Load>
void load_each(const std::vector<config::SecretSource>& sources, Load load)
{
    std::vector<config::Diagnostic> diagnostics;
    for (const auto& source : sources) {
        try {
            load(source);
        } catch (const std::runtime_error& error) {
            diagnostics.push_back(config::make_diagnostic(source.origin, error.what()));
        }
    }
    if (!diagnostics.empty())
        throw config::ConfigError{std::move(diagnostics)};
}

} // namespace

std::string fault_in_secret(const config::Auth& auth, const config::SecretSource& source,
    const std::string& config_directory, std::vector<std::string>* skipped)
{
    try {
        if (auth.scheme.name == config::jwt_scheme_name)
            (void)load_jwt_keys(auth.jwt, source, config_directory, skipped);
        else if (auth.scheme.name == config::basic_scheme_name)
            (void)load_passwords(source, config_directory);
        else
            (void)load_key(auth.scheme, source, config_directory);
    } catch (const std::system_error&) {
        throw;
    } catch (const std::runtime_error& e) {
        return e.what();
    }
    return {};
}

Authenticator::Proof Authenticator::make_proof(const config::Auth& auth, const std::string& config_directory)
{
    if (auth.anybody)
        return {};
    if (auth.scheme.name == config::jwt_scheme_name) {
        std::vector<TokenVerifier::Key> keys;
        std::size_t number = 0;
        load_each(auth.secrets, [&](const config::SecretSource& source) {
            const std::size_t secret = number++;
            for (JwtKey& key : load_jwt_keys(auth.jwt, source, config_directory, &skipped_keys_))
                keys.push_back({std::move(key), secret, source.not_after});
            if (keys.size() > most_jwt_keys) // each may be tried, for anybody's token
                throw std::runtime_error{fmt::format("{} makes it more than {} keys", describe(source), most_jwt_keys)};
        });
        return TokenVerifier{auth.jwt, std::move(keys)};
    }
    if (auth.scheme.name == config::basic_scheme_name) {
        std::vector<Passwords::File> files;
        load_each(auth.secrets,
            [&](const config::SecretSource& source) { files.push_back(load_passwords(source, config_directory)); });
        return Passwords{std::move(files)};
    }
    std::vector<Verifier::Key> keys;
    load_each(auth.secrets, [&](const config::SecretSource& source) {
        keys.push_back({load_key(auth.scheme, source, config_directory), source.not_after});
    });
    return Verifier{auth.scheme, std::move(keys)};
}

bool Input::withholds(std::string_view field_name) const noexcept
{
    return std::ranges::any_of(
        withheld, [field_name](const std::string& name) { return http::is_same_name(name, field_name); });
}

Authenticator::Authenticator(const config::Auth& auth, const std::string& config_directory)
    : addresses_(auth.addresses), scheme_(auth.anybody ? std::nullopt : std::optional{auth.scheme}),
      proof_(make_proof(auth, config_directory))
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
    if (const auto* const verifier = std::get_if<Verifier>(&proof_))
        return verifier->verify(input.request, input.now);
    const auto second = std::chrono::floor<std::chrono::seconds>(input.now);
    if (const auto* const tokens = std::get_if<TokenVerifier>(&proof_))
        return tokens->verify(input.request, second);
    if (const Passwords* const files = passwords()) {
        const bool is_good = input.password_file && !files->has_ended(*input.password_file, second);
        return {.authentic = is_good, .key = input.password_file, .why_not = is_good ? "" : no_password};
    }
    return {.authentic = true};
}

std::optional<Credentials> Authenticator::credentials(const Input& input) const
{
    const bool is_asked = passwords() != nullptr && is_allowed(input.client_address);
    return is_asked && input.request.count("Authorization") == 1
               ? parse_credentials(input.request.field("Authorization").value_or(""))
               : std::nullopt;
}

std::string Authenticator::challenge() const
{
    if (!scheme_)
        return {};
    if (passwords() != nullptr)
        return R"(Basic realm="belay", charset="UTF-8")";
    if (std::holds_alternative<TokenVerifier>(proof_))
        return "Bearer";
    return scheme_->layout == config::Scheme::Layout::credentials ? scheme_->forms.front().label : scheme_->header;
}

} // namespace belay::hooks
