#include "belayd/config/load.hpp"
#include "belayd/config/rule_schema.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/** Line 4 is the rule's, which begins in its column 8. */
Config parse_rule(const std::string& rule)
{
    return parse_config("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\nwhen = " + rule + "\n", "f.toml");
}

Rule read(const std::string& rule)
{
    return parse_rule(rule).hooks.at("a").when.value();
}

/** "COLUMN: message" of each. */
std::vector<std::string> faults(const std::string& rule)
{
    std::vector<std::string> texts;
    try {
        (void)parse_rule(rule);
    } catch (const ConfigError& error) {
        for (const auto& diagnostic : error.diagnostics()) {
            EXPECT_EQ(diagnostic.origin.line, 4U);
            texts.push_back(std::to_string(diagnostic.origin.column) + ": " + diagnostic.message);
        }
    }
    return texts;
}

std::string fault(const std::string& rule)
{
    const auto all = faults(rule);
    return all.size() == 1 ? all.front() : std::to_string(all.size()) + " faults";
}

constexpr const char* every_test =
    R"({ all = [{ payload = "/a", equals = "x\\\"" }, { any = [{ header = "H", in = ["a", 1, 2.5, true] }, )"
    R"({ query = "q", regex = "^v\\d+$" }] }, { not = { payload = "", glob = "a*?" } }, )"
    R"({ request = "method", prefix = "P" }, { payload = "/b", exists = false }, )"
    R"({ request = "remote_address", in = ["192.0.2.0/24", "2001:db8::/32"] }, { payload = "/n", less_than = 5 }, )"
    R"({ payload = "/n", at_most = -5.5 }, { payload = "/n", more_than = 2.0 }, { payload = "/n", at_least = 1e+30 }, )"
    R"({ payload = "/n", equals = 7 }, { payload = "/n", equals = true }] })";

TEST(ReadRule, WritesBackWhatItRead)
{
    EXPECT_EQ(write_rule(read(every_test)), every_test);
}

TEST(ReadRule, StandsInATableOfItsOwn)
{
    const Config config = parse_config("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\n"
                                       "[hooks.a.when]\nany = [{ payload = '/a', exists = true }]\n"
                                       "[hooks.b]\nauth = 'none'\nrun = ['/bin/true']\n"
                                       "[[hooks.b.when.all]]\nquery = 'q'\nequals = 1\n",
        "f.toml");
    EXPECT_EQ(write_rule(*config.hooks.at("a").when), R"({ any = [{ payload = "/a", exists = true }] })");
    EXPECT_EQ(write_rule(*config.hooks.at("b").when), R"({ all = [{ query = "q", equals = 1 }] })");
}

TEST(ReadRule, IsInTheEffectiveConfiguration)
{
    const Config config = parse_rule(every_test);
    const std::string written = effective_config(config);
    EXPECT_THAT(written, HasSubstr("when = { all = [{ payload"));
    EXPECT_THAT(written, HasSubstr("}] }  # f.toml:4\n"));
    EXPECT_EQ(write_rule(*parse_config(written, "g.toml").hooks.at("a").when), every_test);
    const Config none = parse_config("[hooks.a]\nauth = 'none'\nrun = ['/bin/true']\n", "f.toml");
    EXPECT_THAT(effective_config(none), HasSubstr("# when = {}  # default\n"));
    EXPECT_FALSE(parse_config(effective_config(none), "g.toml").hooks.at("a").when);
}

TEST(ReadRule, KnowsWhereItWasWritten)
{
    const Rule rule = read("{ not = { payload = '/a', equals = 'b' } }");
    EXPECT_EQ(rule.origin.column, 8U);
    EXPECT_EQ(rule.rules.at(0).origin.column, 16U);
}

TEST(ReadRule, RefusesWhatIsNoRule)
{
    EXPECT_THAT(fault("'push'"), HasSubstr("8: a rule must be a table such as { payload = \"/ref\", equals ="));
    EXPECT_THAT(fault("{}"), HasSubstr("8: a rule must say what it looks at"));
    EXPECT_THAT(fault("{ equals = 'x' }"), HasSubstr("8: a rule must say what it looks at"));
    EXPECT_THAT(fault("{ payload = '/a' }"), HasSubstr("8: a rule must have a test, one of equals, in, regex, glob"));
    EXPECT_THAT(fault("{ payload = '/a', equal = 'x' }"),
        HasSubstr("26: unknown key \"equal\" in a rule, did you mean \"equals\"?"));
    EXPECT_THAT(fault("{ payload = '/a', equals = 'x', prefix = 'y' }"),
        HasSubstr("40: a rule looks at one value by one test: \"prefix\" cannot stand beside equals"));
    EXPECT_THAT(
        fault("{ payload = '/a', header = 'H', equals = 'x' }"), HasSubstr("\"header\" cannot stand beside payload"));
    EXPECT_THAT(fault("{ payload = 'a', equals = 'x' }"), HasSubstr("20: payload \"a\" is not a JSON pointer"));
    EXPECT_THAT(fault("{ request = 'cookies', equals = 'x' }"), HasSubstr("is no part of a request"));
    EXPECT_THAT(fault("{ event = 'id', equals = 'x' }"), HasSubstr("unknown key \"event\" in a rule"));
}

TEST(ReadRule, RefusesListsOfNothing)
{
    EXPECT_THAT(fault("{ all = [] }"), HasSubstr("16: all must be an array of rules"));
    EXPECT_THAT(fault("{ any = { payload = '/a', equals = 'x' } }"), HasSubstr("16: any must be an array of rules"));
    EXPECT_THAT(fault("{ not = [] }"), HasSubstr("16: a rule must be a table such as"));
    EXPECT_THAT(
        fault("{ any = [{ payload = '/a', equals = 'x' }], payload = '/b', equals = 1 }"), HasSubstr("2 faults"));
    EXPECT_THAT(fault("{ not = { payload = '/a', equals = 'x' }, equals = 1 }"),
        HasSubstr("50: \"equals\" cannot stand beside not: put both into { all ="));
}

TEST(ReadRule, RefusesOperandsThatTheTestCannotTake)
{
    EXPECT_EQ(fault("{ payload = '/a', equals = [] }"), "35: equals must be a string, a finite number or a boolean");
    EXPECT_EQ(fault("{ payload = '/a', equals = nan }"), "35: equals must be a string, a finite number or a boolean");
    EXPECT_EQ(
        fault("{ payload = '/a', equals = 2026-01-01 }"), "35: equals must be a string, a finite number or a boolean");
    EXPECT_EQ(fault("{ payload = '/a', less_than = '5' }"), "38: less_than must be a finite number");
    EXPECT_EQ(fault("{ payload = '/a', at_least = inf }"), "37: at_least must be a finite number");
    EXPECT_EQ(fault("{ payload = '/a', more_than = true }"), "38: more_than must be a finite number");
    EXPECT_EQ(fault("{ payload = '/a', exists = 'yes' }"), "35: exists must be true or false");
    EXPECT_EQ(fault("{ payload = '/a', exists = 1 }"), "35: exists must be true or false");
    EXPECT_THAT(fault("{ payload = '/a', prefix = 1 }"), HasSubstr("35: prefix must be a string"));
    EXPECT_THAT(fault("{ payload = '/a', in = 'x' }"), HasSubstr("31: in must be an array of what the value may be"));
    EXPECT_THAT(fault("{ payload = '/a', in = [] }"), HasSubstr("31: in must be an array of what the value may be"));
    EXPECT_THAT(fault("{ request = 'remote_address', in = [] }"), HasSubstr("in must be an array of networks"));
    EXPECT_THAT(faults("{ payload = '/a', in = ['x', [], {}] }"),
        ElementsAre(HasSubstr("37: in must be a string"), HasSubstr("41: in must be")));
}

TEST(ReadRule, TellsWhatIsWrongWithAnExpressionAndWhere)
{
    EXPECT_EQ(fault("{ payload = '/a', regex = 'ab(c' }"),
        "34: regex \"ab(c\" is no regular expression: missing ): ab(c, from character 1 on");
    EXPECT_THAT(fault("{ payload = '/a', regex = 'ab[z-a]' }"),
        HasSubstr("invalid character class range: z-a, from character 4 on"));
    EXPECT_THAT(
        fault("{ payload = '/a', regex = '(?=a)' }"), HasSubstr("is no regular expression: invalid perl operator"));
    EXPECT_THAT(fault("{ payload = '/a', regex = '((a{100}){100}){100}' }"), HasSubstr("is no regular expression"));
    EXPECT_THAT(
        fault("{ payload = '/a', regex = '" + std::string(200'000, 'x') + "' }"), HasSubstr("pattern too large"));
    EXPECT_THAT(fault("{ payload = '/a', glob = '" + std::string(200'000, '?') + "' }"), HasSubstr("is too long"));
}

TEST(ReadRule, RefusesBadNetworks)
{
    EXPECT_THAT(fault("{ request = 'remote_address', in = ['192.0.2.0/33'] }"),
        HasSubstr("44: in \"192.0.2.0/33\" is no network"));
    EXPECT_THAT(fault("{ request = 'remote_address', in = ['192.0.2.7/24'] }"), HasSubstr("write \"192.0.2.0/24\""));
    EXPECT_THAT(fault("{ request = 'remote_address', in = [7] }"), HasSubstr("in must be a string"));
    EXPECT_EQ(read("{ request = 'path', in = ['192.0.2.7/24'] }").operands.size(), 1U) << "a text like any other";
}

constexpr const char* signatures =
    R"({ any = [{ signature = { scheme = "github", secret_file = ["a"] } }, )"
    R"({ not = { signature = { scheme = "stripe", tolerance = "1m", secret_env = ["B"] } } }] })";

TEST(ReadRule, TakesSignatures)
{
    EXPECT_EQ(write_rule(read(signatures)), signatures);
    const Rule bearer = read("{ signature = { scheme = 'bearer', secret_file = 'a' } }");
    EXPECT_EQ(describe(bearer), R"(signature by "bearer" is good)");
    EXPECT_EQ(describe_mismatch(bearer), R"(signature by "bearer" is not good)");
    EXPECT_EQ(describe(read("{ signature = { scheme = 'custom', header = 'X-S', algorithm = 'hmac_sha1', "
                            "secret_file = 'a' } }")),
        R"(signature in "X-S" is good)");
}

TEST(ReadRule, RefusesWhatIsNoSignature)
{
    for (const std::string scheme : {"basic", "jwt"})
        EXPECT_EQ(fault("{ any = [{ signature = { scheme = '" + scheme + "', secret_file = 'a' } }] }"),
            "42: scheme \"" + scheme + "\" is for auth alone: it shows who sends, and signs nothing");
    for (const std::string scheme : {"slack", "discord"})
        EXPECT_THAT(fault("{ signature = { scheme = '" + scheme + "', secret_file = 'a' } }"),
            HasSubstr(scheme + " asks whether this end is what it should be, which only auth answers"));
    EXPECT_THAT(fault("{ signature = 'none' }"), HasSubstr("8: signature must say how a request is signed"));
    EXPECT_THAT(fault("{ signature = { addresses = ['192.0.2.0/24'] } }"),
        HasSubstr("24: addresses is no part of a signature: put { request = \"remote_address\""));
    EXPECT_THAT(fault("{ signature = { scheme = 'github', secret_file = 'a', addresses = '192.0.2.0/24' } }"),
        HasSubstr("addresses is no part of a signature"));
    EXPECT_THAT(fault("{ signature = { scheme = 'github' } }"), HasSubstr("names no secret"));
    EXPECT_THAT(fault("{ signature = { scheme = 'github', secret_file = 'a' }, equals = 'x' }"),
        HasSubstr("unknown key \"signature\""))
        << "one leaf is about one thing";
    EXPECT_THAT(
        fault("{ signatur = { scheme = 'github', secret_file = 'a' } }"), HasSubstr("did you mean \"signature\"?"));
}

TEST(ReadRule, BoundsTheTree)
{
    const auto nested = [](unsigned levels) {
        std::string rule = "{ payload = '/a', exists = true }";
        for (unsigned i = 1; i < levels; ++i)
            rule = "{ not = " + rule + " }";
        return rule;
    };
    EXPECT_TRUE(faults(nested(16)).empty());
    EXPECT_THAT(fault(nested(17)), HasSubstr("when is nested more than 16 levels deep"));
    const auto wide = [](unsigned rules) {
        std::string rule = "{ any = [";
        for (unsigned i = 1; i < rules; ++i)
            rule += "{ payload = '/a', equals = 1 }, ";
        return rule + "] }";
    };
    EXPECT_TRUE(faults(wide(256)).empty());
    EXPECT_THAT(fault(wide(300)), HasSubstr("when has more than 256 rules"));
}

TEST(ReadRule, FindsEveryMistakeOfATree)
{
    EXPECT_THAT(faults("{ all = [{ payload = 'a', equals = 1 }, { not = { query = 'q', regex = '(' } }, 7] }"),
        ElementsAre(
            HasSubstr("is not a JSON pointer"), HasSubstr("is no regular expression"), HasSubstr("not an integer")));
}

TEST(DescribeRule, SaysItInTheOperatorsWords)
{
    EXPECT_EQ(describe(read("{ payload = '/ref', equals = 'a\"b' }")), R"(payload "/ref" is "a\"b")");
    EXPECT_EQ(describe_mismatch(read("{ payload = '/ref', equals = 'a' }")), R"(payload "/ref" is not "a")");
    EXPECT_EQ(describe_mismatch(read("{ header = 'H', in = ['a', 2] }")), R"(header "H" is none of "a", 2)");
    EXPECT_EQ(describe_mismatch(read("{ request = 'remote_address', in = ['::1'] }")),
        R"(request "remote_address" is not in "::1")");
    EXPECT_EQ(describe(read("{ query = 'q', exists = true }")), R"(query "q" is there)");
    EXPECT_EQ(describe_mismatch(read("{ query = 'q', exists = true }")), R"(query "q" is missing)");
    EXPECT_EQ(describe_mismatch(read("{ query = 'q', exists = false }")), R"(query "q" is there)");
    EXPECT_EQ(describe_mismatch(read("{ payload = '/n', at_least = 3 }")), R"(payload "/n" is not at least 3)");
    EXPECT_EQ(describe_mismatch(read("{ not = { query = 'q', prefix = 'a' } }")), R"(query "q" begins with "a")");
    EXPECT_EQ(describe_mismatch(read("{ any = [{ query = 'q', glob = 'a*' }, { query = 'r', regex = 'b' }] }")),
        R"(none of (query "q" is like "a*"; query "r" matches "b"))");
    const std::string long_one = describe(read("{ query = 'q', equals = '" + std::string(299 - 15, 'x') + "éé' }"));
    EXPECT_LE(long_one.size(), 303U);
    EXPECT_TRUE(long_one.ends_with("…"));
}

} // namespace
} // namespace belay::config
