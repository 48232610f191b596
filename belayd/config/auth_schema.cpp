#include "belayd/config/auth_schema.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/custom_scheme.hpp"
#include "belayd/config/jwt_schema.hpp"
#include "belayd/config/values.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>

namespace belay::config {
namespace {

using namespace std::chrono_literals;

// In the order of the enumerators.
constexpr auto secret_keys =
    std::to_array<std::string_view>({"secret_file", "secret_credential", "secret_env", "key_file", "jwks_file"});

// Of a secret.
constexpr std::chrono::sys_seconds first_end = std::chrono::sys_days{std::chrono::year{1970} / 1 / 1};
constexpr std::chrono::sys_seconds last_end = std::chrono::sys_days{std::chrono::year{9999} / 12 / 31};

std::string fault_in_secret(SecretSource::Kind kind, const std::string& name)
{
    if (name.empty())
        return "is empty";
    if (kind == SecretSource::Kind::environment)
        return fault_in_variable_name(name);
    if (kind == SecretSource::Kind::credential && (name.find('/') != std::string::npos || name == "." || name == ".."))
        return "is not the name of a credential: LoadCredential=NAME:PATH gives it one";
    return {};
}

/** "x" or { name = "x", not_after = 2026-12-31T00:00:00Z } */
std::optional<SecretSource> read_secret(
    const Node& node, SecretSource::Kind kind, const std::string& key, Problems& problems)
{
    SecretSource source{kind, {}, node.origin};
    const Node* name = &node;
    if (node.type == Node::Type::table) {
        const auto* const named = node.find("name");
        const auto* const not_after = node.find("not_after");
        if (named == nullptr || node.members.size() != (not_after == nullptr ? 1U : 2U)) {
            problems.hide_line(node.origin);
            problems.add(
                node.origin, fmt::format("{} must be names, or tables such as {{ name = \"old.secret\", not_after "
                                         "= 2026-12-31T00:00:00Z }}",
                                 key));
            return std::nullopt;
        }
        name = &named->value;
        if (not_after != nullptr) {
            source.not_after = not_after->value.time;
            if (!source.not_after || *source.not_after < first_end || *source.not_after > last_end) {
                problems.add(not_after->value.origin,
                    "not_after must be a time with its offset, from 1970 to 9999: 2026-12-31T00:00:00Z");
                return std::nullopt;
            }
        }
    }
    auto text = read_string(*name, key, problems);
    if (!text)
        return std::nullopt;
    source.name = std::move(*text);
    if (const auto fault = fault_in_secret(kind, source.name); !fault.empty()) {
        problems.add(name->origin, fmt::format("{} \"{}\" {}", key, source.name, fault));
        return std::nullopt;
    }
    return source;
}

bool is_jwt(const Node& table)
{
    const auto* const scheme = table.find("scheme");
    return scheme != nullptr && scheme->value.text == jwt_scheme_name;
}

void read_secrets(const Node& table, Auth& auth, Problems& problems)
{
    bool written = false;
    for (std::size_t i = 0; i < secret_keys.size(); ++i) {
        const auto* const member = table.find(secret_keys.at(i));
        if (member == nullptr)
            continue;
        std::vector<const Node*> nodes{&member->value};
        if (member->value.type == Node::Type::array) {
            nodes.clear();
            for (const Node& element : member->value.elements)
                nodes.push_back(&element);
        }
        written = written || !nodes.empty();
        for (const Node* const node : nodes)
            if (auto source = read_secret(*node, static_cast<SecretSource::Kind>(i), member->key, problems))
                auth.secrets.push_back(std::move(*source));
    }
    if (!written)
        problems.add(table.origin, fmt::format("auth names no secret: add {}",
                                       is_jwt(table) ? "key_file, jwks_file, or for HS256 secret_file"
                                                     : "secret_file, secret_credential or secret_env"));
}

/** Nothing where it is missing or unknown, which is then a problem. */
std::optional<Scheme> read_scheme(const Node& table, Problems& problems)
{
    std::vector<std::string_view> names;
    for (const Scheme& scheme : known_schemes())
        names.push_back(scheme.name);
    for (const auto name : {basic_scheme_name, jwt_scheme_name, custom_scheme_name})
        names.push_back(name);
    const auto* const member = table.find("scheme");
    if (member == nullptr) {
        problems.add(table.origin, "auth has no scheme: add scheme = \"github\", or that of another sender");
        return std::nullopt;
    }
    const auto chosen = read_choice(member->value, "scheme", names, problems);
    if (!chosen)
        return std::nullopt;
    if (*chosen < known_schemes().size())
        return known_schemes()[*chosen];
    if (names[*chosen] == custom_scheme_name)
        return read_custom_scheme(table, problems);
    return Scheme{.name = std::string{names[*chosen]},
        .header = "Authorization",
        .layout = Scheme::Layout::credentials,
        .forms = {}};
}

void read_tolerance(const Node& table, Scheme& scheme, Problems& problems)
{
    const auto* const member = table.find("tolerance");
    if (member == nullptr)
        return;
    const auto tolerance = read_duration(member->value, "tolerance", 1s, 1h, problems);
    if (!scheme.time)
        problems.add(member->origin, fmt::format("tolerance means nothing with {}, which signs no time", scheme.name));
    else if (tolerance)
        scheme.time->tolerance = std::chrono::ceil<std::chrono::seconds>(*tolerance);
}

void check_keys(const Node& table, Problems& problems)
{
    std::vector<std::string_view> keys{"scheme", "tolerance", "addresses"};
    if (const auto* const scheme = table.find("scheme"); scheme != nullptr && scheme->value.text == custom_scheme_name)
        std::ranges::copy(custom_scheme_keys(), std::back_inserter(keys));
    else if (is_jwt(table))
        std::ranges::copy(jwt_keys(), std::back_inserter(keys));
    for (const auto& member : table.members) {
        if (std::ranges::find(keys, member.key) != keys.end() ||
            std::ranges::find(secret_keys, member.key) != secret_keys.end())
            continue;
        problems.hide_line(member.origin);
        problems.add(member.origin, // suggests no secret_env to who wrote secret_key = "the secret"
            fmt::format("unknown key \"{}\" in auth{} (a secret is not written here, but in what secret_file, "
                        "secret_credential or secret_env names)",
                member.key, suggest(member.key, keys)));
    }
}

/** What is public proves nothing where it is sent, or signed with. */
void check_kinds(const Auth& auth, Problems& problems)
{
    for (const SecretSource& secret : auth.secrets)
        if (const bool is_public =
                secret.kind == SecretSource::Kind::public_key || secret.kind == SecretSource::Kind::key_set;
            is_public && auth.scheme.name != jwt_scheme_name)
            problems.add(secret.origin, fmt::format("{} is for scheme = \"jwt\": another has its secret in secret_file",
                                            secret_keys.at(static_cast<std::size_t>(secret.kind))));
}

void read_addresses(const Node& table, Auth& auth, Problems& problems)
{
    const auto* const member = table.find("addresses");
    if (member == nullptr)
        return;
    auth.addresses = read_networks(member->value, "addresses", problems);
    if (member->value.type == Node::Type::array && member->value.elements.empty())
        problems.add(
            member->origin, "addresses is empty, so nobody could send anything: leave it out to let everybody");
}

/** Nothing but addresses: of a scheme or a secret there is not a word. */
bool is_of_addresses_alone(const Node& table)
{
    return table.members.size() == 1 && table.members.front().key == "addresses";
}

std::string write_secret(const SecretSource& secret)
{
    const std::string name = to_toml(std::string_view{secret.name});
    if (!secret.not_after)
        return name;
    return fmt::format("{{ name = {}, not_after = {:%Y-%m-%dT%H:%M:%SZ} }}", name,
        fmt::gmtime(secret.not_after->time_since_epoch().count()));
}

} // namespace

void read_auth(const Node& node, Auth& auth, Problems& problems)
{
    auth.anybody = node.type == Node::Type::string && node.text == "none";
    if (auth.anybody)
        return;
    if (node.type != Node::Type::table) {
        problems.hide_line(node.origin);
        problems.add(
            node.origin, "auth must be \"none\" or a table: { scheme = \"github\", secret_file = \"deploy.secret\" }");
        return;
    }
    check_keys(node, problems);
    read_addresses(node, auth, problems);
    auth.anybody = is_of_addresses_alone(node);
    if (auth.anybody)
        return;
    read_secrets(node, auth, problems);
    if (auto scheme = read_scheme(node, problems)) {
        auth.scheme = std::move(*scheme);
        read_tolerance(node, auth.scheme, problems);
        check_kinds(auth, problems);
        if (auth.scheme.name == jwt_scheme_name)
            read_jwt(node, auth.jwt, problems);
    } else {
        auth.secrets.clear(); // of nobody
    }
}

std::string write_auth(const Auth& auth)
{
    if (auth.anybody)
        return auth.addresses.empty() ? "\"none\"" : fmt::format("{{ addresses = {} }}", to_toml(auth.addresses));
    const Scheme& scheme = auth.scheme;
    std::string text = fmt::format("{{ scheme = {}", to_toml(std::string_view{scheme.name}));
    if (scheme.name == custom_scheme_name)
        text += write_custom_scheme(scheme);
    if (scheme.name == jwt_scheme_name)
        text += write_jwt(auth.jwt);
    if (scheme.time)
        text += fmt::format(", tolerance = {}", to_toml(format_duration(scheme.time->tolerance)));
    for (std::size_t i = 0; i < secret_keys.size(); ++i) {
        std::vector<std::string> written;
        for (const auto& secret : auth.secrets)
            if (secret.kind == static_cast<SecretSource::Kind>(i))
                written.push_back(write_secret(secret));
        if (!written.empty())
            text += fmt::format(", {} = [{}]", secret_keys.at(i), fmt::join(written, ", "));
    }
    if (!auth.addresses.empty())
        text += fmt::format(", addresses = {}", to_toml(auth.addresses));
    return text + " }";
}

} // namespace belay::config
