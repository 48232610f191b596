#include "belayd/jobs/store.hpp"

#include "base/failpoint.hpp"
#include "base/free_memory.hpp"
#include "belayd/jobs/netstrings.hpp"
#include "belayd/jobs/schema.hpp"
#include "belayd/jobs/store_thread.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <system_error>
#include <utility>

namespace belay::jobs {
namespace {

using Clock = std::chrono::steady_clock;
using WhenFull = StoreOperation::WhenFull;

/** An operation that is a function of the tables with one result. */
template <class Function>
class Call final : public StoreOperation {
public:
    Call(Function function, WhenFull when_full, Bytes weight)
        : function_(std::move(function)), when_full_(when_full), weight_(weight)
    {
    }
    void run(StoreTables& tables, Time time) override { result = function_(tables, time); }
    [[nodiscard]] WhenFull when_full() const noexcept override { return when_full_; }
    [[nodiscard]] Bytes weight() const noexcept override { return weight_; }

    std::invoke_result_t<Function&, StoreTables&, Time> result{};

private:
    Function function_;
    const WhenFull when_full_;
    const Bytes weight_;
};

EventRow make_row(NewEvent event)
{
    EventRow row;
    if (event.event == Uuid{}) {
        event.event = make_uuid_v7();
        event.job = make_uuid_v7();
        event.received = now();
    }
    row.arguments = join_netstrings(event.arguments);
    row.environment = join_netstrings(event.environment);
    row.files = join_files(event.files);
    free_memory(event.files);
    row.content = std::move(event);
    return row;
}

Bytes size_of(const EventRow& row)
{
    return row.content.body.size() + row.arguments.size() + row.environment.size() + row.files.size() +
           row.content.request.size();
}

/** Opens and recovers, on the constructing thread. */
StoreTables open_tables(const StoreOptions& options, Recovered& recovered)
{
    auto database = open_store_database(options.path, options.page_size, options.resumed.has_value());
    try {
        const bool resumes = options.resumed.has_value();
        StoreTables tables{std::move(database), options.boot_id, options.outside,
            resumes ? std::optional{options.resumed->counts} : std::nullopt};
        failpoint("start.recovery");
        tables.begin();
        recovered.jobs =
            tables.recover(now(), resumes ? options.resumed->attempts : std::set<std::pair<Uuid, unsigned>>{});
        (void)tables.commit();
        return tables;
    } catch (const sqlite::Error& e) {
        refuse_database(options.path, e);
    }
}

/** The result of a call that is not waited for beyond a deadline; it may come later still. */
template <class Result>
struct Answer {
    Answer(const asio::any_io_executor& executor, Clock::time_point deadline) : over(executor, deadline) {}
    asio::steady_timer over; // at once when there is one
    std::optional<Result> result;
    std::exception_ptr error;
};

} // namespace

struct Store::State {
    State(daemon::Threads& threads, daemon::Metrics& the_metrics, const StoreOptions& options,
        std::function<void(std::string)> on_failure)
        : metrics(the_metrics), limits{options.path, options.retention, options.free_space_floor},
          thread(threads, StoreMetrics{metrics.registry()}, open_tables(options, recovered), limits, health,
              std::move(on_failure))
    {
        collector = metrics.add(
            [this](std::vector<prometheus::MetricFamily>& out) { collect(thread.gauges(), health.available(), out); });
    }

    /** Runs `function` on the store's thread, in a transaction with what else waits. */
    template <class Function>
    asio::awaitable<std::invoke_result_t<Function&, StoreTables&, Time>> call(
        Function function, WhenFull when_full, Bytes weight = 0)
    {
        const auto operation = std::make_shared<Call<Function>>(std::move(function), when_full, weight);
        const auto submit = [this](std::shared_ptr<StoreOperation> it) { thread.submit(std::move(it)); };
        co_await wait_for(operation, submit);
        if (operation->error)
            std::rethrow_exception(operation->error);
        co_return std::move(operation->result);
    }

    /** Likewise, whether or not there is room. @throws StoreUnavailable if it is not over at `deadline` */
    template <class Function>
    asio::awaitable<std::invoke_result_t<Function&, StoreTables&, Time>> call_until(
        Clock::time_point deadline, Function function)
    {
        using Result = std::invoke_result_t<Function&, StoreTables&, Time>;
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        const auto answer = std::make_shared<Answer<Result>>(executor, deadline);
        asio::co_spawn(executor, call(std::move(function), WhenFull::try_anyway),
            [answer](std::exception_ptr error, Result result) {
                if (!error)
                    answer->result = std::move(result);
                answer->error = std::move(error);
                answer->over.expires_at(Clock::time_point::min());
            });
        error_code answered;
        co_await answer->over.async_wait(asio::redirect_error(asio::use_awaitable, answered));
        if (answer->result)
            co_return std::move(*answer->result);
        if (answer->error)
            std::rethrow_exception(answer->error);
        throw StoreUnavailable{"the store was still at work when it was time"};
    }

    void check_available() const
    {
        if (!health.available())
            throw StoreUnavailable{health.reason()};
    }

