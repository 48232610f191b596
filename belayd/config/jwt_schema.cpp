#include "belayd/config/jwt_schema.hpp"

#include "belayd/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <optional>

namespace belay::config {
namespace {

using namespace std::chrono_literals;
using Value = JwtRules::Value;

// In the order of the enumerators.
constexpr auto algorithm_names = std::to_array<std::string_view>({"HS256", "RS256", "ES256", "EdDSA"});

void read_algorithms(const Node& node, JwtRules& rules, Problems& problems)
{
    for (const Node* name : read_strings(node, "algorithms", problems).value_or(std::vector<const Node*>{}))
        if (const auto chosen = read_choice(*name, "each of algorithms", algorithm_names, problems))
            rules.algorithms.push_back(static_cast<JwtRules::Algorithm>(*chosen));
    if (node.type == Node::Type::array && node.elements.empty())
        problems.add(
            node.origin, "algorithms is empty, so no token would do: leave it out to take what the keys are for");
}

void read_issuer(const Node& node, JwtRules& rules, Problems& problems)
{
    auto issuer = read_string(node, "issuer", problems);
    if (issuer && issuer->empty())
        problems.add(node.origin, "issuer is empty: name who makes the tokens, as their claim \"iss\" does");
    else if (issuer)
        rules.issuer = std::move(*issuer);
}

void read_audience(const Node& node, JwtRules& rules, Problems& problems)
{
    for (const Node* name : read_strings(node, "audience", problems).value_or(std::vector<const Node*>{}))
        if (name->text.empty())
            problems.add(name->origin, "audience has an empty name");
        else
            rules.audience.push_back(name->text);
    if (node.type == Node::Type::array && node.elements.empty())
        problems.add(node.origin, "audience is empty: name what the tokens for this hook are made for");
}

std::optional<Value> read_claim(const Node& node, const std::string& what, Problems& problems)
{
    if (node.type == Node::Type::integer)
        return node.integer;
    if (node.type == Node::Type::boolean)
        return node.boolean;
    if (node.type != Node::Type::string)
        problems.add(node.origin, fmt::format("{} must be a string, an integer, a boolean, or an array of them", what));
    else if (auto text = read_string(node, what, problems))
        return *std::move(text);
    return std::nullopt;
}

void read_claims(const Node& node, JwtRules& rules, Problems& problems)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin,
            fmt::format("claims must be a table such as {{ repository = \"org/repo\" }}, not {}", describe(node.type)));
        return;
    }
    for (const auto& member : node.members) {
        const bool is_list = member.value.type == Node::Type::array;
        auto& values = rules.claims[member.key];
        for (const Node& element : is_list ? member.value.elements : std::vector<Node>{member.value})
            if (auto value = read_claim(element, "claims." + member.key, problems))
                values.push_back(std::move(*value));
        if (is_list && member.value.elements.empty())
            problems.add(member.origin, fmt::format("claims.{} is empty, so no token would do", member.key));
    }
}

std::string write_value(const Value& value)
{
    if (const auto* const text = std::get_if<std::string>(&value))
        return to_toml(std::string_view{*text});
    if (const auto* const number = std::get_if<std::int64_t>(&value))
        return std::to_string(*number);
    return std::get<bool>(value) ? "true" : "false";
}

std::string write_claims(const JwtRules& rules)
{
    std::vector<std::string> claims;
    for (const auto& [name, values] : rules.claims) {
        std::vector<std::string> written;
        for (const Value& value : values)
            written.push_back(write_value(value));
        claims.push_back(fmt::format("{} = [{}]", to_toml(std::string_view{name}), fmt::join(written, ", ")));
    }
    return fmt::format("{{ {} }}", fmt::join(claims, ", "));
}

} // namespace

std::vector<std::string_view> jwt_keys()
{
    return {"algorithms", "issuer", "audience", "leeway", "claims"};
}

void read_jwt(const Node& auth, JwtRules& rules, Problems& problems)
{
    if (const auto* const member = auth.find("algorithms"))
        read_algorithms(member->value, rules, problems);
    if (const auto* const member = auth.find("issuer"))
        read_issuer(member->value, rules, problems);
    else
        problems.add(auth.origin, "a jwt needs issuer = \"https://…\", who makes the tokens: their claim \"iss\"");
    if (const auto* const member = auth.find("audience"))
        read_audience(member->value, rules, problems);
    else
        problems.add(auth.origin,
            "a jwt needs audience = \"…\", what the tokens are made for: their claim \"aud\"; one "
            "made for another service would do here otherwise");
    if (const auto* const member = auth.find("leeway"))
        if (const auto leeway = read_duration(member->value, "leeway", 0s, 1h, problems))
            rules.leeway = std::chrono::ceil<std::chrono::seconds>(*leeway);
    if (const auto* const member = auth.find("claims"))
        read_claims(member->value, rules, problems);
}

std::string write_jwt(const JwtRules& rules)
{
    std::string text;
    if (!rules.algorithms.empty()) {
        std::vector<std::string> names;
        for (const auto algorithm : rules.algorithms)
            names.emplace_back(algorithm_names.at(static_cast<std::size_t>(algorithm)));
        text += fmt::format(", algorithms = {}", to_toml(names));
    }
    text += fmt::format(", issuer = {}, audience = {}, leeway = {}", to_toml(std::string_view{rules.issuer}),
        to_toml(rules.audience), to_toml(format_duration(rules.leeway)));
    if (!rules.claims.empty())
        text += fmt::format(", claims = {}", write_claims(rules));
    return text;
}

} // namespace belay::config
