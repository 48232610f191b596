#include "daemon/descriptor_store.hpp"
#include "tests/signals/fake_manager.hpp"
#include "tests/signals/silent_bus.hpp"

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include <unistd.h>

#include <map>
#include <string>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

struct DescriptorStoreTest : ::testing::Test {
    bool has_room(std::map<std::string, std::string> variables)
    {
        DescriptorStore store{threads, notify, signals::Manager::systemd,
            [variables = std::move(variables)](const char* name) {
                const auto found = variables.find(name);
                return found == variables.end() ? nullptr : found->second.c_str();
            },
            {}};
        bool answer = false;
        asio::co_spawn(io, store.has_room(), [&answer](const std::exception_ptr& error, bool has) {
            EXPECT_FALSE(error);
            answer = has;
        });
        io.run();
        io.restart();
        return answer;
    }

    ~DescriptorStoreTest() override { notify.stop(10s); }

    testing::FakeManager manager;
    asio::io_context io{1};
    Threads threads;
    NotifyThread notify{threads};
};

TEST_F(DescriptorStoreTest, AUnitsProcessThatGetsNoAnswerLeavesNothingToAManagerThatMayCloseIt)
{
    const testing::SilentBus bus;
    EXPECT_FALSE(has_room({{"FDSTORE", "512"}, {"SYSTEMD_EXEC_PID", std::to_string(::getpid())}}));
}

TEST_F(DescriptorStoreTest, WhoIsNotAUnitsProcessCanOnlyGoByTheEnvironment)
{
    EXPECT_TRUE(has_room({{"FDSTORE", "512"}, {"SYSTEMD_EXEC_PID", "1"}}));
    EXPECT_FALSE(has_room({{"FDSTORE", "0"}}));
    EXPECT_FALSE(has_room({}));
}

} // namespace
} // namespace belay::daemon
