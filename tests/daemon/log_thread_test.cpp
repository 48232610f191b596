#include "base/unique_fd.hpp"
#include "daemon/log_output.hpp"
#include "daemon/log_thread.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace belay::daemon {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

/** Gives spdlog its own default logger back, as the other tests expect it. */
class LogThreadTest : public ::testing::Test {
protected:
    ~LogThreadTest() override
    {
        const std::string name = spdlog::default_logger()->name();
        spdlog::set_default_logger(before_);
        if (name != before_->name())
            spdlog::drop(name); // spdlog 1.15 keeps what was the default in its list
    }

    Threads threads;

private:
    std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
};

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Pipe make_pipe()
{
    std::array<int, 2> fds{};
    EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0);
    return {UniqueFd{fds[0]}, UniqueFd{fds[1]}};
}

UniqueFd make_file()
{
    return UniqueFd{::memfd_create("log", MFD_CLOEXEC)};
}

std::string contents(int fd)
{
    struct stat status{};
    EXPECT_EQ(::fstat(fd, &status), 0);
    std::string text(static_cast<std::size_t>(status.st_size), '\0');
    EXPECT_EQ(::pread(fd, text.data(), text.size(), 0), status.st_size);
    return text;
}

/** How often each message occurs; fails for a line that is no JSON. */
struct Tally {
    std::map<std::string, std::uint64_t> messages;
    std::uint64_t reported_drops = 0;
};

Tally tally(const std::string& text)
{
    Tally tally;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);) {
        const auto record = json::parse(line).as_object();
        ++tally.messages[std::string{record.at("msg").as_string()}];
        if (const auto* dropped = record.if_contains("dropped"))
            tally.reported_drops += dropped->to_number<std::uint64_t>();
    }
    return tally;
}

TEST_F(LogThreadTest, WritesFieldsAndMessage)
{
    const auto file = make_file();
    LogThread log{threads, {.format = LogFormat::json, .identifier = "test", .descriptor = file.get()}};
    log::info("job {} finished", {{"hook", "deploy"}, {"status", 3}});
    log::debug("not at this level");
    spdlog::warn("from a {}", "library");
    log.stop();

    std::istringstream lines{contents(file.get())};
    std::string line;
    ASSERT_TRUE(std::getline(lines, line));
    const auto first = json::parse(line);
    EXPECT_EQ(first.at("msg"), "job {} finished"); // text, never a format
    EXPECT_EQ(first.at("hook"), "deploy");
    EXPECT_EQ(first.at("status"), 3);
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_EQ(json::parse(line).at("msg"), "from a library");
    EXPECT_EQ(json::parse(line).as_object().size(), 4U); // the fields of the record before are not its own
    EXPECT_FALSE(std::getline(lines, line));
}

TEST_F(LogThreadTest, ChangesTheLevelAtOnce)
{
    const auto file = make_file();
    LogThread log{
        threads, {.level = log::Level::error, .format = LogFormat::json, .identifier = "t", .descriptor = file.get()}};
    EXPECT_FALSE(log::enabled(log::Level::warning));
    log::warning("off");
    log.set_level(log::Level::debug);
    EXPECT_TRUE(log::enabled(log::Level::debug));
    log::debug("on");
    log.stop();
    EXPECT_EQ(tally(contents(file.get())).messages, (std::map<std::string, std::uint64_t>{{"on", 1}}));
}

TEST_F(LogThreadTest, CountsEveryRecordOfManyThreads)
{
    constexpr std::uint64_t each = 5000;
    const auto file = make_file();
    LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = file.get()}};
    {
        std::vector<std::jthread> writers;
        for (int i = 0; i < 4; ++i)
            writers.emplace_back([] {
                for (std::uint64_t n = 0; n < each; ++n)
                    log::info("hello", {{"hostile", "\n{\"msg\":\"forged\"}\n"}, {"n", n}});
            });
    }
    log.stop();
    const auto found = tally(contents(file.get()));
    EXPECT_EQ(found.messages.count("forged"), 0U);
    EXPECT_EQ(found.messages.at("hello") + log.dropped(), 4 * each);
    EXPECT_EQ(found.reported_drops, log.dropped());
}

