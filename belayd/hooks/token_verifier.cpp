#include "belayd/hooks/token_verifier.hpp"

#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/secret_key.hpp"
#include "belayd/hooks/signature_header.hpp"

#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace belay::hooks {
namespace {

namespace json = boost::json;
using std::chrono::seconds;

constexpr std::size_t most_token_bytes = 16'384;
constexpr double most_seconds = 1e11; // until the year 5138; beyond it a double is no time to count with

/** The same words for every way not to be authentic. */
constexpr const char* not_authentic = "the request has no token that is signed with a key of this hook";

/** Members that were written, for of two with one name Boost.JSON keeps the last. */
std::size_t count_written_members(std::string_view text)
{
    std::size_t members = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (in_string && text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && text[i] == ':')
            ++members;
    }
    return members;
}

std::size_t count_members(const json::value& value)
{
    std::size_t members = 0;
    if (const auto* const object = value.if_object())
        for (const auto& member : *object)
            members += 1 + count_members(member.value());
    else if (const auto* const array = value.if_array())
        for (const auto& element : *array)
            members += count_members(element);
    return members;
}

/** An object in base64url; nothing where two of its members have one name: others may read the other one. */
std::optional<json::object> parse_object(std::string_view encoded)
{
    const auto text = from_base64url(encoded);
    if (!text)
        return std::nullopt;
    boost::system::error_code ec;
    json::value value = json::parse(*text, ec);
    if (ec || !value.is_object() || count_members(value) != count_written_members(*text))
        return std::nullopt;
    return std::move(value.get_object());
}

std::optional<std::string_view> find_token(const http::Request& request)
{
    if (request.count("Authorization") != 1)
        return std::nullopt;
    config::SignatureForm form;
    form.label = "Bearer";
    const auto found =
        find_signatures(config::Scheme::Layout::credentials, form, request.field("Authorization").value_or(""));
    return found.size() == 1 && found.front().size() <= most_token_bytes ? std::optional{found.front()} : std::nullopt;
}

/** RFC 7519 §2: a NumericDate; nothing where it is none. */
std::optional<double> find_time(const json::object& claims, std::string_view name)
{
    const json::value* const value = claims.if_contains(name);
    if (value == nullptr || !value->is_number())
        return std::nullopt;
    const double time = value->to_number<double>();
    return std::isfinite(time) && std::abs(time) < most_seconds ? std::optional{time} : std::nullopt;
}

std::string fault_in_times(const json::object& claims, double now, double leeway)
{
    const auto end = find_time(claims, "exp");
    if (!end)
        return "the token has no end: its claim \"exp\"";
    if (now >= *end + leeway)
        return fmt::format("the token ended {:.0f} s ago", now - *end);
    for (const char* name : {"nbf", "iat"}) {
        if (!claims.contains(name))
            continue;
        const auto begin = find_time(claims, name);
        if (!begin)
            return fmt::format("the claim \"{}\" of the token is no time", name);
        if (now < *begin - leeway)
            return fmt::format("the token begins {:.0f} s from now: one of the clocks is wrong", *begin - now);
    }
    return {};
}

bool equals(const json::value& claim, const config::JwtRules::Value& wanted)
{
    if (const auto* const text = std::get_if<std::string>(&wanted))
        return claim.is_string() && std::string_view{claim.get_string()} == *text;
    if (const auto* const number = std::get_if<std::int64_t>(&wanted))
        return (claim.is_int64() && claim.get_int64() == *number) ||
               (claim.is_uint64() && std::cmp_equal(claim.get_uint64(), *number));
    return claim.is_bool() && claim.get_bool() == std::get<bool>(wanted);
}

/** RFC 7519 §4.1.3: one, or an array of them. */
bool is_for(const json::value* claim, const std::vector<std::string>& audience)
{
    const auto is_ours = [&](const json::value& it) {
        return it.is_string() && std::ranges::find(audience, std::string_view{it.get_string()}) != audience.end();
    };
    if (claim == nullptr || !claim->is_array())
        return claim != nullptr && is_ours(*claim);
    return std::ranges::any_of(claim->get_array(), is_ours);
}

} // namespace

/** A token whose header is read, and nothing else of it. */
struct TokenVerifier::Signed {
    std::string_view message; ///< what is signed, header and claims
    std::string_view claims;
    std::string signature;
    std::string algorithm;
    std::optional<std::string> key_id;

