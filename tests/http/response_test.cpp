#include "http/request.hpp"
#include "http/response.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

TEST(Response, ProblemDocumentsFollowRfc9457)
{
    const Response response = problem_response(404, "No \"such\" hook.\n");
    EXPECT_EQ(response.status, 404);
    EXPECT_EQ(response.content_type.text(), "application/problem+json");
    EXPECT_EQ(
        response.body, R"({"type":"about:blank","title":"Not Found","status":404,"detail":"No \"such\" hook.\n"})");
    EXPECT_FALSE(response.close);
}

TEST(Response, ARejectionKeepsItsFieldsAndClosesTheConnection)
{
    const Response response = rejection_response({.status = 503, .detail = "Full.", .fields = {{"Retry-After", "5"}}});
    EXPECT_EQ(response.status, 503);
    EXPECT_TRUE(response.close);
    ASSERT_EQ(response.fields.size(), 1U);
    EXPECT_EQ(response.fields[0].first, "Retry-After");
}

TEST(ReasonPhrase, UsesTheNamesOfRfc9110)
{
    EXPECT_EQ(reason_phrase(202), "Accepted");
    EXPECT_EQ(reason_phrase(413), "Content Too Large");
    EXPECT_EQ(reason_phrase(422), "Unprocessable Content");
    EXPECT_EQ(reason_phrase(431), "Request Header Fields Too Large");
    for (const int status : {-1, 0, 299, 999, 100'000})
        EXPECT_EQ(reason_phrase(status), "Unknown") << status;
}

} // namespace
} // namespace belay::http
