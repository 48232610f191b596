#include "http/chunked_decoder.hpp"

#include <gtest/gtest.h>

namespace belay::http {
namespace {

using Status = ChunkedDecoder::Status;

struct Decoded {
    Status status = Status::more;
    std::string body;
    std::string rest;
};

Decoded decode(std::string_view wire, std::size_t step, Bytes limit = 1000)
{
    ChunkedDecoder decoder{limit};
    Decoded decoded;
    while (!wire.empty() && decoded.status == Status::more) {
        std::string_view input = wire.substr(0, step);
        const std::size_t size = input.size();
        decoded.status = decoder.decode(input, decoded.body);
        wire.remove_prefix(size - input.size());
    }
    decoded.rest = wire;
    return decoded;
}

TEST(ChunkedDecoder, DecodesInPiecesOfAnySizeAndLeavesWhatFollows)
{
    constexpr std::string_view wire =
        "5\r\nhello\r\n1;a;b=c;d=\"e\\\";\"\r\n \r\n00A\r\n0123456789\r\n0;x\r\nX: y\r\nZ:\r\n\r\nGET /";
    for (std::size_t step = 1; step <= wire.size(); ++step) {
        const Decoded decoded = decode(wire, step);
        ASSERT_EQ(decoded.status, Status::complete) << step;
        EXPECT_EQ(decoded.body, "hello 0123456789");
        EXPECT_EQ(decoded.rest, "GET /");
    }
}

TEST(ChunkedDecoder, WaitsForTheLastByte)
{
    constexpr std::string_view wire = "5\r\nhello\r\n0\r\n\r\n";
    for (std::size_t size = 0; size < wire.size(); ++size)
        EXPECT_EQ(decode(wire.substr(0, size), 100).status, Status::more);
}

TEST(ChunkedDecoder, RefusesAChunkOverTheLimitWhenItIsAnnounced)
{
    EXPECT_EQ(decode("5\r\nhello\r\n5\r\nhello\r\n0\r\n\r\n", 100, 10).status, Status::complete);
    ChunkedDecoder decoder{10};
    std::string body;
    std::string_view input = "5\r\nhello\r\n6\r\n";
    ASSERT_EQ(decoder.decode(input, body), Status::rejected);
    EXPECT_EQ(decoder.rejection().status, 413);
    input = "FFFFFFFFFFFFFFFF\r\n"; // must not wrap around
    ChunkedDecoder other{10};
    ASSERT_EQ(other.decode(input, body), Status::rejected);
    EXPECT_EQ(other.rejection().status, 413);
}

TEST(ChunkedDecoder, ReplayLeadsAnotherDecoderToTheSamePlace)
{
    constexpr std::string_view wire =
        "5\r\nhello\r\n1;a;b=c;d=\"e\\\";\"\r\n \r\n00A;q=\"\"\r\n0123456789\r\n0;x\r\nX: y\r\nZ:\r\n\r\n";
    for (std::size_t cut = 0; cut < wire.size(); ++cut) {
        ChunkedDecoder first{1000};
        std::string body;
        std::string_view before = wire.substr(0, cut);
        ASSERT_EQ(first.decode(before, body), Status::more) << cut;
        const std::string again = first.replay(body) + std::string{wire.substr(cut)};
        const Decoded decoded = decode(again, 1);
        ASSERT_EQ(decoded.status, Status::complete) << "cut at " << cut << ": " << again;
        EXPECT_EQ(decoded.body, "hello 0123456789") << cut;
        EXPECT_EQ(decoded.rest, "") << cut;
    }
}

TEST(ChunkedDecoder, BoundsTheBytesOnTheWire)
{
    std::string wire;
    for (int i = 0; i < 100'000; ++i)
        wire += "1\r\na\r\n";
    ChunkedDecoder decoder{100'000};
    std::string body;
    std::string_view input = wire;
    ASSERT_EQ(decoder.decode(input, body), Status::rejected);
    EXPECT_EQ(decoder.rejection().status, 413);
    EXPECT_LT(body.size(), 40'000U);
}

} // namespace
} // namespace belay::http
