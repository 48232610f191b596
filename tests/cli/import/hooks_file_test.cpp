#include "cli/import/hooks_file.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::webhook {
namespace {

std::vector<Hook> read(const std::string& text)
{
    std::vector<Remark> remarks;
    auto hooks = read_hooks(text, remarks);
    for (const Remark& remark : remarks)
        ADD_FAILURE() << remark.line << ": " << remark.text;
    return hooks;
}

/** Of a file that webhook would not load either. */
std::string fault_in(const std::string& text)
{
    std::vector<Remark> remarks;
    try {
        (void)read_hooks(text, remarks);
    } catch (const FileError& e) {
        return std::to_string(e.line()) + ": " + e.what();
    }
    return {};
}

TEST(HooksFile, ReadsJsonWithEveryField)
{
    const auto hooks = read(R"([
  {
    "id": "deploy",
	"execute-command": "/srv/deploy.sh",
    "command-working-directory": "/srv",
    "response-message": "on its way",
    "response-headers": [{"name": "X-A", "value": "b"}],
    "include-command-output-in-response": true,
    "include-command-output-in-response-on-error": true,
    "pass-environment-to-command": [{"source": "payload", "name": "a.b", "envname": "A_B"}],
    "pass-arguments-to-command": [{"source": "string", "name": "x"}, {"source": "entire-payload",}],
    "pass-file-to-command": [{"source": "payload", "name": "c", "base64decode": true}],
    "parse-parameters-as-json": [{"source": "header", "name": "X-J"}],
    "trigger-rule": {"and": [
      {"match": {"type": "payload-hmac-sha1", "secret": "s", "parameter": {"source": "header", "name": "X-S"}}},
      {"not": {"or": [{"match": {"type": "ip-whitelist", "ip-range": "192.0.2.0/24"}}]}}
    ]},
    "trigger-rule-mismatch-http-response-code": 400,
    "trigger-signature-soft-failures": true,
    "incoming-payload-content-type": "application/json",
    "success-http-response-code": 201,
    "http-methods": ["post", " GET "]
  }
])");
    ASSERT_EQ(hooks.size(), 1U);
    const Hook& hook = hooks.front();
    EXPECT_EQ(hook.line, 2U);
    EXPECT_EQ(hook.id, "deploy");
    EXPECT_EQ(hook.command, "/srv/deploy.sh");
    EXPECT_EQ(hook.directory, "/srv");
    EXPECT_EQ(hook.response_message, "on its way");
    ASSERT_EQ(hook.response_headers.size(), 1U);
    EXPECT_EQ(hook.response_headers.front().value, "b");
    EXPECT_TRUE(hook.captures_output && hook.captures_output_on_error && hook.soft_signatures);
    ASSERT_EQ(hook.environment.size(), 1U);
    EXPECT_EQ(hook.environment.front().environment_name, "A_B");
    ASSERT_EQ(hook.arguments.size(), 2U);
    EXPECT_EQ(hook.arguments.back().source, "entire-payload");
    EXPECT_TRUE(hook.files.at(0).base64decode);
    EXPECT_EQ(hook.json_parameters.at(0).name, "X-J");
    ASSERT_TRUE(hook.rule && hook.rule->all && hook.rule->all->size() == 2);
    EXPECT_EQ(hook.rule->all->at(0).match->parameter.name, "X-S");
    EXPECT_EQ(hook.rule->all->at(0).line, 15U);
    EXPECT_EQ(hook.rule->all->at(1).negated.at(0).any->at(0).match->ip_range, "192.0.2.0/24");
    EXPECT_EQ(hook.mismatch_status, 400);
    EXPECT_EQ(hook.success_status, 201);
    EXPECT_EQ(hook.content_type, "application/json");
    EXPECT_EQ(hook.methods, (std::vector<std::string>{"post", " GET "}));
}

TEST(HooksFile, ReadsYaml)
{
    const auto hooks =
        read("# hooks\n- id: a\n  execute-command: /bin/true\n- Id: b\n  EXECUTE-COMMAND: &c /bin/false\n"
             "- id: c\n  execute-command: *c\n- &base\n  id: d\n  response-message: m\n- <<: *base\n  id: e\n");
    ASSERT_EQ(hooks.size(), 5U);
    EXPECT_EQ(hooks[0].line, 2U);
    EXPECT_EQ(hooks[1].id, "b");
    EXPECT_EQ(hooks[2].command, "/bin/false");
    EXPECT_EQ(hooks[4].id, "e");
    EXPECT_EQ(hooks[4].response_message, "m");
}

TEST(HooksFile, MakesTextsOfScalarsAsGoYamlDoes)
{
    const std::pair<const char*, const char*> texts[] = {{"42", "42"}, {"yes", "true"}, {"y", "true"}, {"Off", "false"},
        {"true", "true"}, {"~", ""}, {"null", ""}, {"1e3", "1e3"}, {"1e+21", "1e+21"}, {"010", "8"}, {"0x1F", "31"},
        {"0b11", "3"}, {"0o17", "15"}, {"08", "8"}, {"1_000", "1000"}, {"1.5", "1.5"}, {"1234567.0", "1.234567e+06"},
        {"0.1", "0.1"}, {".5", "0.5"}, {"1.", "1."}, {"-7", "-7"}, {"+7", "7"}, {".inf", "+Inf"},
        {"123456.0", "123456"}, {"18446744073709551615", "18446744073709551615"}, {"2001-12-15", "2001-12-15"},
        {"\"042\"", "042"}, {"'yes'", "yes"}, {"!!str 010", "010"}, {"3.3333333333", "3.3333333"},
        {"16777217.0", "1.6777216e+07"}, {"-0b1", "-1"}, {"0.00001", "1e-05"}, {"99999999999999999999", "1e+20"},
        {"-", "-"}, {".5e3", "500"}, {"1.5e+300", "+Inf"}, {"1e+400", "1e+400"}, {"1.2.3", "1.2.3"}};
    for (const auto& [written, text] : texts) {
        const std::string file = std::string{"[{id: "} + written + "}]";
        EXPECT_EQ(fault_in(file), "") << written;
        if (fault_in(file).empty()) {
            EXPECT_EQ(read(file).at(0).id, text) << written;
        }
    }
}

