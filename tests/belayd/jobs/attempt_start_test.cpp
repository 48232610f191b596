// An attempt whose process cannot be watched: the kernel has refused what comes after the spawn.
#include "belayd/jobs/handed_run.hpp"
#include "tests/belayd/jobs/attempt_fixture.hpp"

#include <dlfcn.h>
#include <sys/epoll.h>

#include <cerrno>
#include <filesystem>

namespace {

bool refuse_pidfds = false;

bool is_pidfd(int fd)
{
    std::error_code ec;
    const auto target = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), ec);
    return target == "anon_inode:[pidfd]";
}

} // namespace

/** In front of the C library's: /proc/sys/fs/epoll/max_user_watches is reached just when a process is to be watched. */
extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept
{
    if (refuse_pidfds && operation == EPOLL_CTL_ADD && is_pidfd(fd)) {
        errno = ENOSPC;
        return -1;
    }
    static const auto next = reinterpret_cast<decltype(&::epoll_ctl)>(::dlsym(RTLD_NEXT, "epoll_ctl"));
    return next(epoll, operation, fd, event);
}

namespace belay::jobs {
namespace {

struct AttemptStartTest : AttemptTest {
    ~AttemptStartTest() override { refuse_pidfds = false; }

    /** While the attempt is still there: its result may have to wait for the store. */
    void expect_refusal_and_no_process(AttemptRunner& attempt)
    {
        refuse_pidfds = true;
        EXPECT_THROW(run(attempt), boost::system::system_error);
        EXPECT_TRUE(children_of(::getpid()).empty()) << "it runs on";
    }
};

TEST_F(AttemptStartTest, EndsAProcessThatCannotBeWatched)
{
    AttemptRunner attempt{shell("exec sleep 1000"), adopted_, oom_};
    expect_refusal_and_no_process(attempt);
}

TEST_F(AttemptStartTest, EndsAProcessThatWasHandedOverAndCannotBeWatched)
{
    AttemptRunner first{shell("echo ready; exec sleep 1000"), adopted_, oom_};
    asio::co_spawn(io_, first.run(), [](const std::exception_ptr&, const std::optional<AttemptResult>&) {});
    while (first.output().out.text.empty())
        ASSERT_NE(io_.run_one_for(std::chrono::seconds{60}), 0U);
    AttemptRunner second{first.hand_over().value(), adopted_, oom_};
    io_.run();
    expect_refusal_and_no_process(second);
}

} // namespace
} // namespace belay::jobs
