#include "belayd/jobs/attempt_runner.hpp"

#include "base/duration.hpp"
#include "base/free_memory.hpp"
#include "base/probe.hpp"
#include "base/spawn.hpp"
#include "belayd/jobs/adopted_children.hpp"
#include "belayd/jobs/attempt_files.hpp"
#include "belayd/jobs/capture.hpp"
#include "belayd/jobs/handed_run.hpp"
#include "belayd/jobs/oom_events.hpp"
#include "daemon/heartbeat.hpp"
#include "daemon/log.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <set>
#include <system_error>
#include <variant>

namespace belay::jobs {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

/** For what a shell leaves writing after its own end: the last lines through a tee, not a service. */
constexpr auto output_grace = 250ms;

/** What is still there this long after SIGKILL belongs to another user or hangs in the kernel: leave it, and say so. */
constexpr auto clean_up_limit = 3s; // less than the margin of a drain

/** Until what could not be told from other attempts' processes at SIGTERM is looked at again. */
constexpr auto look_again = 10ms;

/** As shells do: 127 for a command that is not there, 126 for one that cannot be run. */
int exit_status_of(const SpawnFailure& failure)
{
    return failure.error == ENOENT || failure.error == ENOTDIR ? 127 : 126;
}

UniqueFd duplicate(const UniqueFd& fd)
{
    const int copy = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw std::system_error{errno, std::generic_category(), "fcntl F_DUPFD_CLOEXEC"};
    return UniqueFd{copy};
}

} // namespace

struct AttemptRunner::Running : std::enable_shared_from_this<Running> {
    Running(AttemptSpec s, AdoptedChildren& a, const OomEvents& o) : spec(std::move(s)), adopted(a), oom(o) {}

    Running(HandedRun handed, AdoptedChildren& a, const OomEvents& o)
        : spec(std::move(handed.spec)), adopted(a), oom(o), out_before(std::move(handed.out)),
          err_before(std::move(handed.err)), files(std::move(handed.files)), child(std::move(handed.child)),
          next_step(handed.next_step), oom_before(handed.oom_before), started(handed.started), cause(handed.ended_by),
          at_once(handed.at_once), killed(handed.killed)
    {
        adopted.add_leader(child->pid()); // before anybody looks for adopted children to reap
    }

    ~Running() { abandon(); }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    Running(Running&&) = delete;
    Running& operator=(Running&&) = delete;

    asio::awaitable<void> write_files();
    void begin(const asio::any_io_executor& executor, AttemptResult& result);
    void abandon();
    /** @return why the command cannot be executed, else nothing */
    std::optional<SpawnFailure> start(const asio::any_io_executor& executor);
    void resume(const asio::any_io_executor& executor);
    void watch(const asio::any_io_executor& executor);
    asio::awaitable<void> until_leader_ended();
    asio::awaitable<void> clean_up();
    void settle(AttemptResult& result);

    void end(EndedBy why, bool at_once);
    void terminate();
    void kill(const std::vector<pid_t>& others);
    HandedRun hand_over();
    void wake()
    {
        if (timer)
            timer->cancel();
    }

    AttemptSpec spec;
    AdoptedChildren& adopted;
    const OomEvents& oom;
    HandedStream out_before; // of an attempt that was handed to us, until it is resumed
    HandedStream err_before;
    std::shared_ptr<Capture> out;
    std::shared_ptr<Capture> err;
    AttemptFiles files; // before the child, which has to be gone first
    std::optional<Child> child;
    std::optional<asio::posix::stream_descriptor> pidfd;
    std::optional<asio::steady_timer> timer; // what run() waits on; cancelled to wake it
    Clock::time_point next_step;             // when the timeout strikes; after SIGTERM: when SIGKILL follows
    std::optional<std::uint64_t> oom_before;
    Time started = now();
    EndedBy cause = EndedBy::nothing;
    bool at_once = false;       // no more patience
    bool killed = false;        // SIGKILL was ours
    std::set<pid_t> terminated; // the process groups that got SIGTERM
    bool all_terminated = true; // as far as they were to
    bool leader_ended = false;
    bool handed_over = false;
};

