#include "daemon/stacks.hpp"

#include <fmt/format.h>

#include <cxxabi.h>
#include <dlfcn.h>
#include <execinfo.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <mutex>

namespace belay::daemon {
namespace {

constexpr int max_frames = 64;
constexpr long patience_ns = 200'000'000;

/**
 * What the signal handler and stack_of() share.  Global, since a handler can reach nothing else.
 *
 * idle → wanted by stack_of(); wanted → writing → written by the handler of the thread that is meant, and back to idle
 * by stack_of().  A request that nobody answered in time goes from wanted to idle, so a late signal finds no work; one
 * whose handler was at it keeps the exchange until that handler is through.
 */
struct Exchange {
    enum class Step : std::uint8_t { idle, wanted, writing, written };
    static_assert(std::atomic<Step>::is_always_lock_free);

    std::atomic<Step> step{Step::idle};
    std::atomic<pid_t> tid{0};
    std::array<void*, max_frames> frames{};
    int size = 0;
    sem_t wake{}; // posted by the handler when it has written
    std::atomic<bool> prepared{false};
    std::mutex one_at_a_time; // guards a whole request
};

Exchange& exchange() noexcept
{
    static Exchange instance;
    return instance;
}

void write_down_stack(int /*signal*/)
{
    const int saved_errno = errno;
    Exchange& shared = exchange();
    auto expected = Exchange::Step::wanted;
    if (shared.tid.load() == ::gettid() && shared.step.compare_exchange_strong(expected, Exchange::Step::writing)) {
        shared.size = ::backtrace(shared.frames.data(), max_frames);
        shared.step = Exchange::Step::written;
        ::sem_post(&shared.wake);
    }
    errno = saved_errno;
}

bool wait_written(Exchange& shared) noexcept
{
    timespec deadline{};
    ::clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_nsec += patience_ns;
    deadline.tv_sec += deadline.tv_nsec / 1'000'000'000;
    deadline.tv_nsec %= 1'000'000'000;
    int r = 0;
    do
        r = ::sem_clockwait(&shared.wake, CLOCK_MONOTONIC, &deadline);
    while (r != 0 && errno == EINTR);
    return r == 0 && shared.step == Exchange::Step::written;
}

std::string demangle(const char* symbol)
{
    int status = 0;
    char* const name = abi::__cxa_demangle(symbol, nullptr, nullptr, &status);
    std::string text{status == 0 ? name : symbol};
    std::free(name); // NOLINT(cppcoreguidelines-no-malloc): its contract
    return text;
}

/** "belay::daemon::Threads::start(…)+0x1f (belayd)"; without a symbol, what addr2line(1) takes: "belayd+0x1234". */
std::string describe_frame(void* address)
{
    Dl_info found{};
    if (::dladdr(address, &found) == 0 || found.dli_fname == nullptr)
        return fmt::format("{}", address);
    const auto offset_from = [address](const void* base) {
        return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base);
    };
    const std::string module = std::filesystem::path{found.dli_fname}.filename();
    if (found.dli_sname == nullptr)
        return fmt::format("{}+{:#x}", module, offset_from(found.dli_fbase));
    return fmt::format("{}+{:#x} ({})", demangle(found.dli_sname), offset_from(found.dli_saddr), module);
}

} // namespace

int stack_signal() noexcept
{
    return SIGRTMIN + 1;
}

void prepare_stacks()
{
    Exchange& shared = exchange(); // constructed here: a handler must not be the first to come by
    const std::scoped_lock lock{shared.one_at_a_time};
    if (shared.prepared)
        return;
    // backtrace(3): its first call loads libgcc, which allocates; a handler must not.
    (void)::backtrace(shared.frames.data(), max_frames);
    ::sem_init(&shared.wake, /*pshared=*/0, 0);
    struct sigaction action{};
    action.sa_handler = write_down_stack;
    action.sa_flags = SA_RESTART; // a report must not fail the system calls of the threads it looks at
    sigfillset(&action.sa_mask);
    ::sigaction(stack_signal(), &action, nullptr);
    shared.prepared = true;
}

std::vector<std::string> describe_frames(std::span<void* const> frames)
{
    std::vector<std::string> lines;
    lines.reserve(frames.size());
    for (void* const frame : frames)
        lines.push_back(describe_frame(frame));
    return lines;
}

std::vector<std::string> stack_of(pid_t tid)
{
    Exchange& shared = exchange();
    const std::scoped_lock lock{shared.one_at_a_time};
    if (tid == ::gettid()) {
        std::array<void*, max_frames> frames{}; // a late handler may be writing to the shared ones
        const int size = ::backtrace(frames.data(), max_frames);
        return describe_frames(std::span{frames}.first(static_cast<std::size_t>(size)));
    }
    if (!shared.prepared || (shared.step != Exchange::Step::idle && !wait_written(shared)))
        return {};

    shared.tid = tid;
    shared.step = Exchange::Step::wanted;
    const bool sent = ::syscall(SYS_tgkill, ::getpid(), tid, stack_signal()) == 0;
    if (!sent || !wait_written(shared)) {
        auto expected = Exchange::Step::wanted;
        if (shared.step.compare_exchange_strong(expected, Exchange::Step::idle) || !wait_written(shared))
            return {};
    }
    constexpr std::size_t handler_frames = 2; // the handler and the kernel's trampoline
    const auto frames = std::span{shared.frames}.first(static_cast<std::size_t>(shared.size));
    auto lines = describe_frames(frames.subspan(std::min(handler_frames, frames.size())));
    shared.step = Exchange::Step::idle;
    return lines;
}

} // namespace belay::daemon
