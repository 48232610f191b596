#include "base/descriptor_passing.hpp"
#include "daemon/handover.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace belay::daemon {
namespace {

namespace json = boost::json;
using ::testing::HasSubstr;

constexpr const char* memfd_variable = "BELAY_TEST_HANDOVER";

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe()
{
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

void write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        ASSERT_GT(written, 0);
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

std::string read_to_end(int fd)
{
    std::string text;
    std::array<char, 1 << 16> buffer{};
    for (ssize_t got = 0; (got = ::read(fd, buffer.data(), buffer.size())) > 0;)
        text.append(buffer.data(), static_cast<std::size_t>(got));
    return text;
}

bool is_open(int fd)
{
    return ::fcntl(fd, F_GETFD) >= 0;
}

bool is_close_on_exec(int fd)
{
    return ::fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

/** Becomes this very program, in which DISABLED_NextImage takes the hand-over and answers. */
[[noreturn]] void exec_next_image(int memfd)
{
    ::setenv(memfd_variable, std::to_string(memfd).c_str(), 1); // NOLINT(concurrency-mt-unsafe): a child of fork
    ::execl("/proc/self/exe", "next-image", "--gtest_also_run_disabled_tests", "--gtest_filter=*DISABLED_NextImage",
        "--gtest_brief=1", nullptr);
    ::_exit(127);
}

/** What the next image found in `handover`; the copy of this image keeps its own. */
std::string answer_of_next_image(Handover& handover)
{
    Pipe answer = make_pipe();
    handover.document["answer"] = handover.give(std::move(answer.write));
    const int memfd = handover.seal();
    const pid_t pid = ::fork();
    if (pid == 0)
        exec_next_image(memfd);
    handover.unseal();
    handover.take(handover.document["answer"]).reset();
    std::string text = read_to_end(answer.read.get());
    int status = 0;
    EXPECT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
    return text;
}

/** The other side of answer_of_next_image(), no test of its own. */
TEST(Handover, DISABLED_NextImage)
{
    const char* const variable = std::getenv(memfd_variable); // NOLINT(concurrency-mt-unsafe): one thread
    if (variable == nullptr)
        GTEST_SKIP() << "runs in the next image only";
    const int memfd = std::stoi(variable);
    UniqueFd answer;
    json::object found;
    {
        Handover handover = Handover::read(memfd);
        found["memfd closed"] = !is_open(memfd);
        answer = handover.take(handover.document["answer"]);
        if (const json::value* const input = handover.document.if_contains("input"))
            found["input"] = read_to_end(handover.take(*input).get());
        if (const json::value* const untaken = handover.document.if_contains("untaken")) {
            const int fd = static_cast<int>(untaken->as_int64());
            found["close on exec"] = is_close_on_exec(fd) && is_close_on_exec(answer.get());
            found["untaken"] = fd;
        }
        found["document"] = std::move(handover.document);
    }
    if (const json::value* const untaken = found.if_contains("untaken"))
        found["untaken closed"] = !is_open(static_cast<int>(untaken->as_int64()));
    write_all(answer.get(), json::serialize(found));
}

json::object parse(const std::string& text)
{
    json::parse_options options;
    options.allow_invalid_utf8 = true;
    options.max_depth = 1100;
    return json::parse(text, {}, options).as_object();
}

TEST(Handover, GivesTheNextImageDocumentAndDescriptors)
{
    Pipe input = make_pipe();
    Pipe untaken = make_pipe();
    write_all(input.write.get(), "left in the pipe");
    input.write.reset();
    Handover handover;
    handover.document["input"] = handover.give(std::move(input.read));
    handover.document["untaken"] = handover.give(std::move(untaken.write));
    handover.document["jobs"] = {{"running", 3}, {"ratio", 0.25}, {"ids", {1, 2, nullptr, true}}};
    const json::object found = parse(answer_of_next_image(handover));
    EXPECT_EQ(found.at("document"), json::value(handover.document));
    EXPECT_EQ(found.at("input"), "left in the pipe");
    for (const char* fact : {"memfd closed", "close on exec", "untaken closed"})
        EXPECT_EQ(found.at(fact), true) << fact;
}

TEST(Handover, KeepsEveryByteOfAString)
{
    std::string bytes;
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; ++second)
            bytes += {static_cast<char>(first), static_cast<char>(second)};
    Handover handover;
    handover.document["bytes"] = bytes;
    handover.document["key " + bytes] = 1;
    const json::object found = parse(answer_of_next_image(handover));
    EXPECT_TRUE(found.at("document") == json::value(handover.document));
}

TEST(Handover, TakesBigAndDeepDocuments)
{
    Handover handover;
    const std::string output(std::size_t{16} << 20, '\xff');
    handover.document["outputs"] = {output, output, output};
    json::value deep = "bottom";
    for (int i = 0; i < 1000; ++i)
        deep = json::array{std::move(deep)};
    handover.document["deep"] = std::move(deep);
    const json::object found = parse(answer_of_next_image(handover));
    EXPECT_TRUE(found.at("document") == json::value(handover.document));
}

TEST(Handover, IsAsBeforeWhenExecFailed)
{
    Pipe pipe = make_pipe();
    Handover handover;
    const json::value stands_for = handover.give(std::move(pipe.write));
    const int fd = static_cast<int>(stands_for.as_int64());
    const int memfd = handover.seal();
    EXPECT_FALSE(is_close_on_exec(fd));
    EXPECT_FALSE(is_close_on_exec(memfd));
    handover.unseal();
    EXPECT_TRUE(is_close_on_exec(fd));
    EXPECT_FALSE(is_open(memfd));
    const UniqueFd taken = handover.take(stands_for);
    write_all(taken.get(), "works");
    std::array<char, 5> text{};
    EXPECT_EQ(::read(pipe.read.get(), text.data(), text.size()), 5);
}

TEST(Handover, GivesEachDescriptorOnceAndClosesTheRest)
{
    Pipe pipe = make_pipe();
    Pipe other = make_pipe();
    {
        Handover handover;
        const json::value stands_for = handover.give(std::move(pipe.write));
        (void)handover.give(std::move(other.write));
        (void)handover.take(stands_for);
        EXPECT_THROW((void)handover.take(stands_for), HandoverError);
        for (const json::value& wrong :
            {json::value{nullptr}, json::value{"3"}, json::value{-1}, json::value{1LL << 40}})
            EXPECT_THROW((void)handover.take(wrong), HandoverError);
    }
    EXPECT_EQ(read_to_end(other.read.get()), "");
}

/** What is wrong with a sealed memfd of this text. */
std::string complaint(std::string_view text)
{
    const int memfd = ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    write_all(memfd, text);
    ::fcntl(memfd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    std::string what = "read";
    try {
        (void)Handover::read(memfd);
    } catch (const HandoverError& e) {
        what = e.what();
    }
    EXPECT_FALSE(is_open(memfd)) << text;
    return what;
}

TEST(Handover, SaysWhatIsWrong)
{
    EXPECT_EQ(complaint("belay hand-over 4\n[]\n{}"), "read");
    EXPECT_EQ(complaint(""), "hand-over: it is empty");
    EXPECT_EQ(complaint("\x7f"
                        "ELF\n\n"),
        "hand-over: it does not begin as one");
    EXPECT_EQ(complaint("belay hand-over 9\nwhatever\n"), "hand-over: version 9, but this belayd reads version 4");
    EXPECT_THAT(complaint("belay hand-over \x1b\n"), HasSubstr("version \\x1b, but"));
    EXPECT_EQ(complaint("belay hand-over 4"), "hand-over: it is cut off");
    EXPECT_EQ(complaint("belay hand-over 4\n[]"), "hand-over: it is cut off");
    for (const char* cut : {"", "{", R"({"jobs")", R"({"jobs":"x)"})
        EXPECT_THAT(complaint(std::string{"belay hand-over 4\n[]\n"} + cut), HasSubstr("cut off or garbled")) << cut;
    EXPECT_EQ(complaint("belay hand-over 4\n[]\n[]"), "hand-over: its document is garbled");
    for (const char* numbers : {"{}", R"(["x"])", "[4294967296]"})
        EXPECT_THAT(
            complaint(fmt::format("belay hand-over 4\n{}\n{{}}", numbers)), HasSubstr("descriptors are garbled"))
            << numbers;
    for (const char* numbers : {"[-1]", "[1000000]"})
        EXPECT_THAT(complaint(fmt::format("belay hand-over 4\n{}\n{{}}", numbers)), HasSubstr("Bad file descriptor"))
            << numbers;
}

TEST(Handover, IsReadFromASealedMemfdOnly)
{
    const auto read = [](int fd) { (void)Handover::read(fd); };
    EXPECT_THROW(read(-1), HandoverError);
    EXPECT_THROW(read(1'000'000), HandoverError);
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    EXPECT_THROW(read(file), HandoverError);
    EXPECT_FALSE(is_open(file));
    const int unsealed = ::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    write_all(unsealed, "belay hand-over 4\n[]\n{}");
    EXPECT_THROW(read(unsealed), HandoverError);
    EXPECT_FALSE(is_open(unsealed));
    Pipe pipe = make_pipe();
    EXPECT_THROW(read(pipe.read.release()), HandoverError);
}

std::array<UniqueFd, 2> make_pair()
{
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

/** More than a message holds, after who sent them is gone, and whatever the numbers are taken for by then. */
TEST(Handover, WaitsInAQueue)
{
    auto [reader, writer] = make_pair();
    std::vector<UniqueFd> readers;
    {
        Handover out;
        json::array& all = out.document["all"].emplace_array();
        for (int i = 0; i < 300; ++i) {
            Pipe pipe = make_pipe();
            readers.push_back(std::move(pipe.read));
            all.emplace_back(out.give(std::move(pipe.write)));
        }
        out.send(writer.get());
        EXPECT_TRUE(is_open(static_cast<int>(all.front().as_int64()))) << "copies are sent";
    }
    writer.reset();
    Handover in = Handover::receive(reader.get());
    const json::array all = in.document["all"].as_array();
    ASSERT_EQ(all.size(), readers.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
        const UniqueFd taken = in.take(all[i]);
        EXPECT_TRUE(is_close_on_exec(taken.get()));
        write_all(taken.get(), std::to_string(i));
    }
    for (std::size_t i = 0; i < readers.size(); ++i)
        EXPECT_EQ(read_to_end(readers[i].get()), std::to_string(i));
}

/** Why nothing can be received of what `send` sends. */
template <class Send>
std::string complaint_of_receiver(Send send)
{
    auto [reader, writer] = make_pair();
    send(writer.get());
    try {
        (void)Handover::receive(reader.get());
    } catch (const HandoverError& e) {
        return e.what();
    }
    return "received";
}

TEST(Handover, ComesWholeOrNotAtAll)
{
    EXPECT_EQ(complaint_of_receiver([](int) {}), "hand-over: nothing came");
    EXPECT_EQ(complaint_of_receiver([](int socket) { write_all(socket, "text"); }), "hand-over: nothing came");
    const Pipe pipe = make_pipe();
    const auto send_pipe = [&pipe](int socket) { send_descriptors(socket, std::array{pipe.read.get()}); };
    EXPECT_THAT(complaint_of_receiver(send_pipe), HasSubstr("is not a sealed memfd"));
    const auto send_and_more = [](int socket) {
        Handover().send(socket);
        Handover().send(socket);
    };
    EXPECT_EQ(complaint_of_receiver(send_and_more), "hand-over: it names 0 descriptors, and 1 came");
    EXPECT_EQ(complaint_of_receiver([](int socket) { Handover().send(socket); }), "received");
}

TEST(Handover, IsNotSentWhereThereIsNoRoom)
{
    auto [reader, writer] = make_pair();
    const int small = 1;
    ASSERT_EQ(::setsockopt(writer.get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    Handover out;
    for (int i = 0; i < 300; ++i)
        (void)out.give(make_pipe().write);
    try {
        while (true)
            out.send(writer.get());
    } catch (const HandoverError& e) {
        EXPECT_THAT(e.what(), HasSubstr("Resource temporarily unavailable"));
    }
    reader.reset();
    EXPECT_THROW(out.send(writer.get()), HandoverError);
}

} // namespace
} // namespace belay::daemon