/** Whoever stops the attempt meanwhile finds that nothing runs yet. */
asio::awaitable<void> AttemptRunner::Running::write_files()
{
    if (child || spec.files.empty())
        co_return;
    files = AttemptFiles{spec.files_directory};
    FileWriter writer{files.directory(), spec.files, spec.input, spec.free_space_floor};
    while (writer.write_piece())
        co_await asio::post(asio::use_awaitable); // others' turn
    free_memory(spec.files);
}

/** From here on there is a child that is watched, or `result` says why not. */
void AttemptRunner::Running::begin(const asio::any_io_executor& executor, AttemptResult& result)
{
    if (child) {
        resume(executor);
    } else if (cause != EndedBy::nothing) {
        const bool interrupted = cause == EndedBy::interrupt;
        result.outcome = interrupted ? Outcome::interrupted : Outcome::signalled;
        result.signal = interrupted ? 0 : SIGTERM;
        result.detail = "stopped before it started";
    } else if (const std::optional<SpawnFailure> failure = start(executor)) {
        result.outcome = Outcome::exited;
        result.exit_status = exit_status_of(*failure);
        result.detail = failure->detail;
    }
}

/** Ends a child that nobody watches. */
void AttemptRunner::Running::abandon()
{
    if (child) {
        adopted.forget_leader(child->pid());
        child.reset(); // which kills and reaps
    }
    files.remove();
}

std::optional<SpawnFailure> AttemptRunner::Running::start(const asio::any_io_executor& executor)
{
    timer.emplace(executor);
    Pipe out_pipe = make_pipe();
    Pipe err_pipe = make_pipe();
    out = std::make_shared<Capture>(executor, HandedStream{std::move(out_pipe.read), {}}, spec.output_limit);
    err = std::make_shared<Capture>(executor, HandedStream{std::move(err_pipe.read), {}}, spec.output_limit);
    if (spec.merges_output)
        err_pipe.write = duplicate(out_pipe.write); // and the other pipe is at its end
    StandardStreams streams{make_input(spec.input), std::move(out_pipe.write), std::move(err_pipe.write)};
    free_memory(spec.input); // the child's now
    oom_before = oom.killed();

    const daemon::Heartbeat::DiskWait wait; // the directory or the command may lie where nobody answers
    std::variant<Child, SpawnFailure> spawned =
        spawn(spec.arguments, spec.environment, spec.directory, std::move(streams));
    if (SpawnFailure* const failure = std::get_if<SpawnFailure>(&spawned))
        return std::move(*failure);
    child.emplace(std::move(std::get<Child>(spawned)));
    BELAY_PROBE(attempt_spawn, child->pid(), spec.arguments.front().c_str());
    adopted.add_leader(child->pid());
    next_step = Clock::now() + spec.timeout;
    watch(executor);
    return std::nullopt;
}

/** Takes up an attempt that was handed over.  If its leader has ended since, or its time is up, that shows at once. */
void AttemptRunner::Running::resume(const asio::any_io_executor& executor)
{
    timer.emplace(executor);
    out = std::make_shared<Capture>(executor, std::move(out_before), spec.output_limit);
    err = std::make_shared<Capture>(executor, std::move(err_before), spec.output_limit);
    watch(executor);
}

void AttemptRunner::Running::watch(const asio::any_io_executor& executor)
{
    pidfd.emplace(executor);
    UniqueFd fd = child->take_pidfd();
    pidfd->assign(fd.get()); // throws without having taken it over
    (void)fd.release();
    out->start();
    err->start();
}