TEST_F(LogThreadTest, NeverBlocksTheCallerAndReportsWhatItDropped)
{
    constexpr std::uint64_t total = 30'000; // some 200 bytes each: far more than a pipe and the queue hold
    auto pipe = make_pipe();
    LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = pipe.write.get()}};
    for (std::uint64_t n = 0; n < total; ++n) // nobody reads: a call that blocked would never return
        log::info("hello", {{"text", std::string(100, 'x')}});
    EXPECT_GT(log.dropped(), 0U);

    std::string text;
    std::jthread reader{[&] {
        std::array<char, 65536> buffer{};
        for (ssize_t n = 0; (n = ::read(pipe.read.get(), buffer.data(), buffer.size())) > 0;)
            text.append(buffer.data(), static_cast<std::size_t>(n));
    }};
    log.stop();
    pipe.write.reset();
    reader.join();

    const auto found = tally(text);
    EXPECT_EQ(found.messages.at("hello") + found.reported_drops, total);
    EXPECT_EQ(found.reported_drops, log.dropped());
}

TEST_F(LogThreadTest, StuckOutputIsNoWedge)
{
    auto pipe = make_pipe();
    LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = pipe.write.get()}};
    for (int n = 0; n < 2000; ++n)
        log::info("hello", {{"text", std::string(100, 'x')}});
    const auto heartbeat = threads.running().at(0).heartbeat;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (heartbeat->age(Heartbeat::Clock::now()) < 2 * Heartbeat::interval) { // an idle loop beats more often
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        std::this_thread::yield();
    }
    EXPECT_FALSE(heartbeat->wedged(Heartbeat::Clock::now() + 1h));
    EXPECT_EQ(heartbeat->disk_wait(Heartbeat::Clock::now()), 0s); // and not a reason to be not ready
    log.stop();                                                   // gives up after its patience although nobody reads
    EXPECT_GT(log.dropped(), 0U);
}

TEST_F(LogThreadTest, AFlushDoesNotOutlastItsPatience)
{
    auto pipe = make_pipe();
    LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = pipe.write.get()}};
    for (int n = 0; n < 2000; ++n)
        log::info("hello", {{"text", std::string(100, 'x')}});
    const auto begin = std::chrono::steady_clock::now();
    log::flush(10ms);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s) << "2 s are what it gets unless told";
    pipe.read.reset(); // what is queued fails from now on, and a flush waits for no more than that
    log::flush(10min);
    EXPECT_GT(log.dropped(), 0U);
}

/** A socket like journald's. */
struct FakeJournal {
    FakeJournal()
    {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ~FakeJournal() { std::filesystem::remove(path); }
    FakeJournal(const FakeJournal&) = delete;
    FakeJournal& operator=(const FakeJournal&) = delete;
    FakeJournal(FakeJournal&&) = delete;
    FakeJournal& operator=(FakeJournal&&) = delete;

    std::string receive() const
    {
        std::array<char, 65536> buffer{};
        const auto size = ::recv(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        return size > 0 ? std::string{buffer.data(), static_cast<std::size_t>(size)} : std::string{};
    }

    const std::string path = std::filesystem::temp_directory_path() / ("belay-journal-" + std::to_string(::getpid()));
    const UniqueFd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
};

TEST_F(LogThreadTest, SpeaksToTheJournal)
{
    const FakeJournal journal;
    LogThread log{threads, {.format = LogFormat::journal, .identifier = "test", .journal_socket = journal.path}};
    log::info("job finished", {{"hook", "deploy"}, {"text", "two\nlines"}});
    log.stop();
    const std::string nine{"\x09\0\0\0\0\0\0\0", 8};
    EXPECT_EQ(journal.receive(), "MESSAGE=job finished hook=deploy text=\"two\\nlines\"\nPRIORITY=6\n"
                                 "SYSLOG_IDENTIFIER=test\nBELAY_HOOK=deploy\nBELAY_TEXT\n" +
                                     nine + "two\nlines\n");
    EXPECT_EQ(log.dropped(), 0U);
}

TEST_F(LogThreadTest, AJournalThatHangsDoesNotKeepItFromStopping)
{
    const FakeJournal journal; // nobody receives
    LogThread log{threads, {.format = LogFormat::journal, .identifier = "test", .journal_socket = journal.path}};
    constexpr std::uint64_t total = 2000;
    for (std::uint64_t n = 0; n < total; ++n)
        log::info("hello", {{"n", n}});
    log.stop();
    EXPECT_GT(log.dropped(), 0U);
    EXPECT_LT(log.dropped(), total);
    log::info("direct"); // nor does what is logged after that wait for long
}

TEST_F(LogThreadTest, WritesDirectlyOnceStopped)
{
    const auto file = make_file();
    {
        LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = file.get()}};
        log::info("queued");
        log.stop();
        log.stop();
        log::info("direct", {{"n", 1}});
        EXPECT_EQ(tally(contents(file.get())).messages.count("direct"), 1U);
    }
    log::info("after its end");
    EXPECT_EQ(tally(contents(file.get())).messages,
        (std::map<std::string, std::uint64_t>{{"queued", 1}, {"direct", 1}, {"after its end", 1}}));
    EXPECT_TRUE(threads.running().empty());
}

