#include "belayd/config/rule_schema.hpp"

#include "base/ip_network.hpp"
#include "belayd/config/auth_schema.hpp"
#include "belayd/config/config.hpp"
#include "belayd/config/custom_scheme.hpp"
#include "belayd/config/jwt_schema.hpp"
#include "belayd/config/pattern.hpp"
#include "belayd/config/value_schema.hpp"
#include "belayd/config/values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace belay::config {
namespace {

using Kind = Rule::Kind;
using Test = Rule::Test;

constexpr std::string_view example = "{ payload = \"/ref\", equals = \"refs/heads/main\" }";

constexpr auto tests = std::to_array<Test>({Test::equals, Test::in, Test::regex, Test::glob, Test::prefix, Test::exists,
    Test::less_than, Test::at_most, Test::more_than, Test::at_least});

/** Of a rule that holds others. */
constexpr std::array<std::pair<std::string_view, Kind>, 3> holders{
    {{"all", Kind::all}, {"any", Kind::any}, {"not", Kind::negation}}};

std::optional<Kind> holder_kind(std::string_view key) noexcept
{
    const auto found = std::ranges::find(holders, key, [](const auto& holder) { return holder.first; });
    return found == holders.end() ? std::nullopt : std::optional{found->second};
}

std::optional<Test> find_test(std::string_view key) noexcept
{
    const auto found = std::ranges::find(tests, key, [](Test test) { return key_of(test); });
    return found == tests.end() ? std::nullopt : std::optional{*found};
}

bool compares_numbers(Test test) noexcept
{
    return test >= Test::less_than;
}

std::string fault_in_pattern(const Rule& rule, const std::string& text)
{
    if (takes_networks(rule))
        return fault_in_ip_network(text);
    if (rule.test == Test::regex)
        return fault_in_regex(text);
    if (rule.test == Test::glob && !compile_glob(text)->ok())
        return "is too long";
    return {};
}

/** Of schemes by which a client shows who it is, whatever it sends: there is no signature to find good or bad. */
bool is_of_people(const Node& scheme)
{
    return scheme.type == Node::Type::string && (scheme.text == basic_scheme_name || scheme.text == jwt_scheme_name);
}

/** A signature that is elsewhere, with a header for the scheme to be whole. */
Node with_header(Node signature)
{
    if (signature.type == Node::Type::table && signature.find("header") == nullptr)
        signature.members.push_back({"header", signature.origin, {.type = Node::Type::string, .text = "X"}});
    return signature;
}

/** Reads one `when`. */
class Reader {
public:
    explicit Reader(Problems& problems) noexcept : problems_(problems) {}

    std::optional<Rule> read(const Node& node, unsigned depth)
    {
        if (++count_ > max_rules)
            return count_ == max_rules + 1 ? refuse(node.origin, fmt::format("when has more than {} rules", max_rules))
                                           : std::nullopt;
        if (depth > max_rule_depth)
            return refuse(node.origin, fmt::format("when is nested more than {} levels deep", max_rule_depth));
        if (node.type != Node::Type::table)
            return refuse(
                node.origin, fmt::format("a rule must be a table such as {}, not {}", example, describe(node.type)));
        for (const auto& member : node.members)
            if (const auto kind = holder_kind(member.key))
                return read_holder(node, member, *kind, depth);
        if (const auto* const signature = node.find("signature"); signature != nullptr && node.members.size() <= 2) {
            const auto source = std::ranges::find_if(
                node.members, [](const auto& member) { return source_kind(member.key).has_value(); });
            if (source != node.members.end() || node.members.size() == 1)
                return read_signature(node, signature->value, source == node.members.end() ? nullptr : &*source);
        }
        return read_test(node);
    }

private:
    std::nullopt_t refuse(const Origin& where, std::string message)
    {
        problems_.add(where, std::move(message));
        return std::nullopt;
    }

