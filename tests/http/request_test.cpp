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

TEST(Request, IsAsIfNewAfterReset)
{
    Request request;
    request.method = "POST";
    request.body = "secret";
    request.left_by_predecessor = true;
    request.rejection = Rejection{};
    request.path_parameters.emplace_back("name", "deploy");
    request.id = std::string(128, 'x');
    request.client = "192.0.2.7";
    const void* const text = request.id.data();
    request.reset();
    EXPECT_TRUE(request.method.empty() && request.body.empty() && request.path_parameters.empty());
    EXPECT_TRUE(request.id.empty() && request.client.empty());
    EXPECT_FALSE(request.left_by_predecessor || request.rejection);
    EXPECT_EQ(static_cast<const void*>(request.id.assign(128, 'y').data()), text) << "the memory was to be kept";
}

} // namespace
} // namespace belay::http
