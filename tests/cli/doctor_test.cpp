#include "tests/cli/fake_daemon.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

#include <sysexits.h>

#include <fstream>

namespace belay::cli {
namespace {

namespace json = boost::json;

class Doctor : public ::testing::Test {
protected:
    std::string configure(const std::string& text)
    {
        const std::string file = directory_.path("belay.toml");
        std::ofstream{file} << text;
        return file;
    }
    [[nodiscard]] std::string state() const { return directory_.path(""); }

private:
    TemporaryDirectory directory_;
};

TEST_F(Doctor, TellsProgramsAndPeople)
{
    FakeDaemon daemon;
    daemon.answer("GET /api/v1/status", 200, R"({"pid":)" + std::to_string(::getpid()) + "}");
    const std::string file =
        configure("[daemon]\nstate_dir = '" + state() + "'\nhttp_threads = 256\n[store]\nfree_space_floor = '1B'\n");
    const Result result = ask(daemon, {"doctor", "--json", "--config", file});
    const json::object answer = json::parse(result.out).as_object();
    EXPECT_EQ(answer.at("ok"), result.exit_status == EXIT_SUCCESS);
    std::map<std::string, json::object> findings;
    for (const json::value& finding : answer.at("findings").as_array())
        findings[std::string{finding.at("check").as_string()}] = finding.as_object();
    for (const char* const check : {"listen-backlog", "syn-backlog", "local-ports", "descriptors", "file-system",
             "write-cache", "sync-rate", "free-space", "sqlite", "cpus", "numa", "clock", "hardening"})
        EXPECT_TRUE(findings.contains(check)) << check;
    EXPECT_EQ(findings["cpus"].at("verdict"), "warning") << "256 threads";
    EXPECT_EQ(result.exit_status, EXIT_FAILURE) << "there is a warning";
    EXPECT_NE(findings["descriptors"].at("verdict"), "unknown") << "it is this very process";

    const Result text = ask(daemon, {"doctor", "--config", file});
    EXPECT_NE(text.out.find("VERDICT"), std::string::npos);
    EXPECT_NE(text.out.find("\ncpus: leave http_threads out"), std::string::npos) << text.out;
}

TEST_F(Doctor, NeedsAConfigurationThatHolds)
{
    const Result result = run_belay({"doctor", "--config", configure("[daemon]\nstate = 1\n")});
    EXPECT_EQ(result.exit_status, EX_CONFIG);
    EXPECT_NE(result.err.find("belay.toml:2:1"), std::string::npos) << result.err;
}

} // namespace
} // namespace belay::cli
