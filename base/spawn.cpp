#include "base/spawn.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

extern "C" { // the header of glibc 2.36 has no linkage of its own
#include <sys/pidfd.h>
}

namespace belay {
namespace {

[[noreturn]] void fail(int error, const char* what)
{
    throw std::system_error{error, std::system_category(), what};
}

void check(int error, const char* what)
{
    if (error != 0)
        fail(error, what);
}

class SpawnAttributes {
public:
    SpawnAttributes()
    {
        check(::posix_spawnattr_init(&attributes_), "posix_spawnattr_init");
        sigset_t none;
        ::sigemptyset(&none);
        // All 64, not sigfillset(): that leaves out SIGCANCEL and SIGSETXID of glibc, which posix_spawn would then
        // leave ignored in the child (sysdeps/unix/sysv/linux/spawni.c).
        sigset_t all;
        std::memset(&all, 0xff, sizeof all);
        ::posix_spawnattr_setsigmask(&attributes_, &none);
        ::posix_spawnattr_setsigdefault(&attributes_, &all);
        check(::posix_spawnattr_setflags(
                  &attributes_, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF),
            "posix_spawnattr_setflags");
    }
    ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
    SpawnAttributes(const SpawnAttributes&) = delete;
    SpawnAttributes& operator=(const SpawnAttributes&) = delete;
    SpawnAttributes(SpawnAttributes&&) = delete;
    SpawnAttributes& operator=(SpawnAttributes&&) = delete;

    [[nodiscard]] const posix_spawnattr_t* get() const noexcept { return &attributes_; }

private:
    posix_spawnattr_t attributes_;
};

class SpawnActions {
public:
    SpawnActions(int directory, const StandardStreams& streams)
    {
        check(::posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init");
        const int error = add(directory, streams);
        if (error != 0) {
            ::posix_spawn_file_actions_destroy(&actions_);
            fail(error, "posix_spawn_file_actions");
        }
    }
    ~SpawnActions() { ::posix_spawn_file_actions_destroy(&actions_); }
    SpawnActions(const SpawnActions&) = delete;
    SpawnActions& operator=(const SpawnActions&) = delete;
    SpawnActions(SpawnActions&&) = delete;
    SpawnActions& operator=(SpawnActions&&) = delete;

    [[nodiscard]] const posix_spawn_file_actions_t* get() const noexcept { return &actions_; }

private:
    int add(int directory, const StandardStreams& streams)
    {
        int error = ::posix_spawn_file_actions_addfchdir_np(&actions_, directory);
        const std::array sources{streams.in.get(), streams.out.get(), streams.err.get()};
        for (int target = 0; error == 0 && target < 3; ++target)
            error = ::posix_spawn_file_actions_adddup2(&actions_, sources[static_cast<std::size_t>(target)], target);
        // Whatever a library opened without O_CLOEXEC (Asio's sockets) ends here.
        return error == 0 ? ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3) : error;
    }

    posix_spawn_file_actions_t actions_;
};

/** Moves a descriptor out of the way of 0, 1 and 2, onto which the child's are copied one after the other. */
UniqueFd above_standard(UniqueFd fd)
{
    if (fd.get() > STDERR_FILENO)
        return fd;
    const int moved = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        fail(errno, "fcntl F_DUPFD_CLOEXEC");
    return UniqueFd{moved};
}

bool is_transient(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

SpawnFailure failure(std::string_view what, const std::string& path, int error)
{
    return {error, fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(error))};
}

bool holds_nul(const std::string& text)
{
    return text.find('\0') != std::string::npos;
}

std::vector<char*> pointers(std::vector<std::string>& texts)
{
    std::vector<char*> result;
    result.reserve(texts.size() + 1);
    for (std::string& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

} // namespace

Child::~Child()
{
    if (pid_ <= 0)
        return;
    signal_group(SIGKILL);
    reap();
}

void Child::open_pidfd()
{
    const int pidfd = ::pidfd_open(pid_, 0);
    if (pidfd < 0)
        fail(errno, "pidfd_open");
    pidfd_ = UniqueFd{pidfd};
}

void Child::signal_group(int signal) const noexcept
{
    (void)::kill(-pid_, signal);
}

std::optional<siginfo_t> Child::ended() const noexcept
{
    siginfo_t info{};
    if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
        return std::nullopt;
    return info;
}

void Child::reap() noexcept
{
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) {
    }
    pid_ = -1;
}

std::variant<Child, SpawnFailure> spawn(const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment, const std::string& directory,
    StandardStreams streams)
{
    std::vector<std::string> argv = arguments;
    std::vector<std::string> envp;
    envp.reserve(environment.size());
    for (const auto& [name, value] : environment)
        envp.push_back(name + '=' + value);
    if (argv.empty() || std::any_of(argv.begin(), argv.end(), holds_nul) ||
        std::any_of(envp.begin(), envp.end(), holds_nul))
        return failure("execute", argv.empty() ? "" : argv.front(), EINVAL);

    // Opened here, so that a bad directory is told apart from a bad command; "/." asks for the right to enter it.
    const int opened = ::open((directory + "/.").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) {
        if (is_transient(errno))
            fail(errno, "open working directory");
        return failure("enter directory", directory, errno);
    }
    UniqueFd working_directory = above_standard(UniqueFd{opened});
    streams.in = above_standard(std::move(streams.in));
    streams.out = above_standard(std::move(streams.out));
    streams.err = above_standard(std::move(streams.err));

    pid_t pid = -1;
    int error = 0;
    {
        const SpawnAttributes attributes;
        const SpawnActions actions{working_directory.get(), streams};
        error = ::posix_spawn(
            &pid, argv.front().c_str(), actions.get(), attributes.get(), pointers(argv).data(), pointers(envp).data());
    }
    if (is_transient(error))
        fail(error, "posix_spawn");
    if (error != 0)
        return failure("execute", argv.front(), error);

    Child child{pid};
    // Four descriptors are given back right before one is asked for: EMFILE is next to impossible here, and if it
    // happens, ~Child ends what has just begun.
    working_directory.reset();
    streams = {};
    child.open_pidfd();
    return child;
}

UniqueFd make_input(std::string_view text)
{
    const int opened = ::memfd_create("belay-input", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (opened < 0)
        fail(errno, "memfd_create");
    UniqueFd fd{opened};
    while (!text.empty()) {
        const ssize_t written = ::write(fd.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            fail(written < 0 ? errno : ENOMEM, "write to memfd");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        fail(errno, "seal memfd");
    if (::lseek(fd.get(), 0, SEEK_SET) != 0)
        fail(errno, "lseek on memfd");
    return fd;
}

Pipe make_pipe()
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        fail(errno, "pipe2");
    return {UniqueFd{ends[0]}, UniqueFd{ends[1]}};
}

} // namespace belay
