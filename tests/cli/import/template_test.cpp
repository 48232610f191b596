#include "cli/import/template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::webhook {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::optional<std::string> find(const std::string& name)
{
    if (name == "A")
        return "a value";
    if (name == "ODD")
        return "it's \"<x>\"\\\n\x01\xc3\xbc";
    if (name == "LINES")
        return "one\n   two";
    if (name == "BRACES")
        return "{{ getenv \"A\" }}";
    return std::nullopt;
}

struct Expanded {
    std::string text;
    std::vector<unsigned> lines;
    std::string remarks;
};

Expanded expand(const std::string& text)
{
    std::vector<Remark> remarks;
    FileText expanded = expand_template(text, find, remarks);
    std::string told;
    for (const Remark& remark : remarks)
        told +=
            std::to_string(remark.line) + (remark.kind == Remark::Kind::loss ? ": not mapped: " : ": ") + remark.text;
    return {std::move(expanded.text), std::move(expanded.lines), told};
}

TEST(ExpandTemplate, PutsVariablesInPlace)
{
    EXPECT_EQ(expand(R"(["{{ getenv "A" }}", "{{getenv `A`|js}}", {{ getenv  "A"  |  js  }}])").text,
        R"(["a value", "a value", a value])");
    EXPECT_EQ(expand(R"(["{{ getenv "A" }}"])").remarks, "");
    EXPECT_EQ(expand("no template: }} { { {").text, "no template: }} { { {");
    EXPECT_EQ(expand("").text, "");
    EXPECT_EQ(expand(R"({{ getenv "BRACES" }})").text, R"({{ getenv "A" }})") << "not expanded again";
}

TEST(ExpandTemplate, EscapesAsJsDoes)
{
    EXPECT_EQ(expand(R"({{ getenv "ODD" | js }})").text, "it\\'s \\\"\\u003Cx\\u003E\\\"\\\\\\u000A\\u0001\xc3\xbc");
    EXPECT_EQ(expand(R"({{ getenv "ODD" }})").text, "it's \"<x>\"\\\n\x01\xc3\xbc");
    std::vector<Remark> remarks;
    const auto hooks = read_hooks(expand_template(R"([{"id": "{{ getenv "ODD" | js }}"}])", find, remarks), remarks);
    ASSERT_EQ(hooks.size(), 1U);
    EXPECT_EQ(hooks[0].id, "it's \"<x>\"\\\n\x01\xc3\xbc");
}

TEST(ExpandTemplate, TrimsWhereMarkersSaySo)
{
    EXPECT_EQ(expand("a \n {{- getenv \"A\" -}} \t\n b").text, "aa valueb");
    EXPECT_EQ(expand("a {{- /* it's a comment }} */ -}} b").text, "ab");
    EXPECT_EQ(expand("a {{/* nothing */}} b").text, "a  b");
    EXPECT_EQ(expand("a {{/* nothing */}} b").remarks, "");
    EXPECT_THAT(expand("a {{-getenv \"A\"}}").remarks, HasSubstr("not mapped")) << "a marker is followed by a blank";
}

TEST(ExpandTemplate, LeavesOutWhatItDoesNotKnow)
{
    const Expanded expanded =
        expand("x\n{{ if eq (getenv \"A\") \"}}\" }}y{{ end }}\n{{ cat \"/etc/x\" | js }}\n{{getenv \"A\" | printf}}");
    EXPECT_EQ(expanded.text, "x\ny\n\n");
    EXPECT_THAT(expanded.remarks, HasSubstr("2: not mapped: this action of the template is left out"));
    EXPECT_THAT(expanded.remarks, HasSubstr("3: not mapped: this action"));
    EXPECT_THAT(expanded.remarks, HasSubstr("4: not mapped: this action"));
    for (const char* endless : {"a\n{{ getenv \"A\"", "a\n{{ getenv \"}}", "a\n{{/* }}", "a\n{{"})
        try {
            (void)expand(endless);
            FAIL() << endless;
        } catch (const FileError& error) {
            EXPECT_EQ(error.line(), 2U) << endless;
            EXPECT_THAT(error.what(), HasSubstr("has no end"));
        }
}

