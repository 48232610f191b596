#include "belayd/jobs/scheduler_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace belay::jobs {
namespace {

using Clock = std::chrono::steady_clock;

/** What is of use once the command has been executed. */
ClaimedJob without_content(ClaimedJob job)
{
    job.content_type = {};
    job.arguments = {};
    job.environment = {};
    return job;
}

} // namespace

asio::awaitable<std::vector<HandedAttempt>> Scheduler::State::freeze(Clock::time_point deadline)
{
    freezing = true;
    while ((claiming || ending_leftovers) && Clock::now() < deadline)
        co_await changes.wait_until(deadline);
    std::vector<HandedAttempt> handed;
    if (!claiming) // what it brings is started and detached like the others
        handed = detach();
    const auto in_our_hands = [this](const HandedAttempt& attempt) { return entries.contains(attempt.job.job); };
    while (std::any_of(handed.begin(), handed.end(), in_our_hands))
        co_await changes.wait_until(Clock::time_point::max()); // for its coroutine to notice
    while (!quiet() && Clock::now() < deadline)
        co_await changes.wait_until(deadline);
    if (!quiet()) {
        const std::string trouble = entries.empty()
                                        ? "the store has not answered in time"
                                        : fmt::format("the store has not taken {} results in time", entries.size());
        freezing = false;
        for (HandedAttempt& attempt : handed)
            resume(std::move(attempt));
        wake();
        throw std::runtime_error{claiming ? "the store has not answered a claim in time" : trouble};
    }
    frozen = true;
    stopping = true;
    store.on_queued({});
    wake();
    co_await tasks.wait_until_empty();
    co_return handed;
}

/** What has ended, or has not begun, is not handed over: it ends here, and the store learns of it. */
std::vector<HandedAttempt> Scheduler::State::detach()
{
    std::vector<HandedAttempt> handed;
    handed.reserve(entries.size());
    for (const auto& [job, entry] : entries) {
        if (entry->ended)
            continue;
        if (std::optional<HandedRun> run = entry->runner.hand_over())
            handed.push_back(
                {without_content(entry->job), entry->rules, entry->cancelled, entry->begun, std::move(*run)});
        else
            entry->runner.stop(AttemptRunner::Stop::interrupt);
    }
    return handed;
}

/** Whatever the rules bound now: it runs. */
void Scheduler::State::resume(HandedAttempt handed)
{
    begin(std::make_unique<Entry>(std::move(handed), adopted, oom));
}

} // namespace belay::jobs
