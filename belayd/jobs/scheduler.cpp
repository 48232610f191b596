#include "belayd/jobs/scheduler.hpp"

#include "base/run_on.hpp"
#include "belayd/jobs/scheduler_state.hpp"

#include <boost/asio/post.hpp>

namespace belay::jobs {

Scheduler::Scheduler(
    asio::io_context& runner, Store& store, daemon::Metrics& metrics, SchedulerRules rules, std::set<pid_t> strangers)
    : state_(std::make_shared<State>(runner, store, metrics, std::move(rules), std::move(strangers)))
{
}

Scheduler::~Scheduler() = default;

void Scheduler::start()
{
    start(std::vector<HandedAttempt>{});
}

void Scheduler::start(std::vector<HandedAttempt> resumed)
{
    state_->store.on_queued([state = std::weak_ptr<State>{state_}](const std::vector<std::string>& hooks) {
        const std::shared_ptr<State> scheduler = state.lock();
        if (!scheduler || !scheduler->note_queued(hooks))
            return; // one post stands for all commits until it has run
        asio::post(scheduler->io, [state] {
            if (const std::shared_ptr<State> woken = state.lock())
                woken->look_at_queued();
        });
    });
    asio::post(
        state_->io, [state = state_, resumed = std::move(resumed)]() mutable { state->start(std::move(resumed)); });
}

asio::awaitable<std::vector<HandedAttempt>> Scheduler::freeze(std::chrono::steady_clock::time_point deadline)
{
    return run_on(state_->io, state_->freeze(deadline));
}

asio::awaitable<void> Scheduler::apply(SchedulerRules rules)
{
    return run_on(state_->io, state_->apply(std::move(rules)));
}

void Scheduler::pause() noexcept
{
    state_->paused = true;
}

asio::awaitable<void> Scheduler::drain(
    std::chrono::steady_clock::time_point soft_deadline, std::function<void(std::size_t running)> report)
{
    return run_on(state_->io, state_->drain(soft_deadline, std::move(report)));
}

void Scheduler::hurry() noexcept
{
    asio::post(state_->io, [state = state_] {
        state->hurried = true;
        state->kill_all();
    });
}

asio::awaitable<std::optional<JobState>> Scheduler::cancel(Uuid job)
{
    return run_on(state_->io, state_->cancel(job));
}

asio::awaitable<std::optional<JobState>> Scheduler::retry(Uuid job, std::string hook)
{
    return run_on(state_->io, state_->retry(job, std::move(hook)));
}

asio::awaitable<std::optional<std::pair<unsigned, LiveOutput>>> Scheduler::live_output(Uuid job)
{
    return run_on(state_->io, state_->live_output(job));
}

asio::awaitable<std::vector<RunningAttempt>> Scheduler::running()
{
    return run_on(state_->io, state_->running_attempts());
}

std::size_t Scheduler::running_count() const noexcept
{
    return state_->running;
}

asio::awaitable<void> Scheduler::stop()
{
    return run_on(state_->io, state_->stop());
}

} // namespace belay::jobs
