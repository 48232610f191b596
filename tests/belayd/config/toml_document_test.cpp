#include "belayd/config/load.hpp"
#include "belayd/config/toml_document.hpp"

#include <gtest/gtest.h>

#include <tuple>

namespace belay::config {
namespace {

using Place = std::pair<unsigned, unsigned>;

Place place(const Origin& origin)
{
    return {origin.line, origin.column};
}

/** The member at a path such as "hooks/deploy/auth". */
const Node::Member& at(const Document& document, std::string_view path)
{
    const Node* node = &document.root;
    for (;;) {
        const auto slash = path.find('/');
        const auto* member = node->find(path.substr(0, slash));
        if (!member)
            throw std::out_of_range{std::string{path}};
        if (slash == std::string_view::npos)
            return *member;
        node = &member->value;
        path.remove_prefix(slash + 1);
    }
}

Diagnostic error_of(const std::string& text)
{
    try {
        (void)parse_document(text, "f.toml");
    } catch (const ConfigError& error) {
        EXPECT_EQ(error.diagnostics().size(), 1U);
        return error.diagnostics().front();
    }
    ADD_FAILURE() << "parsed: " << text;
    return {};
}

TEST(ParseDocument, KeepsTypesAndValues)
{
    const auto document = parse_document(
        "s = 'x'\ni = -7\nb = true\nr = 1.5\nt = 1979-05-27\na = [1, 'y']\nw.x = \"\"\"\nlong\"\"\"\n", "f.toml");
    EXPECT_EQ(document.file, "f.toml");
    EXPECT_EQ(at(document, "s").value.text, "x");
    EXPECT_EQ(at(document, "i").value.integer, -7);
    EXPECT_TRUE(at(document, "b").value.boolean);
    EXPECT_EQ(at(document, "r").value.type, Node::Type::real);
    EXPECT_EQ(at(document, "t").value.type, Node::Type::time);
    ASSERT_EQ(at(document, "a").value.elements.size(), 2U);
    EXPECT_EQ(at(document, "a").value.elements[1].text, "y");
    EXPECT_EQ(at(document, "w/x").value.text, "long");
    EXPECT_TRUE(parse_document("", "f").root.members.empty());
    EXPECT_TRUE(parse_document("# only a comment", "f").root.members.empty());
}

TEST(ParseDocument, ComesToAnEndWhateverIsWrong)
{
    for (const char* const text : {
             "a = { b = [ 'x' }, c = [ 'y' ] }",
             "a = [{ b = 1 { c = [{ d [ 'e', f = 'g' }, { h",
             "a = [\n    'x',  # one\n    y,  # no string\n    'z',\n]\n",
             "[hooks.a]\nrun = ['/bin/true' 'x' # two\n]\n",
             "a = { b = 1, # no end\nc = 2\n",
             "a = [ \"\\\" [ = ",
         })
        EXPECT_EQ(error_of(text).message.substr(0, 14), "syntax error: ") << text;
}

TEST(ParseDocument, KnowsWhereKeysAndValuesAre)
{
    const auto document = parse_document("[daemon]\n"
                                         "  drain_timeout   = \"30s\"\n"
                                         "[hooks.deploy]\n"
                                         "auth = { scheme = \"scheme\", secret_file = 'é', z = 1 }\n"
                                         "run = [\n"
                                         "  \"/bin/true\",\n"
                                         "  { payload = \"/x\" } ]\n"
                                         "\"a b\" = 5\n"
                                         "x.y.x = 6\n"
                                         "[ hooks . hooks ]\n",
        "f.toml");
    EXPECT_EQ(place(at(document, "daemon").origin), Place(1, 2));
    EXPECT_EQ(place(at(document, "daemon/drain_timeout").origin), Place(2, 3));
    EXPECT_EQ(place(at(document, "daemon/drain_timeout").value.origin), Place(2, 21));
    EXPECT_EQ(place(at(document, "hooks").origin), Place(3, 2));
    EXPECT_EQ(place(at(document, "hooks/deploy").origin), Place(3, 8));
    EXPECT_EQ(place(at(document, "hooks/deploy/auth").origin), Place(4, 1));
    EXPECT_EQ(place(at(document, "hooks/deploy/auth").value.origin), Place(4, 8));
    EXPECT_EQ(place(at(document, "hooks/deploy/auth/scheme").origin), Place(4, 10));
    EXPECT_EQ(place(at(document, "hooks/deploy/auth/z").origin), Place(4, 49)) << "columns are bytes";
    EXPECT_EQ(place(at(document, "hooks/deploy/run").value.elements[1].origin), Place(7, 3));
    EXPECT_EQ(place(at(document, "hooks/deploy/a b").origin), Place(8, 1));
    EXPECT_EQ(place(at(document, "hooks/deploy/a b").value.origin), Place(8, 9));
    EXPECT_EQ(place(at(document, "hooks/deploy/x").origin), Place(9, 1));
    EXPECT_EQ(place(at(document, "hooks/deploy/x/y/x").origin), Place(9, 5));
    EXPECT_EQ(place(at(document, "hooks/hooks").value.origin).first, 10U);
}

TEST(ParseDocument, KeepsMembersInTheOrderTheyWereWritten)
{
    const auto document = parse_document("z = 1\na = 2\n[m]\n[b]\n", "f.toml");
    std::string keys;
    for (const auto& member : document.root.members)
        keys += member.key;
    EXPECT_EQ(keys, "zamb");
}

TEST(ParseDocument, ReportsTheFirstSyntaxErrorWithItsLine)
{
    const auto error = error_of("a = 1\nb = [1,\nc = tru\n");
    EXPECT_EQ(error.origin.file, "f.toml");
    EXPECT_EQ(error.origin.line, 3U);
    EXPECT_EQ(error.line, "c = tru");
    EXPECT_EQ(error.message.substr(0, 14), "syntax error: ");
    EXPECT_EQ(error.message.find("toml::"), std::string::npos) << error.message;
    EXPECT_EQ(error.message.find('\n'), std::string::npos) << error.message;
}

TEST(ParseDocument, RefusesWhatIsNotToml)
{
    for (const auto& [text, line] : std::initializer_list<std::pair<const char*, unsigned>>{{"a = \n", 1}, {"a 5\n", 1},
             {"b = 1\n[x\n", 2}, {"a = \"abc\nb = 1", 1}, {"a = 1\na = 2\n", 2}, {"[a]\nx = 1\n[a]\n", 3},
             {"a = { b = 1,\n c = 2 }\n", 1}, {"a = tru\n", 1}, {"a = \"\\q\"\n", 1}, {"a = 1 b = 2\n", 1},
             {"a = 1\r\nb = \r\n", 2}, {"a = \"\\ud800\"\n", 1}, {"= 1\n", 1}, {"a\n", 1}, {"a = 1__0", 1}})
        EXPECT_EQ(error_of(text).origin.line, line) << text;
}

TEST(ParseDocument, RefusesBombsBeforeParsing)
{
    EXPECT_NE(error_of(std::string(100'000, '[')).message.find("nested more than 64 deep"), std::string::npos);
    std::string inline_tables = "a = ";
    for (int i = 0; i < 10'000; ++i)
        inline_tables += "{ a = ";
    EXPECT_NE(error_of(inline_tables).message.find("nested more than 64 deep"), std::string::npos);
    std::string dots = "a";
    for (int i = 0; i < 400'000; ++i)
        dots += ".a";
    EXPECT_NE(error_of(dots + " = 1").message.find("nested more than 64 deep"), std::string::npos);
    const auto large = error_of(std::string(2 << 20, '\n'));
    EXPECT_EQ(large.message, "the file is over 1 MiB: split it with include");
    EXPECT_EQ(place(large.origin), Place(1, 1));
}

TEST(ParseDocument, TakesTheDeepestThatIsAllowed)
{
    const auto document = parse_document("a = " + std::string(64, '[') + std::string(64, ']'), "f.toml");
    const Node* node = &at(document, "a").value;
    for (int depth = 1; depth < 64; ++depth) {
        ASSERT_EQ(node->elements.size(), 1U);
        node = &node->elements.front();
    }
    EXPECT_TRUE(node->elements.empty());
}

} // namespace
} // namespace belay::config