TEST(HooksFile, IsNoHooksWhereItIsEmpty)
{
    for (const char* text : {"", "# nothing\n", "[]", "null", "---\n"})
        EXPECT_TRUE(read(text).empty()) << text;
    EXPECT_EQ(read("[null]").size(), 1U);
}

TEST(HooksFile, SaysWhatWebhookWouldNotLoad)
{
    const std::pair<const char*, const char*> faults[] = {
        {"{id: a}", "1: \"the file\" is a map, not a list: webhook drops the whole file for this"},
        {"[{id: a},\n {id: [b]}]", "2: \"id\" is a list, not text: webhook drops the whole file for this"},
        {"- id: a\n  trigger-signature-soft-failures: \"true\"",
            "2: \"trigger-signature-soft-failures\" is text, not true or false: webhook drops the whole file for this"},
        {"- success-http-response-code: 200.5",
            "1: \"success-http-response-code\" is a number, not an integer: webhook drops the whole file for this"},
        {"- http-methods: POST", "1: \"http-methods\" is text, not a list: webhook drops the whole file for this"},
        {"- trigger-rule: {and: {}}", "1: \"and\" is a map, not a list: webhook drops the whole file for this"},
        {R"([{"id": "a\/b"}])", R"(1: webhook does not read the escape "\/": write "/")"},
        {"- {id: a,\n  ~: b}", "2: a key that is null, a list or a map cannot be read"}};
    for (const auto& [text, fault] : faults)
        EXPECT_EQ(fault_in(text), fault) << text;
    for (const char* text : {R"([{"id": "\ud83d\ude00"}])", "[{\"id\": \"a\"", "[{\"id\": \"a\" // a comment\n}]",
             "[{\n\"a\": \"b\", // to use it\n // else\n\"c\": true\n}]", "[{\"id\": \"\x01\"}]",
             "[{\"id\": \"\xff\"}]", "- id: *nobody", "- &a [*a]", "- !!binary aGk="})
        EXPECT_NE(fault_in(text), "") << text;
}

TEST(HooksFile, WarnsOfWhatIsIgnored)
{
    std::vector<Remark> remarks;
    const auto hooks =
        read_hooks("- id: a\n  colour: red\n  trigger-rule:\n    match: {type: value}\n    or: []\n", remarks);
    ASSERT_EQ(remarks.size(), 2U);
    EXPECT_EQ(remarks[0].line, 2U);
    EXPECT_EQ(remarks[0].text, "webhook knows no \"colour\" here, and ignores it");
    EXPECT_EQ(remarks[1].line, 4U);
    EXPECT_TRUE(hooks.at(0).rule->any);
}

TEST(HooksFile, TellsOfTemplates)
{
    std::vector<Remark> remarks;
    EXPECT_EQ(read_hooks("- id: a\n  response-message: '{{ getenv `X` }}'\n", remarks).at(0).response_message,
        "{{ getenv `X` }}");
    ASSERT_EQ(remarks.size(), 1U);
    EXPECT_EQ(remarks[0].kind, Remark::Kind::loss);
    EXPECT_EQ(remarks[0].line, 2U);
}

TEST(HooksFile, TheLastOfEqualKeysCounts)
{
    EXPECT_EQ(read("[{id: a, id: b}]").at(0).id, "b");
    EXPECT_EQ(read("[{id: b, ID: a}]").at(0).id, "b"); // JSON's maps are written in order: "ID" comes before "id"
}

TEST(HooksFile, RefusesWhatIsMadeToExhaust)
{
    std::string laughs = "- &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; ++i) {
        laughs += "- &a" + std::to_string(i) + " [";
        for (int j = 0; j < 10; ++j)
            laughs += (j == 0 ? "*a" : ", *a") + std::to_string(i - 1);
        laughs += "]\n";
    }
    EXPECT_NE(fault_in(laughs).find("more than 200000 values"), std::string::npos) << fault_in(laughs);

    std::string chain = "- &a0 x\n"; // each a level deeper
    for (int i = 1; i < 2000; ++i)
        chain += "- &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) + "]\n";
    EXPECT_NE(fault_in(chain).find("nested more than 64 deep"), std::string::npos) << fault_in(chain);

    std::string dashes;
    for (int i = 0; i < 100'000; ++i)
        dashes += "- ";
    std::string questions;
    for (int i = 0; i < 100'000; ++i)
        questions += "? ";
    for (const std::string& text : {std::string(100'000, '['), std::string(100'000, '{'), dashes, questions})
        EXPECT_NE(fault_in(text).find("nested more than 64 deep"), std::string::npos) << fault_in(text);

    EXPECT_NE(fault_in("# " + std::string(1U << 20, 'x')).find("over 1 MiB"), std::string::npos);
    EXPECT_NE(fault_in("[" + std::string(500'000, ',') + "]"), "");
}

} // namespace
} // namespace belay::webhook
