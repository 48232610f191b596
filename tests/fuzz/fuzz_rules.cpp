// Rules over JSON and forms: the two evaluations agree, and so do trees that logic makes the same.
#include "belayd/config/load.hpp"
#include "belayd/hooks/rule.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::fuzz {
namespace {

using config::Rule;
using Result = hooks::Trace::Result;

std::optional<Rule> parse(std::string_view when)
{
    try {
        const auto config = config::parse_config(
            "[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\nwhen = " + std::string{when}, "belay.toml");
        const auto hook = config.hooks.find("a");
        return hook != config.hooks.end() ? hook->second.when : std::nullopt;
    } catch (const config::ConfigError&) {
        return std::nullopt;
    }
}

bool is_decided(Result result)
{
    return result != Result::error && result != Result::unknown;
}

Result negate(Result result)
{
    return !is_decided(result) ? result : result == Result::match ? Result::mismatch : Result::match;
}

Rule make_not(Rule rule)
{
    return {.kind = Rule::Kind::negation, .rules = {std::move(rule)}};
}

class Asker {
public:
    Asker(std::string_view body, std::string_view content_type, std::string_view query)
        : body_(body), content_type_(content_type), fields_{{{"Content-Type", content_type}, {"X-A", query}}}
    {
        request_.method = "POST";
        request_.path = "/hooks/a";
        request_.query = query;
        request_.body = body;
        request_.fields = fields_;
    }

    /** What both evaluations say. */
    [[nodiscard]] Result ask(const Rule& rule) const
    {
        const hooks::Matcher matcher{rule, {}, hooks::Secrets::optional};
        const Result traced = trace(matcher);
        try {
            hooks::Payload payload{body_, content_type_};
            hooks::RequestValues values{request_, "192.0.2.7", payload, anybody_};
            std::vector<hooks::SignedBy> signed_by;
            const auto mismatch = matcher.find_mismatch({values, input_}, signed_by);
            expect(mismatch.has_value() != (traced == Result::match) && is_decided(traced),
                "find_mismatch() and evaluate() differ", describe(rule));
            expect(!mismatch || !mismatch->empty(), "a mismatch that says nothing", describe(rule));
        } catch (const hooks::MalformedPayload&) {
            expect(traced == Result::error, "what cannot be read is no error", describe(rule));
        } catch (const hooks::UnknownSignature& unknown) {
            expect(traced == Result::unknown && *unknown.what() != '\0', "what is unknown is not", describe(rule));
        }
        return traced == Result::missing ? Result::mismatch : traced;
    }

private:
    [[nodiscard]] Result trace(const hooks::Matcher& matcher) const
    {
        hooks::Payload payload{body_, content_type_};
        hooks::RequestValues values{request_, "192.0.2.7", payload, anybody_};
        const auto trace = matcher.evaluate({values, input_});
        const bool blames = trace.result != Result::match && trace.result != Result::unknown;
        expect((trace.culprit() != nullptr) == blames, "nobody to blame, or too many");
        expect(trace.result != Result::unseen, "a rule that was not looked at");
        return trace.result;
    }

    std::string_view body_;
    std::string_view content_type_;
    std::array<http::Field, 2> fields_;
    http::Request request_;
    hooks::Input input_{request_, {}, "192.0.2.7"};
    config::Auth anybody_{.anybody = true, .scheme = {}, .secrets = {}};
};

/** The same by de Morgan. */
Rule turn_around(const Rule& list)
{
    Rule other{.kind = list.kind == Rule::Kind::all ? Rule::Kind::any : Rule::Kind::all, .rules = {}};
    for (const Rule& rule : list.rules)
        other.rules.push_back(make_not(rule));
    return make_not(std::move(other));
}

/** Boost.JSON 1.81 reads a fraction of more than 15 digits as a double next to what it should be. */
bool is_read_otherwise(const Rule::Operand& operand)
{
    const auto* const number = std::get_if<double>(&operand);
    return number != nullptr && boost::json::parse(config::write_operand(operand)).to_number<double>() != *number;
}

/** A value that is written as the operand is equals it. */
void compare_with_itself(const Rule& rule)
{
    for (const auto& operand : rule.operands) {
        if (is_read_otherwise(operand))
            continue;
        const std::string body = "{\"v\":" + config::write_operand(operand) + "}";
        const Rule same{.kind = Rule::Kind::test,
            .rules = {},
            .source = {config::ValueSource::Kind::payload, "/v", {}},
            .test = Rule::Test::equals,
            .operands = {operand}};
        expect(
            Asker{body, "application/json", ""}.ask(same) == Result::match, "a value that does not equal itself", body);
    }
}

void check(const Rule& rule, const Asker& asker)
{
    const Result result = asker.ask(rule);
    expect(asker.ask(make_not(rule)) == negate(result), "not", describe(rule));
    expect(asker.ask(make_not(make_not(rule))) == result, "not not", describe(rule));
    if (rule.kind == Rule::Kind::all || rule.kind == Rule::Kind::any)
        expect(asker.ask(turn_around(rule)) == result, "de Morgan", describe(rule));
    if (rule.kind == Rule::Kind::test)
        compare_with_itself(rule);
    for (const Rule& child : rule.rules)
        check(child, asker);
}

} // namespace
} // namespace belay::fuzz

/** A rule as in belay.toml, a content type and a query, in lines of their own; then the body. */
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay::fuzz;
    std::string_view text = text_of(data, size);
    const auto rule = parse(take_line(text));
    const std::string_view content_type = take_line(text);
    const std::string_view query = take_line(text);
    if (rule)
        check(*rule, Asker{text, content_type, query});
    return 0;
}
