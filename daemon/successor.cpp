#include "daemon/successor.hpp"

#include "base/duration.hpp"
#include "base/spawn.hpp"
#include "base/utf8.hpp"
#include "daemon/heartbeat.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>

namespace belay::daemon {
namespace {

using Clock = std::chrono::steady_clock;
using asio::posix::stream_descriptor;

constexpr std::size_t output_limit = 4096;

/** Ours, without what a service manager gave to this process alone (sd_notify(3), sd_watchdog_enabled(3),
 *  sd_listen_fds(3)). */
std::vector<std::pair<std::string, std::string>> environment()
{
    std::vector<std::pair<std::string, std::string>> variables;
    for (char* const* entry = environ; *entry != nullptr; ++entry) {
        const std::string_view text{*entry};
        const auto name = text.substr(0, text.find('='));
        if (name.size() < text.size() && name != "NOTIFY_SOCKET" && !name.starts_with("WATCHDOG_") &&
            !name.starts_with("LISTEN_"))
            variables.emplace_back(name, text.substr(name.size() + 1));
    }
    return variables;
}

UniqueFd open_null()
{
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        throw std::system_error{errno, std::system_category(), "/dev/null"};
    return UniqueFd{fd};
}

stream_descriptor on_loop(const asio::any_io_executor& executor, UniqueFd fd)
{
    stream_descriptor descriptor{executor, fd.get()}; // throws without having taken it over
    (void)fd.release();
    return descriptor;
}

/** Several lines as one: "a.toml:1:2: no; b.toml:3:4: neither". */
std::string one_line(std::string text)
{
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    std::string line;
    for (const char c : text)
        line += c == '\n' ? std::string{"; "} : std::string{c};
    return escape_for_line(line, output_limit);
}

/** One run of the executable. */
struct Run : std::enable_shared_from_this<Run> {
    Run(const asio::any_io_executor& executor, Child started, UniqueFd read_end, std::chrono::milliseconds limit)
        : child(std::move(started)), pidfd(on_loop(executor, child->take_pidfd())),
          pipe(on_loop(executor, std::move(read_end))), timer(executor), patience(limit), deadline(Clock::now() + limit)
    {
        pipe.non_blocking(true);
    }

    void start();
    asio::awaitable<void> until_ended();
    std::optional<std::string> verdict();
    void close() noexcept;

    std::optional<Child> child;
    stream_descriptor pidfd;
    stream_descriptor pipe;
    asio::steady_timer timer; // what until_ended() waits on; cancelled to wake it
    std::chrono::milliseconds patience;
    Clock::time_point deadline;
    std::string output;
    bool ended = false;
    bool late = false;

private:
    void read_when_there_is_some();
    error_code read_some();
};

void Run::start()
{
    pidfd.async_wait(stream_descriptor::wait_read, [self = shared_from_this()](error_code) {
        self->ended = true;
        self->timer.cancel();
    });
    read_when_there_is_some();
}

void Run::read_when_there_is_some()
{
    pipe.async_wait(stream_descriptor::wait_read, [self = shared_from_this()](error_code ec) {
        if (!ec)
            ec = self->read_some();
        if (!ec || ec == asio::error::would_block)
            self->read_when_there_is_some();
    });
}

/** Keeps the first output_limit bytes; what is beyond is read too, so that the writer goes on. */
error_code Run::read_some()
{
    std::array<char, output_limit> chunk; // NOLINT(*-member-init): filled by read_some()
    error_code ec;
    const std::size_t got = pipe.read_some(asio::buffer(chunk), ec);
    output.append(chunk.data(), std::min(got, output_limit - output.size()));
    return ec;
}

asio::awaitable<void> Run::until_ended()
{
    while (!ended) {
        timer.expires_at(late ? Clock::time_point::max() : deadline);
        error_code woken;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        if (!ended && !late && Clock::now() >= deadline) {
            late = true;
            child->signal_group(SIGKILL);
        }
    }
}

/** Once it has ended. */
std::optional<std::string> Run::verdict()
{
    const siginfo_t how = child->ended().value_or(siginfo_t{});
    const bool exited = how.si_code == CLD_EXITED;
    while (output.size() < output_limit && !read_some()) { // what came last
    }
    const std::string text = one_line(output);
    if (exited && how.si_status == 0 && text == can_take_over)
        return std::nullopt;
    if (exited && how.si_status == 0)
        return "it does not know the question: is it another program?";
    if (exited && !late)
        return text.empty() ? fmt::format("exit status {}", how.si_status) : text;
    const std::string end = late ? "did not answer within " + format_duration(patience)
                                 : fmt::format("killed by signal {} ({})", how.si_status, ::sigdescr_np(how.si_status));
    return text.empty() ? end : end + ": " + text;
}

/** Kills what is left and reaps; the pending handlers end and let go of this. */
void Run::close() noexcept
{
    child.reset();
    error_code ec;
    pidfd.close(ec); // NOLINT(bugprone-unused-return-value): nothing to be done about it
    pipe.close(ec);  // NOLINT(bugprone-unused-return-value)
}

class Closing {
public:
    explicit Closing(Run& run) noexcept : run_(run) {}
    ~Closing() { run_.close(); }
    Closing(const Closing&) = delete;
    Closing& operator=(const Closing&) = delete;
    Closing(Closing&&) = delete;
    Closing& operator=(Closing&&) = delete;

private:
    Run& run_;
};

/** @throws std::runtime_error if it cannot be executed */
std::shared_ptr<Run> execute(const asio::any_io_executor& executor, std::string path,
    std::vector<std::string> arguments, std::chrono::milliseconds patience)
{
    arguments.insert(arguments.begin(), std::move(path));
    Pipe pipe = make_pipe();
    UniqueFd copy{::fcntl(pipe.write.get(), F_DUPFD_CLOEXEC, 0)};
    const Heartbeat::DiskWait wait; // as for any command
    auto spawned = spawn(arguments, environment(), ".", {open_null(), std::move(pipe.write), std::move(copy)});
    if (const SpawnFailure* const failure = std::get_if<SpawnFailure>(&spawned))
        throw std::runtime_error{failure->detail};
    return std::make_shared<Run>(executor, std::move(std::get<Child>(spawned)), std::move(pipe.read), patience);
}

} // namespace

asio::awaitable<std::optional<std::string>> ask_successor(
    std::string path, std::vector<std::string> arguments, std::chrono::milliseconds patience)
{
    const asio::any_io_executor executor = co_await asio::this_coro::executor;
    std::shared_ptr<Run> run;
    try {
        run = execute(executor, std::move(path), std::move(arguments), patience);
    } catch (const std::runtime_error& e) { // std::system_error too
        co_return std::string{e.what()};
    }
    const Closing closing{*run};
    run->start();
    co_await run->until_ended();
    co_return run->verdict();
}

} // namespace belay::daemon
