#include "base/descriptor_passing.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace belay {
namespace {

struct Pair {
    Pair()
    {
        std::array<int, 2> ends{};
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
        reader = UniqueFd{ends[0]};
        writer = UniqueFd{ends[1]};
    }
    UniqueFd reader;
    UniqueFd writer;
};

/** Sends `count` counters that stand at 1, 2, … and keeps none. */
void send_counters(int socket, unsigned count)
{
    std::vector<UniqueFd> counters;
    std::vector<int> numbers;
    for (unsigned i = 1; i <= count; ++i) {
        counters.emplace_back(::eventfd(i, EFD_CLOEXEC));
        numbers.push_back(counters.back().get());
    }
    send_descriptors(socket, numbers);
}

TEST(DescriptorPassing, KeepsTheOrderOverManyMessages)
{
    const Pair pair;
    send_counters(pair.writer.get(), 2 * descriptors_per_message + 5);
    const std::vector<UniqueFd> received = receive_descriptors(pair.reader.get());
    ASSERT_EQ(received.size(), 2 * descriptors_per_message + 5);
    for (std::size_t i = 0; i < received.size(); ++i) {
        eventfd_t value = 0;
        ASSERT_EQ(::eventfd_read(received[i].get(), &value), 0);
        EXPECT_EQ(value, i + 1);
        EXPECT_EQ(::fcntl(received[i].get(), F_GETFD), FD_CLOEXEC);
    }
    EXPECT_TRUE(receive_descriptors(pair.reader.get()).empty());
}

TEST(DescriptorPassing, WhatIsNotReceivedIsClosedWithTheQueue)
{
    Pair pair;
    Pair carried;
    send_descriptors(pair.writer.get(), std::array{carried.writer.get()});
    carried.writer.reset();
    char byte = 0;
    EXPECT_EQ(::recv(carried.reader.get(), &byte, 1, MSG_DONTWAIT), -1) << "it lives in the queue";
    pair.writer.reset();
    pair.reader.reset();
    EXPECT_EQ(::recv(carried.reader.get(), &byte, 1, 0), 0);
}

TEST(DescriptorPassing, SaysWhenTheQueueIsFull)
{
    const Pair pair;
    try {
        for (int i = 0; i < 1'000'000; ++i)
            send_counters(pair.writer.get(), 1);
        ADD_FAILURE() << "no end to the queue";
    } catch (const std::system_error& e) {
        EXPECT_EQ(e.code().value(), EAGAIN);
    }
}

TEST(DescriptorPassing, SaysWhenTheProcessMayOpenNoMore)
{
    const Pair pair;
    send_counters(pair.writer.get(), 100);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit tight{static_cast<rlim_t>(pair.writer.get()) + 50, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
    EXPECT_THROW((void)receive_descriptors(pair.reader.get()), std::system_error);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

} // namespace
} // namespace belay