TEST_F(LogThreadTest, SurvivesAnOutputThatFails)
{
    auto pipe = make_pipe();
    pipe.read.reset(); // EPIPE, and a SIGPIPE that the thread has blocked
    LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = pipe.write.get()}};
    log::info("lost");
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (log.dropped() == 0 && std::chrono::steady_clock::now() < deadline)
        std::this_thread::yield();
    EXPECT_EQ(log.dropped(), 1U);
}

TEST_F(LogThreadTest, WithoutALogThreadFieldsGoIntoTheText)
{
    class TextSink final : public spdlog::sinks::sink {
    public:
        void log(const spdlog::details::log_msg& message) override
        {
            text.assign(message.payload.data(), message.payload.size());
        }
        void flush() override {}
        void set_pattern(const std::string&) override {}
        void set_formatter(std::unique_ptr<spdlog::formatter>) override {}
        std::string text;
    };
    const auto sink = std::make_shared<TextSink>();
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("text", sink));
    log::info("started", {{"path", "a\nb"}});
    EXPECT_EQ(sink->text, "started path=\"a\\nb\"");
}

TEST(ChooseFormat, TakesTheJournalForItsOwnStreamOnly)
{
    const auto file = make_file();
    struct stat status{};
    ASSERT_EQ(::fstat(file.get(), &status), 0);
    const auto stream = std::to_string(status.st_dev) + ':' + std::to_string(status.st_ino);
    EXPECT_EQ(choose_format(stream.c_str(), file.get()), LogFormat::journal);
    EXPECT_EQ(choose_format("1:2", file.get()), LogFormat::json); // redirected since
    EXPECT_EQ(choose_format("", file.get()), LogFormat::json);
    EXPECT_EQ(choose_format(nullptr, file.get()), LogFormat::json);
}

TEST(ChooseFormat, TakesTheConsoleForATerminal)
{
    const UniqueFd terminal{::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC)};
    EXPECT_EQ(choose_format(nullptr, terminal.get()), LogFormat::console);
}

/** Many records before the last one: what is merely queued would be lost. */
[[noreturn]] void fail_in_a_thread()
{
    Threads threads;
    const LogThread log{threads, {.format = LogFormat::json, .identifier = "t", .descriptor = STDERR_FILENO}};
    (void)threads.start("busy", [](Heartbeat&) {
        for (int i = 0; i < 1000; ++i)
            log::info("before");
        throw std::runtime_error{"boom"};
    });
    std::abort(); // not reached: the temporary above was joined
}

TEST(LogThreadDeathTest, AThreadThatFailsIsLoggedBeforeTheProcessEnds)
{
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(fail_in_a_thread(), ::testing::KilledBySignal(SIGABRT),
        "thread failed, terminating.*\"thread\":\"busy\".*boom");
}

} // namespace
} // namespace belay::daemon
