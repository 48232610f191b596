#include "daemon/thread_creators.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

namespace belay::daemon {
namespace {

#ifndef __clang__ // thread_interposer.cpp is not linked

TEST(ThreadCreators, AreKnownAsLongAsTheThreadRuns)
{
    std::vector<std::string> creator;
    pid_t tid = 0;
    std::thread{[&] {
        tid = ::gettid();
        creator = creator_of(tid);
    }}.join();
    EXPECT_FALSE(creator.empty());
    EXPECT_THAT(creator_of(tid), ::testing::IsEmpty());
    EXPECT_THAT(creator_of(::getpid()), ::testing::IsEmpty()) << "nobody here created main";
}

/** Ends its thread in the ways that do not return. */
void* exit_at_once(void* tid)
{
    static_cast<std::atomic<pid_t>*>(tid)->store(::gettid());
    ::pthread_exit(tid);
}

[[maybe_unused]] void* wait_for_cancellation(void* tid)
{
    static_cast<std::atomic<pid_t>*>(tid)->store(::gettid());
    for (;;)
        ::pause();
}

TEST(ThreadCreators, AreForgottenHoweverTheThreadEnds)
{
    std::atomic<pid_t> tid{0};
    pthread_t thread{};
    void* result = nullptr;
    ASSERT_EQ(::pthread_create(&thread, nullptr, exit_at_once, &tid), 0);
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, &tid);
    EXPECT_THAT(creator_of(tid), ::testing::IsEmpty());

#ifndef __SANITIZE_THREAD__ // it loses sight of mutexes in a thread that is cancelled in a system call
    tid = 0;
    ASSERT_EQ(::pthread_create(&thread, nullptr, wait_for_cancellation, &tid), 0);
    while (tid == 0)
        std::this_thread::yield();
    EXPECT_FALSE(creator_of(tid).empty());
    ASSERT_EQ(::pthread_cancel(thread), 0);
    ASSERT_EQ(::pthread_join(thread, &result), 0);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_THAT(creator_of(tid), ::testing::IsEmpty());
#endif
}

#endif

TEST(ThreadCreators, AThreadThatCannotBeStartedIsAnError)
{
    pthread_attr_t attributes;
    ASSERT_EQ(::pthread_attr_init(&attributes), 0);
    ASSERT_EQ(::pthread_attr_setstacksize(&attributes, std::size_t{1} << 46), 0); // more than there are addresses
    pthread_t thread{};
    const auto nothing = [](void* given) { return given; };
    EXPECT_EQ(::pthread_create(&thread, &attributes, nothing, nullptr), EAGAIN);
    ::pthread_attr_destroy(&attributes);
}

} // namespace
} // namespace belay::daemon