TEST(ExpandTemplate, TakesCommentsWhereGoDoes)
{
    EXPECT_EQ(expand("a{{/* b */}}c{{- /* d */ -}} e{{/* */ -}} f").text, "acef");
    for (const char* wrong : {"a\n{{ /* c */ }}x", "a\n{{ /* c */}}x", "a\n{{/* c */ }}x", "a\n{{-  /* c */ -}}x",
             "a\n{{/* c */ d */}}x", "a\n{{/* c */  -}}x"})
        try {
            (void)expand(wrong);
            FAIL() << wrong;
        } catch (const FileError& error) {
            EXPECT_EQ(error.line(), 2U) << wrong;
            EXPECT_THAT(error.what(), HasSubstr("webhook drops the whole file"));
        }
}

TEST(ExpandTemplate, TellsOfLineEndsThatNothingEscapes)
{
    EXPECT_THAT(expand("\na: {{ getenv \"LINES\" }}").remarks,
        HasSubstr("2: the variable LINES has line ends, at which webhook may refuse the file: write {{ getenv "
                  "\"LINES\" | js }} within"));
    EXPECT_EQ(expand("a: \"{{ getenv \"LINES\" | js }}\"").remarks, "");
}

TEST(ExpandTemplate, StopsWhereItGetsTooLong)
{
    const std::string value(1000, 'x');
    std::size_t asked = 0;
    const auto find_long = [&](const std::string&) {
        ++asked;
        return std::optional{value};
    };
    std::string text;
    for (int i = 0; i < 50'000; ++i)
        text += "{{getenv `A`}}";
    std::vector<Remark> remarks;
    EXPECT_THROW((void)expand_template(text, find_long, remarks), FileError);
    EXPECT_EQ(asked, 1049U) << "1 MiB has 1048 of them";
    EXPECT_THROW((void)expand_template(std::string((std::size_t{1} << 20) + 1, '{'), find_long, remarks), FileError);
}

TEST(ExpandTemplate, TellsOfVariablesThatAreNotSet)
{
    const Expanded expanded = expand("\n\"{{ getenv \"NONE\" | js }}\"");
    EXPECT_EQ(expanded.text, "\n\"\"");
    EXPECT_THAT(expanded.remarks, HasSubstr("2: not mapped: the variable NONE is not set here"));
}

TEST(ExpandTemplate, KnowsTheLinesOfItsSource)
{
    EXPECT_THAT(expand("1\n2{{- /* 2\n3 */ -}}\n4\n5").lines, ElementsAre(1U, 2U, 5U));
    EXPECT_THAT(expand("1 {{ getenv \"LINES\" }}\n2").lines, ElementsAre(1U, 1U, 2U));
    std::vector<Remark> remarks;
    const std::string text =
        "- id: a{{- /* \n\n */}}\n  execute-command: /bin/true\n  unknown: \"{{ getenv \"LINES\" }}\"\n- id: b\n";
    const auto hooks = read_hooks(expand_template(text, find, remarks), remarks);
    ASSERT_EQ(hooks.size(), 2U);
    EXPECT_EQ(hooks[0].line, 1U);
    ASSERT_EQ(remarks.size(), 2U);
    EXPECT_EQ(remarks[0].line, 5U);
    EXPECT_EQ(remarks[1].line, 5U);
    try {
        (void)read_hooks(expand_template("a: b{{/* \n\n */}}\n- [", find, remarks), remarks);
        FAIL() << "that is no YAML";
    } catch (const FileError& error) {
        EXPECT_GE(error.line(), 3U);
    }
}

} // namespace
} // namespace belay::webhook
