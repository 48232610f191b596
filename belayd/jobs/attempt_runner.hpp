#pragma once
#include "base/asio.hpp"
#include "base/byte_size.hpp"
#include "belayd/jobs/job.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::jobs {

class AdoptedChildren;
class OomEvents;
struct HandedRun;

/** Everything an attempt is started with. */
struct AttemptSpec {
    Uuid job;
    Uuid event;
    std::string hook;
    unsigned attempt = 1;
    std::vector<std::string> arguments;                           ///< argv, the command first
    std::vector<std::pair<std::string, std::string>> environment; ///< complete, BELAY_* and TRACEPARENT included
    std::string directory;
    std::string input;           ///< on stdin
    JobFiles files;              ///< written before it starts; what has no text of its own holds the input
    std::string files_directory; ///< where; removed when it has ended
    Bytes free_space_floor = 0;  ///< that files must leave there
    Bytes output_limit = 1_MiB;  ///< of each stream
    bool merges_output = false;  ///< both streams are one, stdout: what was written first stands first
    std::chrono::milliseconds timeout{600'000};
    std::chrono::milliseconds kill_grace{10'000};
};

/** What ended an attempt early. */
enum class EndedBy : std::uint8_t { nothing, timeout, interrupt, cancel };

/** What a running attempt has written so far. */
struct LiveOutput {
    Captured out;
    Captured err;
};

/**
 * Runs one attempt in a child process and reports how it ended.
 *
 * No shell; its own process group; descriptors 0, 1 and 2 only; signal mask and dispositions reset.  Exiting non-zero,
 * dying from a signal, running out of time and a command that cannot be executed are outcomes, not errors.  At the end
 * everything the attempt started is gone, and its output complete: what it started is its group, and what escaped that
 * is found among our adopted children by BELAY_JOB_ID in its environment (belayd is a child subreaper).
 *
 * Its files are written on the runner's loop, which turns between the pieces of large ones: a disk that hangs holds up
 * the store as well.  They are there until the attempt has ended, whoever's hands it is in by then.
 *
 * An attempt that is ended early gets TERM, all of it, and is over when nothing of it is left; what is after kill_grace
 * gets KILL.  If the leader ends by itself, the rest is killed: a background process that still holds the pipes has a
 * quarter of a second to write the last of its output (`exec > >(tee log)` in a shell).
 *
 * An attempt can change hands while it runs: hand_over() ends one runner without a trace in the attempt, and a runner
 * made of what it returns goes on, in this process image or, after execve, in the next.
 *
 * Lifetime: one object per attempt; run() once; borrows `adopted` and `oom`.  Threads: confined to the executor that
 * awaits run().
 */
class AttemptRunner {
public:
    AttemptRunner(AttemptSpec spec, AdoptedChildren& adopted, const OomEvents& oom);
    /** Goes on with an attempt that another runner has handed over. */
    AttemptRunner(HandedRun handed, AdoptedChildren& adopted, const OomEvents& oom);
    ~AttemptRunner();
    AttemptRunner(const AttemptRunner&) = delete;
    AttemptRunner& operator=(const AttemptRunner&) = delete;
    AttemptRunner(AttemptRunner&&) = delete;
    AttemptRunner& operator=(AttemptRunner&&) = delete;

    /** Why an attempt is ended early: decides its outcome. */
    enum class Stop : std::uint8_t { interrupt, cancel };

    /**
     * Starts it, or goes on with it, and waits until it and all it started have been reaped.  Cannot be cancelled: use
     * stop() and kill().
     * @return how it ended; nothing if it was handed over
     * @throws FilesNotWritten if there is no room for its files, say: nothing runs, try again later
     * @throws std::exception if the kernel refuses a process, a descriptor or memory: likewise
     */
    [[nodiscard]] asio::awaitable<std::optional<AttemptResult>> run();

    /** Lets go of a running attempt: run() returns nothing, and its leader stays known to `adopted`, so that nobody
     *  there reaps it.  @return nothing if it does not run: not yet, or it has ended and run() is about to tell how */
    [[nodiscard]] std::optional<HandedRun> hand_over();

    /** TERM, kill_grace, KILL, for all that it started.  run() then returns `interrupted`, or for cancel `signalled`;
     * if it had ended before, what it came to. */
    void stop(Stop why);

    /** KILL now. */
    void kill(Stop why);

    [[nodiscard]] LiveOutput output() const;
    [[nodiscard]] Time started() const noexcept;

private:
    struct Running;
    std::shared_ptr<Running> running_; // shared with its handlers
};

} // namespace belay::jobs
