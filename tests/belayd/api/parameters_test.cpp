#include "belayd/api/parameters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace belay::api {
namespace {

using ::testing::HasSubstr;

/** The complaint about a query of the jobs route; "" if there is none. */
std::string complaint(std::string_view query)
{
    try {
        (void)parse_page(parse_query(query, {"state", "hook", "before", "limit"}));
        return "";
    } catch (const ParameterError& e) {
        return e.what();
    }
}

TEST(ParsePage, HasDefaults)
{
    const auto page = parse_page(parse_query("", {"state"}));
    EXPECT_FALSE(page.state);
    EXPECT_EQ(page.hook, "");
    EXPECT_FALSE(page.before);
    EXPECT_EQ(page.limit, 50U);
}

TEST(ParsePage, TakesEveryParameterDecoded)
{
    const auto page =
        parse_page(parse_query("state=failed&hook=de%70loy&before=01939f3c-7b2a-7e4d-8b1a-0123456789ab&limit=500",
            {"state", "hook", "before", "limit"}));
    EXPECT_EQ(page.state, jobs::JobState::failed);
    EXPECT_EQ(page.hook, "deploy");
    EXPECT_EQ(page.before, parse_uuid("01939f3c-7b2a-7e4d-8b1a-0123456789ab"));
    EXPECT_EQ(page.limit, 500U);
}

TEST(ParsePage, NamesWhatIsWrong)
{
    EXPECT_EQ(complaint("state=queued&limit=1"), "");
    for (const char* limit : {"0", "501", "-1", "", "1x", "99999999999999999999", "1.5", "+1", "%31%00"})
        EXPECT_THAT(complaint(std::string{"limit="} + limit), HasSubstr("limit")) << limit;
    EXPECT_THAT(complaint("limit"), HasSubstr("limit"));
    EXPECT_THAT(complaint("state=done"), HasSubstr("state"));
    EXPECT_THAT(complaint("hook="), HasSubstr("hook"));
    EXPECT_THAT(complaint("before=x"), HasSubstr("before"));
    EXPECT_THAT(complaint("limit=1&limit=2"), HasSubstr("limit"));
    EXPECT_THAT(complaint("limits=1"), HasSubstr("limits is none of"));
    EXPECT_THAT(complaint("limit=%zz"), HasSubstr("malformed"));
}

TEST(ParseQuery, EndsWhereTheViewEnds)
{
    const std::string_view line = "a=1&b=2 HTTP/1.1";
    EXPECT_EQ(parse_query(line.substr(0, 7), {"a", "b"}), (Parameters{{"a", "1"}, {"b", "2"}}));
    EXPECT_EQ(parse_query(line.substr(0, 2), {"a", "b"}), (Parameters{{"a", ""}}));
}

TEST(ParseQuery, RefusesWhatTheRouteDoesNotTake)
{
    EXPECT_TRUE(parse_query("", {}).empty());
    EXPECT_TRUE(parse_query({}, {}).empty());
    EXPECT_THROW((void)parse_query("x=1", {}), ParameterError);
}

TEST(ParseAttempt, IsANumberFromOne)
{
    EXPECT_EQ(parse_attempt({}), 0U);
    EXPECT_EQ(parse_attempt({{"attempt", "3"}}), 3U);
    EXPECT_THROW((void)parse_attempt({{"attempt", "0"}}), ParameterError);
    EXPECT_THROW((void)parse_attempt({{"attempt", "newest"}}), ParameterError);
}

TEST(ParseJobId, TakesIdsOnly)
{
    http::Request request;
    request.path_parameters = {{"id", "01939f3c-7b2a-7e4d-8b1a-0123456789ab"}};
    EXPECT_EQ(to_string(parse_job_id(request)), "01939f3c-7b2a-7e4d-8b1a-0123456789ab");
    request.path_parameters = {{"id", "nonsense"}};
    EXPECT_THROW((void)parse_job_id(request), ParameterError);
}

} // namespace
} // namespace belay::api