    std::optional<Rule> read_holder(const Node& node, const Node::Member& holder, Kind kind, unsigned depth)
    {
        for (const auto& member : node.members)
            if (member.key != holder.key)
                problems_.add(member.origin, fmt::format("\"{}\" cannot stand beside {}: put both into {{ all = [{{ … "
                                                         "}}, {{ … }}] }}",
                                                 member.key, holder.key));
        Rule rule{.kind = kind, .rules = {}, .origin = node.origin};
        if (kind == Kind::negation) {
            auto child = read(holder.value, depth + 1);
            if (!child)
                return std::nullopt;
            rule.rules.push_back(std::move(*child));
            return rule;
        }
        if (holder.value.type != Node::Type::array || holder.value.elements.empty())
            return refuse(holder.value.origin, fmt::format("{} must be an array of rules: [{}]", holder.key, example));
        for (const auto& element : holder.value.elements)
            if (auto child = read(element, depth + 1))
                rule.rules.push_back(std::move(*child));
        return rule.rules.size() == holder.value.elements.size() ? std::optional{std::move(rule)} : std::nullopt;
    }

    std::optional<Rule> read_signature(const Node& node, const Node& value, const Node::Member* source)
    {
        Rule rule{.kind = Kind::signature, .rules = {}, .origin = node.origin};
        auto auth = std::make_shared<Auth>();
        const auto before = problems_.count();
        if (const auto* const scheme = value.find("scheme"); scheme != nullptr && is_of_people(scheme->value))
            return refuse(scheme->value.origin,
                fmt::format(
                    "scheme \"{}\" is for auth alone: it shows who sends, and signs nothing", scheme->value.text));
        read_auth(source == nullptr ? value : with_header(value), *auth, problems_);
        using Challenge = Scheme::Challenge;
        const auto challenge = auth->scheme.challenge;
        if (challenge == Challenge::slack_url_verification || challenge == Challenge::discord_ping)
            problems_.add(node.origin,
                fmt::format("{} asks whether this end is what it should be, which only auth answers: put it there",
                    auth->scheme.name));
        if (const auto* const addresses = value.find("addresses"))
            problems_.add(addresses->origin,
                "addresses is no part of a signature: put { request = \"remote_address\", in = [\"192.0.2.0/24\"] } "
                "beside it");
        else if (auth->anybody)
            problems_.add(node.origin,
                "signature must say how a request is signed: { scheme = \"github\", secret_file = "
                "\"github.secret\" }");
        if (source != nullptr)
            read_signature_source(value, *source, rule, *auth);
        if (problems_.count() != before)
            return std::nullopt;
        rule.auth = std::move(auth);
        return rule;
    }

    /** As adnanh/webhook has it: the signature is a value of the request, wherever that is. */
    void read_signature_source(const Node& value, const Node::Member& source, Rule& rule, Auth& auth)
    {
        if (value.find("header") != nullptr || auth.scheme.name != custom_scheme_name)
            problems_.add(source.origin,
                fmt::format("what {} has can be a signature of scheme = \"custom\" without header", source.key));
        if (auto where = read_source_member(source, std::string{source.key}, problems_))
            rule.source = std::move(*where);
        auth.scheme.header.clear();
    }

    std::optional<Rule> read_test(const Node& node)
    {
        const Node::Member* source = nullptr;
        const Node::Member* test = nullptr;
        for (const auto& member : node.members) {
            const bool is_source = source_kind(member.key).has_value();
            if (!is_source && !find_test(member.key))
                return refuse(member.origin, unknown_key(member.key));
            auto& place = is_source ? source : test;
            if (place != nullptr)
                return refuse(member.origin, fmt::format("a rule looks at one value by one test: \"{}\" cannot stand "
                                                         "beside {}",
                                                 member.key, place->key));
            place = &member;
        }
        if (source == nullptr)
            return refuse(node.origin, fmt::format("a rule must say what it looks at, payload, header, query or "
                                                   "request: {}",
                                           example));
        if (test == nullptr)
            return refuse(node.origin,
                fmt::format("a rule must have a test, one of {}: {}", fmt::join(test_names(), ", "), example));
        auto value = read_source_member(*source, std::string{source->key}, problems_);
        Rule rule{.kind = Kind::test, .rules = {}, .test = *find_test(test->key), .origin = node.origin};
        if (!value)
            return std::nullopt;
        rule.source = std::move(*value);
        return read_operands(test->value, rule) ? std::optional{std::move(rule)} : std::nullopt;
    }