HandedRun AttemptRunner::Running::hand_over()
{
    handed_over = true;
    spec.arguments.clear();
    spec.environment.clear();
    UniqueFd end = pidfd ? UniqueFd{pidfd->release()} : child->take_pidfd();
    HandedRun handed{std::move(spec), std::move(files), Child{child->release(), std::move(end)},
        out ? out->hand_over() : std::move(out_before), err ? err->hand_over() : std::move(err_before), started,
        next_step, oom_before, cause, at_once, killed};
    child.reset();
    wake();
    return handed;
}

asio::awaitable<void> AttemptRunner::Running::until_leader_ended()
{
    pidfd->async_wait(asio::posix::stream_descriptor::wait_read, [self = shared_from_this()](error_code) {
        self->leader_ended = true;
        self->wake();
    });
    while (!leader_ended && !handed_over) {
        const Clock::time_point step = all_terminated ? next_step : std::min(next_step, Clock::now() + look_again);
        timer->expires_at(killed ? Clock::time_point::max() : step);
        error_code woken;
        co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, woken));
        if (leader_ended || handed_over || killed)
            continue;
        if (Clock::now() >= next_step)
            end(EndedBy::timeout, cause != EndedBy::nothing);
        else if (!all_terminated)
            terminate();
    }
}

/**
 * Waits for the end of what the leader left, and ends it.  A command that ended by itself is done: nothing of it is in
 * the middle of its work, and only its last lines are waited for.  One that was told to end has the rest of kill_grace
 * for all that it started: its leader may be a shell, which dies of SIGTERM at once.
 *
 * The leader's zombie is kept meanwhile: as long as it exists, nobody else can get its process group id.
 */
asio::awaitable<void> AttemptRunner::Running::clean_up()
{
    const bool by_itself = cause == EndedBy::nothing;
    const Clock::time_point patience = by_itself ? Clock::now() + output_grace : next_step;
    std::optional<Clock::time_point> killing; // since when
    for (auto pause = 1ms; !handed_over; pause = std::min(2 * pause, 50ms)) {
        const AdoptedChildren::Left left = adopted.left_by(spec.job, child->pid());
        if (left.none())
            break;
        const Clock::time_point time = Clock::now();
        if (killing && time > *killing + clean_up_limit) {
            log::warning("processes of an attempt cannot be killed, ignoring",
                {{"job", spec.job}, {"hook", spec.hook}, {"attempt", spec.attempt},
                    {"processes", left.processes.size()},
                    {"pid", left.processes.empty() ? 0 : left.processes.front()}});
            break;
        }
        if (at_once || time >= patience || (by_itself && out->ended() && err->ended())) {
            killing = killing.value_or(time);
            kill(left.processes);
        } else if (!all_terminated) {
            terminate();
        }
        timer->expires_after(pause);
        error_code woken;
        co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    }
}

/** SIGTERM to all that the attempt has started, to each process group once: what they start in order to clean up is
 *  not disturbed. */
void AttemptRunner::Running::terminate()
{
    const AdoptedChildren::Left left = adopted.left_by(spec.job, child->pid());
    std::set<pid_t> groups{child->pid()};
    for (const pid_t process : left.processes)
        groups.insert(::getpgid(process));
    for (const pid_t group : groups) {
        if (group <= 1 || group == ::getpgrp() || !terminated.insert(group).second) // gone; never a job's
            continue;
        (void)::kill(-group, SIGTERM);
        (void)::kill(-group, SIGCONT); // a stopped process acts on SIGTERM only when it goes on
    }
    all_terminated = !left.unsure;
}

void AttemptRunner::Running::kill(const std::vector<pid_t>& others)
{
    child->signal_group(SIGKILL);
    for (const pid_t process : others)
        (void)::kill(process, SIGKILL);
}

