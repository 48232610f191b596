#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::cli {
namespace {

class Check : public testing::Test {
protected:
    std::string write(const std::string& text)
    {
        std::ofstream{directory_.path("belay.toml")} << text;
        return directory_.path("belay.toml");
    }

    TemporaryDirectory directory_;
};

TEST_F(Check, SaysOk)
{
    const std::string file = write("[hooks.a]\nauth = \"none\"\nrun = [\"/bin/true\"]\n");
    for (const Result& result : {run_belay({"check", file}), run_belay({"check", "--config", file})}) {
        EXPECT_EQ(result.exit_status, 0) << result.err;
        EXPECT_EQ(result.out, file + ": ok, 1 hook\n");
    }
    EXPECT_EQ(run_belay({"check", "--json", file}).out, "{\"ok\":true,\"file\":\"" + file + "\",\"errors\":[]}\n");
}

TEST_F(Check, PrintsEveryErrorWithItsPlace)
{
    const std::string file = write("[runner]\nmax_jbos = 3\n[daemon]\ndrain_timeout = \"soon\"\n");
    const Result result = run_belay({"check", file});
    EXPECT_EQ(result.exit_status, 78);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(file + ":2:1: "), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(file + ":4:"), std::string::npos) << result.err;
    EXPECT_TRUE(result.err.ends_with("2 errors\n")) << result.err;

    const Result for_programs = run_belay({"check", "--json", file});
    EXPECT_EQ(for_programs.exit_status, 78);
    EXPECT_TRUE(for_programs.out.starts_with("{\"ok\":false,")) << for_programs.out;
    EXPECT_NE(for_programs.out.find("\"line\":2,\"column\":1"), std::string::npos) << for_programs.out;
}

TEST_F(Check, ExplainsEffectiveValues)
{
    const std::string file = write("[runner]\nmax_jobs = 3\n");
    const Result result = run_belay({"check", "--effective", file});
    EXPECT_EQ(result.exit_status, 0) << result.err;
    EXPECT_NE(result.out.find("max_jobs = 3"), std::string::npos) << result.out;
    EXPECT_NE(result.out.find("drain_timeout = \"30s\""), std::string::npos) << result.out;
}

TEST_F(Check, Exits78WithoutAFile)
{
    EXPECT_EQ(run_belay({"check", directory_.path("none.toml")}).exit_status, 78);
}

} // namespace
} // namespace belay::cli