    /** Nothing where it is malformed, or wants more to be understood than is here (RFC 7515 §4.1.11, RFC 7797). */
    [[nodiscard]] static std::optional<Signed> parse(std::string_view token)
    {
        const auto first = token.find('.');
        const auto last = token.rfind('.');
        if (first == last || token.find('.', first + 1) != last)
            return std::nullopt;
        auto signature = from_base64url(token.substr(last + 1));
        const auto header = parse_object(token.substr(0, first));
        if (!signature || !header || header->contains("crit") || header->contains("b64"))
            return std::nullopt;
        Signed parsed{token.substr(0, last), token.substr(first + 1, last - first - 1), *std::move(signature), {}, {}};
        const json::value* const algorithm = header->if_contains("alg");
        const json::value* const key_id = header->if_contains("kid");
        if (algorithm == nullptr || !algorithm->is_string() || (key_id != nullptr && !key_id->is_string()))
            return std::nullopt;
        parsed.algorithm = algorithm->get_string();
        if (key_id != nullptr)
            parsed.key_id = key_id->get_string();
        return parsed;
    }
};

TokenVerifier::TokenVerifier(config::JwtRules rules, std::vector<Key> keys)
    : rules_(std::move(rules)), keys_(std::move(keys))
{
}

/** The first of those that fit, a good one before one that has ended. */
std::optional<std::size_t> TokenVerifier::find_key(const Signed& token, std::chrono::sys_seconds now) const
{
    std::optional<std::size_t> good;
    std::optional<std::size_t> ended;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
        const auto& [key, secret, not_after] = keys_[i];
        const bool is_meant = is_name_of(key.algorithm(), token.algorithm) &&
                              (!token.key_id || key.id().empty() || key.id() == *token.key_id);
        std::optional<std::size_t>& found = not_after && now > *not_after ? ended : good;
        if (is_meant && !found && key.accepts(token.message, token.signature))
            found = i;
    }
    return good ? good : ended;
}

std::string TokenVerifier::fault_in_claims(const json::object& claims, std::chrono::sys_seconds now) const
{
    const json::value* const issuer = claims.if_contains("iss");
    if (issuer == nullptr || !equals(*issuer, rules_.issuer))
        return "the token is not of the issuer that this hook wants: its claim \"iss\"";
    if (!is_for(claims.if_contains("aud"), rules_.audience))
        return "the token is not for the audience that this hook is: its claim \"aud\"";
    if (auto fault = fault_in_times(
            claims, static_cast<double>(now.time_since_epoch().count()), static_cast<double>(rules_.leeway.count()));
        !fault.empty())
        return fault;
    for (const auto& [name, values] : rules_.claims) {
        const json::value* const claim = claims.if_contains(name);
        if (claim == nullptr || std::ranges::none_of(values, [&](const auto& value) { return equals(*claim, value); }))
            return fmt::format("the claim \"{}\" of the token is not what this hook wants", name);
    }
    return {};
}

Verdict TokenVerifier::verify(const http::Request& request, std::chrono::sys_seconds now) const
{
    const auto text = find_token(request);
    const auto token = text ? Signed::parse(*text) : std::nullopt;
    const auto found = token ? find_key(*token, now) : std::nullopt;
    if (!found)
        return {.why_not = not_authentic};
    const Key& key = keys_[*found];
    Verdict verdict{.key = key.secret};
    const auto claims = parse_object(token->claims);
    if (key.not_after && now > *key.not_after)
        verdict.why_not = not_authentic;
    else if (!claims)
        verdict.why_not = "what the token says is no JSON object, or says something twice";
    else
        verdict.why_not = fault_in_claims(*claims, now);
    verdict.authentic = verdict.why_not.empty();
    return verdict;
}

std::vector<JwtKey> load_jwt_keys(const config::JwtRules& rules, const config::SecretSource& source,
    const std::string& config_directory, std::vector<std::string>* skipped)
{
    using Kind = config::SecretSource::Kind;
    std::string text = load_secret(source, config_directory);
    const Wiped wiped{text};
    std::vector<JwtKey> keys;
    std::vector<std::string> unusable;
    try {
        if (source.kind == Kind::key_set)
            keys = parse_key_set(text, &unusable);
        else
            keys.push_back(source.kind == Kind::public_key ? JwtKey::from_pem(text) : JwtKey::from_secret(text));
    } catch (const std::invalid_argument& e) {
        throw std::runtime_error{fmt::format("{} {}", describe(source), e.what())};
    }
    if (skipped != nullptr)
        for (const std::string& what : unusable)
            skipped->push_back(fmt::format("{}: {}", describe(source), what));
    const auto is_wanted = [&](const JwtKey& key) {
        return rules.algorithms.empty() ||
               std::ranges::find(rules.algorithms, key.algorithm()) != rules.algorithms.end();
    };
    std::erase_if(keys, [&](const JwtKey& key) { return !is_wanted(key); });
    if (keys.empty())
        throw std::runtime_error{fmt::format("{} has no key for what algorithms says", describe(source))};
    return keys;
}

} // namespace belay::hooks