void AttemptRunner::Running::settle(AttemptResult& result)
{
    const siginfo_t how = child->ended().value_or(siginfo_t{});
    BELAY_PROBE(attempt_exit, child->pid(), how.si_code, how.si_status);
    adopted.forget_leader(child->pid());
    child->reap();
    child.reset();
    files.remove();
    pidfd.reset();
    out->finish();
    err->finish();
    result.out = out->take();
    result.err = err->take();

    const bool by_signal = how.si_code != CLD_EXITED;
    (by_signal ? result.signal : result.exit_status) = how.si_status;
    switch (cause) {
    case EndedBy::timeout:
        result.outcome = Outcome::timed_out;
        result.detail = "ran longer than " + format_duration(spec.timeout);
        return;
    case EndedBy::interrupt:
        result.outcome = Outcome::interrupted;
        return;
    case EndedBy::cancel:
        result.outcome = Outcome::signalled;
        result.exit_status = 0; // of a command that handles SIGTERM
        result.signal = by_signal ? how.si_status : SIGTERM;
        result.detail = "cancelled";
        return;
    case EndedBy::nothing:
        break;
    }
    const std::optional<std::uint64_t> oom_after = oom.killed();
    if (by_signal && how.si_status == SIGKILL && oom_before && oom_after && *oom_after > *oom_before) {
        result.outcome = Outcome::oom;
        result.detail = "killed by the kernel for want of memory";
    } else if (by_signal) {
        result.outcome = Outcome::signalled;
    } else {
        result.outcome = how.si_status == 0 ? Outcome::succeeded : Outcome::exited;
    }
}

/** Ends the attempt for `why`, unless it has ended or is being ended for another reason. */
void AttemptRunner::Running::end(EndedBy why, bool kill_now)
{
    at_once = at_once || kill_now;
    if (!child || leader_ended || child->ended()) {
        if (!child && !timer) // before its start: run() will not start it
            cause = why;
        wake(); // what the leader left may have to go now
        return;
    }
    const bool first = cause == EndedBy::nothing;
    if (first)
        cause = why;
    if (at_once) {
        killed = true;
        child->signal_group(SIGKILL); // and the others once the leader has ended
    } else if (first) {
        next_step = Clock::now() + spec.kill_grace;
        terminate();
    }
    wake();
}

AttemptRunner::AttemptRunner(AttemptSpec spec, AdoptedChildren& adopted, const OomEvents& oom)
    : running_(std::make_shared<Running>(std::move(spec), adopted, oom))
{
}

AttemptRunner::AttemptRunner(HandedRun handed, AdoptedChildren& adopted, const OomEvents& oom)
    : running_(std::make_shared<Running>(std::move(handed), adopted, oom))
{
}

AttemptRunner::~AttemptRunner() = default;

asio::awaitable<std::optional<AttemptResult>> AttemptRunner::run()
{
    const std::shared_ptr<Running> attempt = running_;
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const asio::any_io_executor executor = co_await asio::this_coro::executor;

    AttemptResult result;
    try {
        co_await attempt->write_files();
        attempt->begin(executor, result);
    } catch (...) {
        attempt->abandon();
        throw;
    }
    if (attempt->child) {
        co_await attempt->until_leader_ended();
        co_await attempt->clean_up();
    } else {
        attempt->files.remove();
    }
    if (attempt->handed_over)
        co_return std::nullopt;
    if (attempt->child)
        attempt->settle(result);
    result.started = attempt->started;
    result.finished = now();
    co_return result;
}

void AttemptRunner::stop(Stop why)
{
    running_->end(why == Stop::interrupt ? EndedBy::interrupt : EndedBy::cancel, /*at_once=*/false);
}

void AttemptRunner::kill(Stop why)
{
    running_->end(why == Stop::interrupt ? EndedBy::interrupt : EndedBy::cancel, /*at_once=*/true);
}

std::optional<HandedRun> AttemptRunner::hand_over()
{
    return running_->child ? std::optional{running_->hand_over()} : std::nullopt;
}

LiveOutput AttemptRunner::output() const
{
    if (!running_->out || !running_->err)
        return {running_->out_before.captured, running_->err_before.captured};
    return {running_->out->captured(), running_->err->captured()};
}

Time AttemptRunner::started() const noexcept
{
    return running_->started;
}

} // namespace belay::jobs