    bool read_operands(const Node& node, Rule& rule)
    {
        if (rule.test != Test::in)
            return read_operand(node, rule);
        if (node.type != Node::Type::array || node.elements.empty()) {
            problems_.add(node.origin, takes_networks(rule)
                                           ? "in must be an array of networks: [\"192.0.2.0/24\"]"
                                           : "in must be an array of what the value may be: [\"a\", \"b\"]");
            return false;
        }
        bool good = true;
        for (const auto& element : node.elements)
            good = read_operand(element, rule) && good;
        return good;
    }

    bool read_operand(const Node& node, Rule& rule)
    {
        const Test test = rule.test;
        const bool text_only =
            test == Test::regex || test == Test::glob || test == Test::prefix || takes_networks(rule);
        const bool takes_text = !compares_numbers(test) && test != Test::exists;
        if (text_only || (takes_text && node.type == Node::Type::string))
            return read_text(node, rule);
        if (node.type == Node::Type::boolean && !compares_numbers(test)) {
            rule.operands.emplace_back(node.boolean);
        } else if (node.type == Node::Type::integer && test != Test::exists) {
            rule.operands.emplace_back(node.integer);
        } else if (node.type == Node::Type::real && test != Test::exists && std::isfinite(node.real)) {
            rule.operands.emplace_back(node.real);
        } else {
            const char* const wanted = test == Test::exists ? "true or false"
                                       : takes_text         ? "a string, a finite number or a boolean"
                                                            : "a finite number";
            problems_.add(node.origin, fmt::format("{} must be {}", key_of(test), wanted));
            return false;
        }
        return true;
    }

    bool read_text(const Node& node, Rule& rule)
    {
        const auto key = key_of(rule.test);
        const auto text = read_string(node, key, problems_);
        if (!text)
            return false;
        if (const auto fault = fault_in_pattern(rule, *text); !fault.empty()) {
            problems_.add(node.origin, fmt::format("{} \"{}\" {}", key, *text, fault));
            return false;
        }
        rule.operands.emplace_back(*text);
        return true;
    }

    static std::vector<std::string_view> test_names()
    {
        std::vector<std::string_view> names;
        std::ranges::transform(tests, std::back_inserter(names), [](Test test) { return key_of(test); });
        return names;
    }

    static std::string unknown_key(const std::string& key)
    {
        std::vector<std::string_view> names{"payload", "header", "query", "request", "signature", "all", "any", "not"};
        std::ranges::copy(test_names(), std::back_inserter(names));
        return fmt::format("unknown key \"{}\" in a rule{}", key, suggest(key, names));
    }

    Problems& problems_;
    unsigned count_ = 0;
};

std::string write_operands(const Rule& rule)
{
    if (rule.test != Test::in)
        return write_operand(rule.operands.front());
    std::vector<std::string> texts;
    for (const auto& operand : rule.operands)
        texts.push_back(write_operand(operand));
    return fmt::format("[{}]", fmt::join(texts, ", "));
}

} // namespace

std::optional<Rule> read_rule(const Node& node, Problems& problems)
{
    return Reader{problems}.read(node, 1);
}

std::string write_rule(const Rule& rule)
{
    if (rule.kind == Kind::test)
        return fmt::format(
            "{{ {}, {} = {} }}", write_source_member(rule.source), key_of(rule.test), write_operands(rule));
    if (rule.kind == Kind::signature)
        return rule.auth->scheme.header.empty()
                   ? fmt::format("{{ signature = {}, {} }}", write_auth(*rule.auth), write_source_member(rule.source))
                   : fmt::format("{{ signature = {} }}", write_auth(*rule.auth));
    if (rule.kind == Kind::negation)
        return fmt::format("{{ not = {} }}", write_rule(rule.rules.front()));
    std::vector<std::string> texts;
    for (const auto& child : rule.rules)
        texts.push_back(write_rule(child));
    return fmt::format("{{ {} = [{}] }}", rule.kind == Kind::all ? "all" : "any", fmt::join(texts, ", "));
}

} // namespace belay::config