    daemon::Metrics& metrics;
    StoreLimits limits;
    StoreHealth health;
    Recovered recovered;
    StoreThread thread;
    std::size_t collector = 0;
    bool closed = false;
};

Store::Store(daemon::Threads& threads, daemon::Metrics& metrics, StoreOptions options,
    std::function<void(std::string reason)> on_failure)
    : state_(std::make_unique<State>(threads, metrics, options, std::move(on_failure)))
{
}

Store::~Store()
{
    close();
}

Recovered Store::take_recovered() noexcept
{
    return std::exchange(state_->recovered, {});
}

void Store::on_queued(std::function<void(const std::vector<std::string>& hooks)> callback)
{
    state_->thread.on_queued(std::move(callback));
}

void Store::on_ended(std::function<void(const std::vector<Uuid>& jobs)> callback)
{
    state_->thread.on_ended(std::move(callback));
}

asio::awaitable<Accepted> Store::accept(NewEvent event)
{
    std::vector<NewEvent> events;
    events.push_back(std::move(event));
    const std::vector<Accepted> accepted = co_await accept(std::move(events));
    co_return accepted.front();
}

asio::awaitable<std::vector<Accepted>> Store::accept(std::vector<NewEvent> events)
{
    state_->check_available();
    std::vector<EventRow> rows;
    Bytes weight = 0;
    for (NewEvent& event : events) {
        rows.push_back(make_row(std::move(event)));
        weight += size_of(rows.back());
    }
    auto accept_rows = [rows = std::move(rows)](StoreTables& tables, Time) { return tables.accept(rows); };
    Acceptance acceptance;
    try {
        acceptance = co_await state_->call(std::move(accept_rows), WhenFull::refuse, weight);
    } catch (const std::system_error& e) {
        if (is_shortage(e.code().value()))
            throw StoreUnavailable{e.what()};
        throw;
    }
    if (!acceptance.full.empty())
        throw QueueFull{"hook " + acceptance.full + " has as many jobs queued as it may"};
    co_return std::move(acceptance.accepted);
}

asio::awaitable<std::vector<ClaimedJob>> Store::claim(std::size_t limit, HookRoom room)
{
    auto claim_jobs = [limit, room = std::move(room)](
                          StoreTables& tables, Time time) { return tables.claim(limit, room, time); };
    try {
        co_return co_await state_->call(std::move(claim_jobs), WhenFull::refuse);
    } catch (const StoreUnavailable&) {
        if (state_->health.failed() || state_->closed)
            throw;
    }
    co_return std::vector<ClaimedJob>{}; // nothing starts whose end could not be recorded
}

asio::awaitable<bool> Store::finish(Uuid job, unsigned attempt, AttemptResult result, NextStep next)
{
    auto finish_job = [job, attempt, result = std::move(result), next = std::move(next)](
                          StoreTables& tables, Time time) { return tables.finish(job, attempt, result, next, time); };
    co_return co_await state_->call(std::move(finish_job), WhenFull::try_anyway);
}

asio::awaitable<std::optional<JobState>> Store::cancel(Uuid job, std::string reason)
{
    auto cancel_job = [job, reason = std::move(reason)](
                          StoreTables& tables, Time time) { return tables.cancel(job, reason, time); };
    co_return co_await state_->call(std::move(cancel_job), WhenFull::try_anyway);
}

asio::awaitable<std::optional<JobState>> Store::retry(Uuid job)
{
    auto retry_job = [job](StoreTables& tables, Time time) { return tables.retry(job, time); };
    co_return co_await state_->call(std::move(retry_job), WhenFull::try_anyway);
}

asio::awaitable<std::size_t> Store::cancel_orphans(std::set<std::string> keep, std::string reason)
{
    constexpr std::size_t step = 500; // in one transaction, so that none is long
    auto cancel_some = [keep = std::move(keep), reason = std::move(reason)](
                           StoreTables& tables, Time time) { return tables.cancel_orphans(keep, reason, step, time); };
    co_return co_await state_->call(std::move(cancel_some), WhenFull::try_anyway);
}

asio::awaitable<std::optional<Time>> Store::next_due(HookRoom room)
{
    auto find_next = [room = std::move(room)](StoreTables& tables, Time) { return tables.next_due(room); };
    co_return co_await state_->call(std::move(find_next), WhenFull::try_anyway);
}

asio::awaitable<void> Store::checkpoint(Clock::time_point deadline)
{
    state_->thread.checkpoint_soon();
    const auto nothing = [](StoreTables&, Time) { return true; };
    (void)co_await state_->call_until(deadline, nothing); // upkeep follows this one
    (void)co_await state_->call_until(deadline, nothing); // and precedes this one
}

asio::awaitable<JobCounts::ByHook> Store::freeze(Clock::time_point deadline)
{
    state_->thread.rest(true); // what the thread does before it answers has begun before
    try {
        co_return co_await state_->call_until(
            deadline, [](StoreTables& tables, Time) { return tables.counts().by_hook(); });
    } catch (...) {
        thaw();
        throw;
    }
}

void Store::thaw() noexcept
{
    state_->thread.rest(false);
}

void Store::reconfigure(std::chrono::milliseconds retention, Bytes free_space_floor)
{
    state_->limits.retention = retention;
    state_->limits.free_space_floor = free_space_floor;
}

std::string Store::unavailable() const
{
    return state_->health.reason();
}

std::map<std::string, Time> Store::oldest_ready() const
{
    const auto& gauges = state_->thread.gauges();
    const std::scoped_lock lock{gauges.mutex};
    return gauges.oldest_ready;
}

std::array<std::uint64_t, job_states> Store::counts() const
{
    std::array<std::uint64_t, job_states> counts{};
    for (std::size_t state = 0; state < job_states; ++state)
        counts[state] = state_->thread.gauges().jobs[state].load(std::memory_order_relaxed);
    return counts;
}

void Store::close() noexcept
{
    if (std::exchange(state_->closed, true))
        return;
    state_->metrics.remove(state_->collector);
    state_->thread.close();
}

} // namespace belay::jobs
