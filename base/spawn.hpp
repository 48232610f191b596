#pragma once
#include "base/unique_fd.hpp"

#include <sys/types.h>
#include <sys/wait.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace belay {

/**
 * A child process that leads a session and process group of its own.
 *
 * Lifetime: whoever destroys it without having called reap() kills the group and waits for the leader's end.
 * Threads: as a value; not thread-safe.
 */
class Child {
public:
    /** Takes over a child that leads its group. */
    explicit Child(pid_t pid, UniqueFd pidfd = {}) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
    Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)), pidfd_(std::move(other.pidfd_)) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    Child& operator=(Child&&) = delete;
    ~Child();

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /** Gives up ownership: somebody else signals and reaps it. */
    [[nodiscard]] pid_t release() noexcept { return std::exchange(pid_, -1); }

    /** @throws std::system_error */
    void open_pidfd();

    /** Readable once the leader has ended (pidfd_open(2)); taken over by the caller. */
    [[nodiscard]] UniqueFd take_pidfd() noexcept { return std::move(pidfd_); }

    /** To every process of the group; a group that is gone is none. */
    void signal_group(int signal) const noexcept;

    /** How the leader ended; nothing while it runs.  It stays a zombie, which keeps its pid and group id from reuse. */
    [[nodiscard]] std::optional<siginfo_t> ended() const noexcept;

    /** Waits for the leader's end and gives up its pid. */
    void reap() noexcept;

private:
    pid_t pid_;
    UniqueFd pidfd_;
};

/** The descriptors 0, 1 and 2 of a child. */
struct StandardStreams {
    UniqueFd in;
    UniqueFd out;
    UniqueFd err;
};

/** A command that cannot be executed. */
struct SpawnFailure {
    int error;          ///< errno
    std::string detail; ///< "cannot execute /x: No such file or directory"
};

/**
 * Starts `arguments` in a new session, in `directory` ("": /), with exactly this environment, these three descriptors,
 * no signal blocked and every disposition default.  No shell, no search in PATH.
 *
 * Blocks until the child has executed the command (vfork).
 * @throws std::system_error for EAGAIN, ENOMEM, EMFILE, ENFILE: nothing ran, try again later
 */
[[nodiscard]] std::variant<Child, SpawnFailure> spawn(const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment, const std::string& directory,
    StandardStreams streams);

/**
 * `text` as a file to read from the start, on memory: a job that does not read its input blocks nobody, and
 * /dev/stdin can be opened again.  Sealed, so that a job cannot write to it. @throws std::system_error
 */
[[nodiscard]] UniqueFd make_input(std::string_view text);

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

/** @throws std::system_error */
[[nodiscard]] Pipe make_pipe();

} // namespace belay
