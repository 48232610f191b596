#include "belayd/config/load.hpp"
#include "cli/import/conversion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace belay::webhook {
namespace {

using testing::HasSubstr;
using testing::Not;

/** What became of hooks. */
struct Outcome {
    std::string toml; ///< without comments and empty lines
    std::vector<Secret> secrets;
    std::string remarks; ///< "3: text\n"
};

Outcome convert(const std::string& text, Mode mode = Mode::native, const std::string& secrets_prefix = "")
{
    std::vector<HooksFile> files(1);
    files.front().name = "hooks.yaml";
    files.front().hooks = read_hooks(text, files.front().remarks);
    auto conversion = convert(files, {mode, secrets_prefix, "/opt", "/usr/bin:/bin"});
    Outcome outcome{.toml = "", .secrets = std::move(conversion.secrets), .remarks = ""};
    std::istringstream lines{conversion.toml};
    for (std::string line; std::getline(lines, line);)
        if (!line.empty() && !line.starts_with('#'))
            outcome.toml += line + "\n";
    for (const Remark& remark : files.front().remarks)
        outcome.remarks += std::to_string(remark.line) + (remark.kind == Remark::Kind::loss ? ": not mapped: " : ": ") +
                           remark.text + "\n";
    return outcome;
}

/** Of a hook with this rule. */
Outcome convert_rule(const std::string& rule, Mode mode = Mode::native)
{
    return convert("- {id: a, execute-command: /bin/true, trigger-rule: " + rule + "}", mode);
}

std::string rule_of(const Outcome& outcome)
{
    const auto at = outcome.toml.find("auth = ");
    return outcome.toml.substr(at, outcome.toml.find("run = ") - at);
}

constexpr const char* hub_signature =
    "{match: {type: payload-hmac-sha256, secret: s3cr3t, parameter: {source: header, name: X-Hub-Signature-256}}}";
constexpr const char* on_main = "{match: {type: value, value: main, parameter: {source: payload, name: ref.name}}}";

TEST(Conversion, MakesAuthOfASignature)
{
    const Outcome outcome = convert_rule(std::string{"{and: ["} + hub_signature + ", " + on_main + "]}");
    EXPECT_EQ(outcome.toml, "[hooks.a]\n"
                            "auth = { scheme = \"github\", secret_file = \"a.secret\" }\n"
                            "when = { payload = \"/ref/name\", equals = \"main\" }\n"
                            "run = [\"/bin/true\"]\n");
    EXPECT_EQ(outcome.remarks, "");
    ASSERT_EQ(outcome.secrets.size(), 1U);
    EXPECT_EQ(outcome.secrets.front().file_name, "a.secret");
    EXPECT_EQ(outcome.secrets.front().text, "s3cr3t");
}

TEST(Conversion, MakesSeveralSecretsOfAlternatives)
{
    const std::string old_one =
        "{match: {type: payload-hmac-sha256, secret: old, parameter: {source: header, name: x-hub-signature-256}}}";
    EXPECT_EQ(rule_of(convert_rule(std::string{"{or: ["} + hub_signature + ", " + old_one + "]}")),
        "auth = { scheme = \"github\", secret_file = [\"a.secret\", \"a-2.secret\"] }\n");
    EXPECT_EQ(rule_of(convert_rule(std::string{"{or: ["} + hub_signature + ", " + hub_signature + "]}")),
        "auth = { scheme = \"github\", secret_file = [\"a.secret\", \"a.secret\"] }\n");
    // Not where one of them is something else.
    EXPECT_EQ(convert_rule(std::string{"{or: ["} + hub_signature + ", " + old_one + "]}").remarks, "");
}

TEST(Conversion, KeepsASignatureThatIsNotAskedOfAll)
{
    const Outcome outcome = convert_rule(std::string{"{or: ["} + hub_signature + ", " + on_main + "]}");
    EXPECT_EQ(rule_of(outcome),
        "auth = \"none\"\nwhen = { any = [{ signature = { scheme = \"github\", secret_file = \"a.secret\" } }, "
        "{ payload = \"/ref/name\", equals = \"main\" }] }\n");
    EXPECT_THAT(outcome.remarks, HasSubstr("1: a wrong signature is one that does not match: webhook refuses"));
    EXPECT_THAT(outcome.remarks, Not(HasSubstr("not mapped")));
    const std::string soft = std::string{"- {id: a, execute-command: /bin/true, trigger-signature-soft-failures: true, "
                                         "trigger-rule: {or: ["} +
                             on_main + ", " + hub_signature + "]}}";
    EXPECT_THAT(convert(soft).remarks, Not(HasSubstr("a wrong signature")));
    EXPECT_THAT(convert_rule(std::string{"{not: {and: ["} + hub_signature + "]}}").remarks,
        HasSubstr("1: of a request whose signature is wrong, this \"not\" is true: webhook refuses it"));
    (void)config::parse_config(outcome.toml, "belay.toml");
}

TEST(Conversion, TakesASignatureFromWhereWebhookDoesInStrictMode)
{
    const std::string in_query =
        "{match: {type: payload-hash-sha1, secret: s3cr3t, parameter: {source: query, name: sig}}}";
    const Outcome strict = convert_rule(in_query, Mode::strict);
    EXPECT_EQ(rule_of(strict),
        "auth = \"none\"\nwhen = { signature = { scheme = \"custom\", algorithm = \"hmac_sha1\", "
        "label = \"sha1=\", secret_file = \"a.secret\" }, query = \"sig\" }\n");
    EXPECT_EQ(strict.remarks, "");
    (void)config::parse_config(strict.toml, "belay.toml");
    EXPECT_THAT(
        convert_rule(in_query).remarks, HasSubstr("1: not mapped: payload-hash-sha1 needs a secret, and a header"));
    EXPECT_THAT(convert_rule("{match: {type: payload-hash-sha1, secret: s, parameter: {source: string, name: sig}}}",
                    Mode::strict)
                    .remarks,
        HasSubstr("1: not mapped: payload-hash-sha1"));
}

TEST(Conversion, AnswersWithOutputInStrictMode)
{
    const std::string hook = "- {id: a, execute-command: /bin/true, include-command-output-in-response: true";
    const Outcome strict = convert(hook + "}", Mode::strict);
    EXPECT_EQ(strict.toml, "[hooks.a]\ncompat = \"webhook\"\nauth = \"none\"\nrun = [\"/bin/true\"]\nwait = \"1h\"\n"
                           "webhook = { answer_output = \"success\" }\n");
    EXPECT_EQ(strict.remarks, "");
    EXPECT_THAT(convert(hook + ", include-command-output-in-response-on-error: true}", Mode::strict).toml,
        HasSubstr("answer_output = \"always\""));
    EXPECT_THAT(convert("- {id: a, execute-command: /bin/true, include-command-output-in-response-on-error: true}",
                    Mode::strict)
                    .toml,
        Not(HasSubstr("wait")));
}

TEST(Conversion, TellsOfARuleThatBelaydDoesNotTake)
{
    std::string deep = on_main;
    for (int i = 0; i < 20; ++i)
        deep = "{not: " + deep + "}";
    std::string wide = on_main;
    for (int i = 0; i < 300; ++i)
        wide += std::string{", "} + on_main;
    for (const std::string& rule : {deep, "{or: [" + wide + "]}"})
        for (const Mode mode : {Mode::native, Mode::strict}) {
            const Outcome outcome = convert_rule(rule, mode);
            EXPECT_THAT(outcome.remarks,
                HasSubstr("1: not mapped: belayd does not take this rule, so it never matches: when "));
            EXPECT_THAT(rule_of(outcome), HasSubstr("when = { request = \"method\", equals = \"\" }"));
            (void)config::parse_config(outcome.toml, "belay.toml");
        }
}

TEST(Conversion, KnowsSendersByTheirHeader)
{
    const auto auth = [](const std::string& type, const std::string& header) {
        return rule_of(convert_rule(
            "{match: {type: " + type + ", secret: s, value: s, parameter: {source: header, name: " + header + "}}}"));
    };
    EXPECT_THAT(auth("payload-hmac-sha256", "x-gitea-signature"), HasSubstr("scheme = \"gitea\""));
    EXPECT_THAT(auth("payload-hash-sha256", "X-Gogs-Signature"), HasSubstr("scheme = \"gogs\""));
    EXPECT_THAT(auth("payload-hmac-sha256", "X-Hub-Signature"), HasSubstr("scheme = \"bitbucket\""));
    EXPECT_THAT(auth("payload-hmac-sha1", "X-Hub-Signature"),
        HasSubstr("scheme = \"custom\", header = \"X-Hub-Signature\", algorithm = \"hmac_sha1\", label = \"sha1=\""));
    EXPECT_THAT(auth("payload-hmac-sha512", "X-Mine"),
        HasSubstr("scheme = \"custom\", header = \"X-Mine\", algorithm = \"hmac_sha512\", secret_file"));
    EXPECT_THAT(auth("scalr-signature", "x"), HasSubstr("scheme = \"scalr\""));
    EXPECT_THAT(auth("value", "X-Gitlab-Token"), HasSubstr("scheme = \"gitlab\""));
    EXPECT_THAT(auth("value", "api_key"),
        HasSubstr("scheme = \"custom\", header = \"api_key\", algorithm = \"token\", encoding = \"plain\""));
    EXPECT_EQ(auth("value", "X-Event"), "auth = \"none\"\nwhen = { header = \"X-Event\", equals = \"s\" }\n");
}

TEST(Conversion, MakesAddressesOfAWhitelist)
{
    const Outcome outcome = convert_rule("{or: [{match: {type: ip-whitelist, ip-range: \"192.0.2.7/24 2001:db8::1\"}}, "
                                         "{match: {type: ip-whitelist, ip-range: 192.0.2.1}}]}");
    EXPECT_EQ(rule_of(outcome), "auth = { addresses = [\"192.0.2.0/24\", \"2001:db8::1\", \"192.0.2.1\"] }\n");
    EXPECT_EQ(outcome.remarks, "1: webhook takes 2001:db8::1 as 2001:db8::1/32; it is 2001:db8::1 here\n");

    const Outcome strict =
        convert_rule("{match: {type: ip-whitelist, ip-range: \"2001:db8::1 ::ffff:127.0.0.1\"}}", Mode::strict);
    EXPECT_EQ(rule_of(strict),
        "auth = \"none\"\nwhen = { request = \"remote_address\", in = [\"2001:db8::/32\", \"::/32\"] }\n");

    EXPECT_EQ(convert_rule("{match: {type: ip-whitelist, ip-range: localhost}}").remarks,
        "1: not mapped: \"localhost\" is no network: webhook refuses every request that it is asked of\n");

    const Outcome both =
        convert_rule(std::string{"{and: [{match: {type: ip-whitelist, ip-range: 192.0.2.1}}, "} + hub_signature + "]}");
    EXPECT_EQ(
        rule_of(both), "auth = { scheme = \"github\", secret_file = \"a.secret\", addresses = [\"192.0.2.1\"] }\n");
}

TEST(Conversion, FoldsWhatIsAlwaysSo)
{
    EXPECT_EQ(rule_of(convert_rule("{and: []}")), "auth = \"none\"\n");
    EXPECT_EQ(rule_of(convert_rule("{not: {or: []}}")), "auth = \"none\"\n");
    for (const char* never : {"{}", "{or: []}", "{not: {and: []}}", "{match: {type: magic}}"})
        EXPECT_EQ(
            rule_of(convert_rule(never)), "auth = \"none\"\nwhen = { request = \"method\", equals = \"\" } # never\n")
            << never;
}

TEST(Conversion, StrictRulesAreAsTheyWere)
{
    const std::string signature = "{ signature = { scheme = \"custom\", header = \"X-Hub-Signature-256\", algorithm = "
                                  "\"hmac_sha256\", label = \"sha256=\", secret_file = \"a.secret\" } }";
    EXPECT_EQ(rule_of(convert_rule(std::string{"{and: ["} + hub_signature + "]}", Mode::strict)),
        "auth = \"none\"\nwhen = { all = [" + signature + "] }\n");
    EXPECT_EQ(rule_of(convert_rule(std::string{"{and: [{not: "} + on_main + "}, {or: []}]}", Mode::strict)),
        "auth = \"none\"\nwhen = { all = [{ not = { path = \"ref.name\", equals = \"main\" } }, { request = "
        "\"method\", equals = \"\" }] }\n");
}

/** A missing value decides against a "not" within an "and", and for it elsewhere. */
TEST(Conversion, KeepsWhatAMissingValueDecides)
{
    EXPECT_EQ(rule_of(convert_rule(std::string{"{not: "} + on_main + "}")),
        "auth = \"none\"\nwhen = { not = { payload = \"/ref/name\", equals = \"main\" } }\n");
    EXPECT_EQ(rule_of(convert_rule(std::string{"{and: [{not: "} + on_main + "}]}")),
        "auth = \"none\"\nwhen = { all = [{ payload = \"/ref/name\", exists = true }, { not = { payload = "
        "\"/ref/name\", equals = \"main\" } }] }\n");
    EXPECT_THAT(convert_rule(std::string{"{and: [{not: {or: ["} + on_main + "]}}]}").remarks,
        HasSubstr("1: of a value that is missing, this \"not\" is true\n"));
}

TEST(Conversion, MapsEverySource)
{
    const Outcome outcome = convert(R"(
- id: a
  execute-command: /bin/true
  pass-arguments-to-command:
  - {source: payload, name: "a.b~c.0.d/e"}
  - {source: header, name: X-A}
  - {source: url, name: u}
  - {source: query, name: q}
  - {source: request, name: Method}
  - {source: request, name: remote-addr}
  - {source: string, name: "text \" here"}
  - {source: raw-request-body}
  - {source: entire-payload}
  - {source: entire-headers}
  - {source: entire-query}
  - {source: payload, name: root.1.x}
  - {source: payload, name: root.name}
  - {source: nowhere, name: x}
)");
    EXPECT_THAT(outcome.toml,
        HasSubstr(
            "run = [\"/bin/true\", { payload = \"/a/b~0c/0/d~1e\", default = \"\" }, { header = \"X-A\", default = "
            "\"\" }, { query = \"u\", default = \"\" }, { query = \"q\", default = \"\" }, { request = \"method\", "
            "default = \"\" }, { request = \"remote_address\", default = \"\" }, \"text \\\" here\", { request = "
            "\"body\", default = \"\" }, { payload = \"\", default = \"\" }, { request = \"headers\", default = \"\" "
            "}, { request = \"query\", default = \"\" }, { payload = \"/1/x\", default = \"\" }, { payload = "
            "\"/root/name\", default = \"\" }, \"\"]\n"));
    EXPECT_THAT(outcome.remarks, HasSubstr("18: not mapped: webhook knows no source \"nowhere\"\n"));
    EXPECT_THAT(outcome.remarks, HasSubstr("2: a value that begins with \"-\" is refused"));
}

TEST(Conversion, MapsVariablesAndFiles)
{
    const Outcome outcome = convert(R"(
- id: a
  execute-command: /bin/true
  command-working-directory: /tmp
  pass-environment-to-command:
  - {source: payload, name: a, envname: A}
  - {source: payload, name: b.c}
  - {source: payload, name: p, envname: LD_PRELOAD}
  - {source: string, name: fixed, envname: FIXED}
  pass-file-to-command:
  - {source: payload, name: pic, base64decode: true}
  - {source: raw-request-body, envname: BODY}
)");
    EXPECT_THAT(outcome.toml,
        HasSubstr("env = { A = { payload = \"/a\" }, HOOK_b_c = { payload = \"/b/c\" }, FIXED = \"fixed\" }\n"
                  "files = { HOOK_PIC = { payload = \"/pic\", decode = \"base64\" }, BODY = { request = \"body\" } }\n"
                  "directory = \"/tmp\"\n"));
    EXPECT_THAT(outcome.remarks, HasSubstr("7: the variable HOOK_b.c is called HOOK_b_c, which shells can read\n"
                                           "8: not mapped: the variable LD_PRELOAD must not come from a request"));
}

TEST(Conversion, MapsAnswers)
{
    const Outcome outcome =
        convert("- {id: a, execute-command: /bin/true, include-command-output-in-response: true, "
                "trigger-rule-mismatch-http-response-code: 404, success-http-response-code: 201, "
                "response-message: hi, response-headers: [{name: A, value: b}], http-methods: [get]}");
    EXPECT_THAT(outcome.toml, HasSubstr("wait = \"30s\"\nmismatch_status = 404\n"));
    for (const char* remark : {"1: not mapped: response-headers", "1: response-message", "1: the status is 202",
             "1: not mapped: only POST is answered, not GET"})
        EXPECT_THAT(outcome.remarks, HasSubstr(remark));

    const Outcome strict =
        convert("- {id: a, execute-command: /bin/true, success-http-response-code: 201, "
                "response-message: hi, response-headers: [{name: A, value: b}], "
                "http-methods: [\" get \", Post], incoming-payload-content-type: json, "
                "trigger-signature-soft-failures: true, trigger-rule-mismatch-http-response-code: 503, "
                "parse-parameters-as-json: [{source: header, name: X-J}]}",
            Mode::strict);
    EXPECT_THAT(strict.toml,
        HasSubstr(
            "webhook = { methods = [\"GET\", \"POST\"], content_type = \"json\", json_parameters = [{ header = "
            "\"X-J\" }], soft_signatures = true, response_message = \"hi\", response_headers = { \"A\" = \"b\" }, "
            "success_status = 201, mismatch_status = 503 }\n"));
    EXPECT_EQ(strict.remarks, "");
}

TEST(Conversion, UnwrapsTheFieldPayload)
{
    const Outcome outcome = convert("- {id: a, execute-command: /bin/true, "
                                    "parse-parameters-as-json: [{source: payload, name: payload}], "
                                    "trigger-rule: {match: {type: value, value: x, parameter: {source: payload, name: "
                                    "payload.state.0}}}}");
    EXPECT_THAT(outcome.toml, HasSubstr("when = { payload = \"/state/0\", equals = \"x\" }\n"));
    EXPECT_THAT(convert("- {id: a, execute-command: /bin/true, "
                        "parse-parameters-as-json: [{source: payload, name: data}], "
                        "pass-arguments-to-command: [{source: payload, name: data.x}]}")
                    .remarks,
        HasSubstr("1: not mapped: \"data.x\" is JSON within a field of the body"));
}

TEST(Conversion, FindsCommands)
{
    const auto run_of = [](const std::string& fields) {
        const Outcome outcome = convert("- {id: a, " + fields + "}");
        const auto at = outcome.toml.find("run = ");
        return outcome.toml.substr(at, outcome.toml.find('\n', at) - at);
    };
    EXPECT_EQ(run_of("execute-command: true"), "run = [\"/usr/bin/true\"]");
    EXPECT_EQ(run_of("execute-command: bin/true, command-working-directory: /usr"), "run = [\"/usr/bin/true\"]");
    EXPECT_EQ(run_of("execute-command: ./belay-nobody"),
        "run = [\"/opt/belay-nobody\"] # \"/opt/belay-nobody\" cannot be run: No such file or directory");
    EXPECT_EQ(run_of("execute-command: belay-nobody"), "run = [\"belay-nobody\"] # \"belay-nobody\" is not in $PATH");
    EXPECT_EQ(convert("- id: a").remarks, "1: not mapped: hook \"a\" has no execute-command: it runs nothing\n");
}

TEST(Conversion, NamesHooks)
{
    const Outcome outcome =
        convert("- {id: a.b, execute-command: /bin/true}\n- {id: a/b, execute-command: /bin/true}\n"
                "- {id: 'a?b', execute-command: /bin/true}\n- {id: a.b, execute-command: /bin/false}\n"
                "- {execute-command: /bin/true}\n");
    EXPECT_THAT(outcome.toml, HasSubstr("[hooks.\"a.b\"]\n"));
    EXPECT_THAT(outcome.toml, HasSubstr("[hooks.hook-a-b]\n"));
    EXPECT_THAT(outcome.toml, HasSubstr("[hooks.hook-a-b-2]\n"));
    EXPECT_THAT(outcome.toml, Not(HasSubstr("/bin/false")));
    EXPECT_THAT(outcome.remarks, HasSubstr("2: not mapped: id \"a/b\" is not a hook name"));
    EXPECT_THAT(outcome.remarks, HasSubstr("4: id \"a.b\" is there already: the first one counts\n"));
}

TEST(Conversion, NamesHooksDifferently)
{
    std::string hooks = "- {id: é, execute-command: /bin/true}\n- {id: hook-, execute-command: /bin/true}\n";
    for (int i = 0; i < 20; ++i)
        hooks += "- {id: " + std::string(80, 'x') + std::to_string(i) + ", execute-command: /bin/true}\n";
    const std::string toml = convert(hooks).toml;
    EXPECT_NO_THROW((void)config::parse_config(toml, "belay.toml")) << toml;
    EXPECT_THAT(toml, HasSubstr("[hooks.hook-]\n"));
}

TEST(Conversion, WritesNoSecretDown)
{
    const std::string hooks = std::string{"- {id: a, execute-command: /bin/true, trigger-rule: {and: ["} +
                              hub_signature +
                              ", {match: {type: scalr-signature, secret: s3cr3t-2}}, {match: {type: value, value: "
                              "s3cr3t-3, parameter: {source: header, name: X-Gitlab-Token}}}]}}";
    for (const Mode mode : {Mode::native, Mode::strict}) {
        const Outcome outcome = convert(hooks, mode, "/etc/belay/secrets/");
        EXPECT_EQ(outcome.secrets.size(), 2U); // of which rules have none
        EXPECT_THAT(outcome.toml, HasSubstr("secret_file = \"/etc/belay/secrets/a.secret\""));
        EXPECT_THAT(outcome.toml, Not(HasSubstr("s3cr3t\"")));
        EXPECT_THAT(outcome.toml, Not(HasSubstr("s3cr3t-2")));
        EXPECT_THAT(outcome.remarks, Not(HasSubstr("s3cr3t")));
    }
    EXPECT_THAT(
        convert_rule("{match: {type: payload-hmac-sha1, secret: \"\", parameter: {source: header, name: A}}}").remarks,
        HasSubstr("1: not mapped: payload-hmac-sha1 needs a secret"));
}

TEST(Conversion, WritesAResponseHeaderOnce)
{
    const Outcome outcome =
        convert("- {id: a, execute-command: /bin/true, response-headers: [{name: X-A, value: '1'}, {value: "
                "'2'}, {name: x-a, value: '3'}, {name: B, value: \"4\\n5\"}]}",
            Mode::strict);
    EXPECT_THAT(outcome.toml, HasSubstr("response_headers = { \"X-A\" = \"3\" }"));
    EXPECT_THAT(outcome.remarks, HasSubstr("not mapped: the response header \"\": HTTP has no such field, or"));
    EXPECT_THAT(outcome.remarks, HasSubstr("not mapped: the response header \"B\": HTTP has no such field"));
}

/** Each example, as both modes write it: what webhook does is done, and nothing that belayd does not know. */
TEST(Conversion, IsLoaded)
{
    unsigned count = 0;
    for (const auto& entry : std::filesystem::directory_iterator{EXAMPLES}) {
        std::ifstream in{entry.path()};
        const std::string text{std::istreambuf_iterator<char>{in}, {}};
        for (const Mode mode : {Mode::native, Mode::strict}) {
            std::vector<HooksFile> files(1);
            files.front().name = entry.path().filename();
            files.front().hooks = read_hooks(text, files.front().remarks);
            ASSERT_FALSE(files.front().hooks.empty()) << entry.path();
            const std::string toml = convert(files, {mode, "", "/opt", "/usr/bin:/bin"}).toml;
            try {
                EXPECT_EQ(config::parse_config(toml, "belay.toml").hooks.size(), files.front().hooks.size());
            } catch (const config::ConfigError& error) {
                ADD_FAILURE() << config::format(error.diagnostics().front()) << "\n" << toml;
            }
            ++count;
        }
    }
    EXPECT_GE(count, 2U * 21);
}

} // namespace
} // namespace belay::webhook
