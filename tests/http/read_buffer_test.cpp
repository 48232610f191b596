#include "http/read_buffer.hpp"

#include <gtest/gtest.h>

#include <string>

namespace belay::http {
namespace {

constexpr std::size_t window = 4096;

void receive(ReadBuffer& buffer, std::string_view bytes)
{
    char* const space = buffer.space();
    ASSERT_LE(bytes.size(), buffer.space_size());
    std::memcpy(space, bytes.data(), bytes.size());
    buffer.produced(bytes.size());
}

TEST(ReadBuffer, HasASmallWindowUntilOneIsFilled)
{
    ReadBuffer buffer{window};
    const std::string filling(ReadBuffer::first_window, 'a');
    receive(buffer, filling.substr(1));
    buffer.consume(1);
    receive(buffer, "b");
    buffer.consume(buffer.unread().size());
    (void)buffer.space();
    EXPECT_EQ(buffer.space_size(), ReadBuffer::first_window);

    receive(buffer, filling);
    receive(buffer, "b");
    EXPECT_EQ(buffer.unread(), filling + "b");
    EXPECT_EQ(buffer.space_size(), window - filling.size() - 1);
}

TEST(ReadBuffer, KeepsWhatIsPinnedWhereItIsWhileItsWindowGrows)
{
    ReadBuffer buffer{window};
    receive(buffer, "head, body");
    const std::string_view head = buffer.unread().substr(0, 6);
    buffer.consume(head.size());
    buffer.pin();
    (void)buffer.space();
    receive(buffer, std::string(buffer.space_size(), 'c'));
    const std::string body{buffer.unread()};
    receive(buffer, "d"); // by now elsewhere
    EXPECT_EQ(head, "head, ");
    EXPECT_EQ(buffer.unread(), body + "d");

    buffer.consume(body.size());
    buffer.unpin();
    (void)buffer.space();
    EXPECT_EQ(buffer.unread(), "d");
    EXPECT_EQ(buffer.space_size(), window - 1);
}

/** A pinned head, and with all that fits behind it but one byte. */
ReadBuffer pinned_and_nearly_full(std::size_t whole, std::size_t head)
{
    ReadBuffer buffer{whole};
    receive(buffer, std::string(head, 'h'));
    buffer.consume(head);
    buffer.pin();
    (void)buffer.space();
    receive(buffer, std::string(buffer.space_size() - 1, 'c'));
    return buffer;
}

TEST(ReadBuffer, HasRoomBehindMoreThanAWindowReadBehindAChunkedBody)
{
    for (const std::size_t whole : {window, ReadBuffer::first_window}) {
        ReadBuffer buffer = pinned_and_nearly_full(whole, 100);
        buffer.consume(200);
        const std::string next{buffer.unread()};
        buffer.unpin();
        (void)buffer.space();
        EXPECT_LE(buffer.space_size(), whole);
        EXPECT_EQ(buffer.unread(), next);
    }
}

TEST(ReadBuffer, HasRoomBehindTheNextHeadWhereverThatBegins)
{
    ReadBuffer buffer = pinned_and_nearly_full(ReadBuffer::first_window, 100);
    buffer.consume(200); // the body
    buffer.unpin();
    buffer.consume(500); // the next head
    buffer.pin();
    (void)buffer.space();
    EXPECT_GE(buffer.space_size(), 100U);
}

TEST(ReadBuffer, IsNeverLargerThanItIsToBe)
{
    ReadBuffer buffer{16};
    receive(buffer, std::string(16, 'a'));
    (void)buffer.space();
    EXPECT_EQ(buffer.space_size(), 0U);
}

} // namespace
} // namespace belay::http
