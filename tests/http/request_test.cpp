#include "http/request.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

TEST(Request, FindsFieldsWithoutRegardToCase)
{
    const Field fields[] = {{"X-Hub-Signature-256", "a"}, {"host", "h"}, {"HOST", "i"}};
    Request request;
    request.fields = fields;
    EXPECT_EQ(request.field("x-hub-signature-256"), "a");
    EXPECT_EQ(request.field("Host"), "h");
    EXPECT_EQ(request.count("Host"), 2U);
    EXPECT_EQ(request.field("Hos"), std::nullopt);
    EXPECT_EQ(request.count("X-Hub-Signature-25["), 0U); // '[' and '6' do not differ by case alone
}

TEST(Request, HasAnEmptyTextForAMissingPathParameter)
{
    Request request;
    request.path_parameters.emplace_back("name", "deploy");
    EXPECT_EQ(request.path_parameter("name"), "deploy");
    EXPECT_EQ(request.path_parameter("id"), "");
}

} // namespace
} // namespace belay::http
