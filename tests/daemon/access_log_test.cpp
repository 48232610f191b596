#include "daemon/access_log.hpp"
#include "daemon/log_record.hpp"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

namespace belay::daemon {
namespace {

class Recorder final : public log::RecordSink {
public:
    std::vector<log::Record> records;

private:
    void take(log::Record record) override { records.push_back(std::move(record)); }
};

class AccessLog : public ::testing::Test {
protected:
    AccessLog()
    {
        const auto logger = std::make_shared<spdlog::logger>("test", recorder_);
        logger->set_level(spdlog::level::debug);
        spdlog::set_default_logger(logger);
    }
    ~AccessLog() override { spdlog::set_default_logger(before_); }

    const log::Record& record_of(int status)
    {
        http::Request request;
        request.method = "POST";
        request.path = path;
        request.query = "token=secret";
        request.target = "/hooks/a?token=secret";
        request.id = "request-1";
        observe(request, http::text_response(status, "ok"));
        return recorder_->records.back();
    }

    const log::Record& last_record() const { return recorder_->records.back(); }

    static void observe(const http::Request& request, const http::Response& response)
    {
        access_log("ingress")({.request = request, .response = response, .duration = {}});
    }

    static std::string text_of(const log::Record& record, std::string_view key)
    {
        for (const auto& [name, value] : record.fields)
            if (name == key)
                return log::to_text(value);
        return "(none)";
    }

    std::string path = "/hooks/a";

private:
    std::shared_ptr<Recorder> recorder_ = std::make_shared<Recorder>();
    std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

TEST_F(AccessLog, WritesWhatTheRequestWasAndBecame)
{
    const auto& record = record_of(202);
    EXPECT_EQ(record.message, "request answered");
    EXPECT_EQ(text_of(record, "server"), "ingress");
    EXPECT_EQ(text_of(record, "method"), "POST");
    EXPECT_EQ(text_of(record, "path"), "/hooks/a");
    EXPECT_EQ(text_of(record, "status"), "202");
    EXPECT_EQ(text_of(record, "request_id"), "request-1");
    EXPECT_EQ(text_of(record, "response_bytes"), "2");
}

TEST_F(AccessLog, ChoosesTheLevelByTheStatus)
{
    EXPECT_EQ(record_of(202).level, log::Level::debug);
    EXPECT_EQ(record_of(401).level, log::Level::info);
    EXPECT_EQ(record_of(503).level, log::Level::warning);
}

TEST_F(AccessLog, SaysWhyARequestWasRefused)
{
    observe({}, http::problem_response(401, "the signature is wrong"));
    EXPECT_EQ(text_of(last_record(), "reason"), "the signature is wrong");
}

TEST_F(AccessLog, LeavesTheQueryOutAndBoundsThePath)
{
    path = '/' + std::string(10'000, 'x');
    const auto& record = record_of(404);
    EXPECT_EQ(text_of(record, "path").size(), 256U);
    EXPECT_EQ(log::to_line(record.message, record.fields).find("secret"), std::string::npos);
}

} // namespace
} // namespace belay::daemon
