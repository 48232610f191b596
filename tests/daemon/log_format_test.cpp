#include "base/utf8.hpp"
#include "daemon/log_format.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>

namespace belay::log {
namespace {

namespace json = boost::json;

Record make(std::string message, OwnedFields fields = {}, Level level = Level::info)
{
    return {.level = level,
        .time = Timestamp{std::chrono::microseconds{1'795'153'845'000'123}},
        .message = std::move(message),
        .fields = std::move(fields)};
}

TEST(ToConsole, ShowsTimeLevelMessageAndFields)
{
    const auto record = make("job finished", {{"hook", "deploy"}, {"status", std::int64_t{-1}}, {"ok", true},
                                                 {"duration_seconds", 0.25}, {"path", "a b\"c\\"}, {"empty", ""}});
    EXPECT_EQ(to_console(record, /*colour=*/false), "2026-11-20T05:50:45.000123Z info    job finished hook=deploy "
                                                    "status=-1 ok=true duration_seconds=0.25 "
                                                    "path=\"a b\\\"c\\\\\" empty=\"\"\n");
}

TEST(ToConsole, ColoursOnlyTheLevel)
{
    EXPECT_EQ(to_console(make("x", {}, Level::warning), /*colour=*/true),
        "2026-11-20T05:50:45.000123Z \x1b[33mwarning\x1b[0m x\n");
}

TEST(ToJson, KeepsTypes)
{
    const Uuid id = make_uuid_v7();
    const auto parsed =
        json::parse(to_json(make("job finished",
                                {{"job", id}, {"status", std::int64_t{-1}}, {"bytes", std::uint64_t{1} << 63U},
                                    {"ok", false}, {"seconds", 1e20}, {"nan", std::nan("")}},
                                Level::error),
            "belayd"));
    const auto& object = parsed.as_object();
    EXPECT_EQ(object.at("ts"), "2026-11-20T05:50:45.000123Z");
    EXPECT_EQ(object.at("level"), "error");
    EXPECT_EQ(object.at("logger"), "belayd");
    EXPECT_EQ(object.at("msg"), "job finished");
    EXPECT_EQ(object.at("job").as_string(), to_string(id));
    EXPECT_EQ(object.at("status").as_int64(), -1);
    EXPECT_EQ(object.at("bytes").as_uint64(), std::uint64_t{1} << 63U);
    EXPECT_EQ(object.at("ok").as_bool(), false);
    EXPECT_EQ(object.at("seconds").to_number<double>(), 1e20);
    EXPECT_EQ(object.at("nan").as_string(), "nan");
}

TEST(ToJson, EscapesWhatEndsALineOrHidesText)
{
    const auto line = to_json(make("a\u2028b\u0085c\u202ed\x7f", {{"bytes", "\xff\n"}}), "x");
    EXPECT_NE(line.find(R"("msg":"a\u2028b\u0085c\u202ed\u007f")"), std::string::npos) << line;
    EXPECT_NE(line.find(R"("bytes":"\\xff\\n")"), std::string::npos) << line; // not UTF-8: as escape_for_line() shows
    EXPECT_NE(to_json(make("grün 漢字 🚀"), "x").find("grün 漢字 🚀"), std::string::npos);
}

TEST(ToJournal, MakesTheFieldsOfSdJournalSendv)
{
    const auto entry = to_journal(make("job finished", {{"hook", "deploy"}, {"trace_id", "00ff"}}), "belayd");
    EXPECT_EQ(entry, (std::vector<std::string>{"MESSAGE=job finished hook=deploy trace_id=00ff", "PRIORITY=6",
                         "SYSLOG_IDENTIFIER=belayd", "BELAY_HOOK=deploy", "BELAY_TRACE_ID=00ff"}));
}

TEST(ToDatagram, GivesTheSizeOfWhatHasLines)
{
    using namespace std::string_literals;
    EXPECT_EQ(to_datagram({"A=b=c", "B=one\ntwo\n", "C="}), "A=b=c\nB\n\x08\0\0\0\0\0\0\0one\ntwo\n\nC=\n"s);
}

TEST(ToJournal, MapsLevelsToSyslogPriorities)
{
    EXPECT_EQ(to_journal(make("x", {}, Level::error), "x")[1], "PRIORITY=3");
    EXPECT_EQ(to_journal(make("x", {}, Level::warning), "x")[1], "PRIORITY=4");
    EXPECT_EQ(to_journal(make("x", {}, Level::debug), "x")[1], "PRIORITY=7");
}

TEST(ToJournal, MakesAnyKeyAName)
{
    const auto entry = to_journal(make("x", {{"a=b\nC-1", "v"}, {std::string(200, 'k'), "v"}}), "x");
    EXPECT_EQ(entry[3], "BELAY_A_B_C_1=v");
    EXPECT_EQ(entry[4].find('='), 64U); // journald takes no longer name
}

/** Strings made of what breaks formats, the same in each run. */
class Hostile {
public:
    std::string next()
    {
        std::string text;
        for (auto pieces = random_() % 6; pieces > 0; --pieces)
            text += fragments[random_() % fragments.size()];
        if (random_() % 4 == 0)
            for (auto bytes = random_() % 8; bytes > 0; --bytes)
                text += static_cast<char>(random_());
        return text;
    }

private:
    static constexpr std::array<std::string_view, 20> fragments{"\n", "\r\n", std::string_view{"\0", 1}, "\"", "\\",
        "\\\"", "\",\"level\":\"error", "\n{\"ts\":\"2026\",\"level\":\"error\"}\n", " job=1", "=", "\nMESSAGE=forged",
        "\nPRIORITY=0\n", "\x1b[2J", "\u2028", "\u0085", "\xff\xfe", "\xed\xa0\x80", "grün", "plain", " "};
    std::mt19937 random_{42}; // NOLINT(cert-msc51-cpp): reproducible on purpose
};

bool is_one_line(std::string_view text)
{
    return text.find_first_of("\n\r\x1b") == text.size() - 1 && text.back() == '\n' && is_valid_utf8(text) &&
           text.find("\u2028") == text.npos && text.find("\u0085") == text.npos;
}

/** The key=value pairs of a console line, read as a person would: quotes hold spaces, a backslash holds a quote. */
std::size_t count_pairs(std::string_view text)
{
    std::size_t pairs = 0;
    bool quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (quoted && text[i] == '\\')
            ++i;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && text[i] == '=')
            ++pairs;
    }
    EXPECT_FALSE(quoted) << text;
    return pairs;
}

TEST(EveryFormat, HostileValuesForgeNoRecordAndNoField)
{
    Hostile hostile;
    for (int i = 0; i < 10'000; ++i) {
        const std::string first = hostile.next();
        const std::string second = hostile.next();
        const auto record = make("request refused", {{"path", first}, {"agent", second}});

        const auto console = to_console(record, /*colour=*/false);
        ASSERT_TRUE(is_one_line(console)) << console;
        ASSERT_EQ(count_pairs(console), 2U) << console;

        const auto line = to_json(record, "belayd");
        ASSERT_TRUE(is_one_line(line)) << line;
        const auto parsed = json::parse(line);
        ASSERT_EQ(parsed.as_object().size(), 6U) << line;
        ASSERT_EQ(parsed.at("path").as_string(), is_valid_utf8(first) ? first : escape_for_line(first));

        const auto entry = to_journal(record, "belayd");
        ASSERT_EQ(entry.size(), 5U);
        ASSERT_TRUE(is_one_line(entry[0] + '\n'));
        ASSERT_EQ(entry[3], "BELAY_PATH=" + first); // journald takes it as one field whatever its bytes
        ASSERT_EQ(entry[4], "BELAY_AGENT=" + second);
    }
}

TEST(EveryFormat, HostileMessagesForgeNoRecord)
{
    Hostile hostile;
    for (int i = 0; i < 10'000; ++i) {
        const auto record = make(hostile.next());
        ASSERT_TRUE(is_one_line(to_console(record, /*colour=*/false)));
        const auto line = to_json(record, "belayd");
        ASSERT_TRUE(is_one_line(line));
        ASSERT_EQ(json::parse(line).as_object().size(), 4U);
        ASSERT_TRUE(is_one_line(to_journal(record, "belayd")[0] + '\n'));
    }
}

} // namespace
} // namespace belay::log
