#include "belayd/jobs/store_reader.hpp"

#include "base/run_on.hpp"
#include "belayd/jobs/reader_queries.hpp"
#include "belayd/jobs/schema.hpp"
#include "belayd/jobs/store.hpp"

#include <boost/asio/executor_work_guard.hpp>

#include <atomic>
#include <type_traits>

namespace belay::jobs {

struct StoreReader::State {
    State(daemon::Threads& threads, const std::string& path)
        : queries(open_reader_database(path)), io(std::make_unique<asio::io_context>(1)),
          work(asio::make_work_guard(*io)),
          thread(threads.start("reader", [this](daemon::Heartbeat& beat) { run(beat); }))
    {
    }

    void run(daemon::Heartbeat& beat)
    {
        heartbeat = &beat;
        while (!io->stopped()) { // stopped: close() took the work guard and every query is done
            heartbeat->beat();
            io->run_for(daemon::Heartbeat::interval);
        }
    }

    template <class Function>
    using ResultOf = std::invoke_result_t<Function&, ReaderQueries&>;

    /** Runs on the reader's loop. */
    template <class Function>
    asio::awaitable<ResultOf<Function>> query_here(Function function)
    {
        const daemon::Heartbeat::DiskWait wait{*heartbeat};
        co_return function(*queries);
    }

    template <class Function>
    asio::awaitable<ResultOf<Function>> query(Function function)
    {
        if (closed)
            throw StoreUnavailable{"the store is closed"};
        auto task = query_here(std::move(function));
        co_return co_await run_on(*io, std::move(task));
    }

    std::optional<ReaderQueries> queries;
    std::unique_ptr<asio::io_context> io;
    asio::executor_work_guard<asio::io_context::executor_type> work;
    std::atomic<bool> closed{false};
    daemon::Heartbeat* heartbeat = nullptr; // set on the thread before the loop turns
    daemon::Thread thread;                  // last: uses all of the above
};

StoreReader::StoreReader(daemon::Threads& threads, std::string path) : state_(std::make_unique<State>(threads, path)) {}

StoreReader::~StoreReader()
{
    close();
}

asio::awaitable<std::vector<JobSummary>> StoreReader::jobs(Page page)
{
    auto read = [page = std::move(page)](ReaderQueries& queries) { return queries.jobs(page); };
    co_return co_await state_->query(std::move(read));
}

asio::awaitable<std::optional<JobDetail>> StoreReader::job(Uuid id)
{
    auto read = [id](ReaderQueries& queries) { return queries.job(id); };
    co_return co_await state_->query(std::move(read));
}

asio::awaitable<std::vector<EventSummary>> StoreReader::events(Page page)
{
    auto read = [page = std::move(page)](ReaderQueries& queries) { return queries.events(page); };
    co_return co_await state_->query(std::move(read));
}

asio::awaitable<std::optional<StoredRequest>> StoreReader::request(Uuid event)
{
    auto read = [event](ReaderQueries& queries) { return queries.request(event); };
    co_return co_await state_->query(std::move(read));
}

asio::awaitable<std::optional<AttemptOutput>> StoreReader::output(Uuid job, unsigned attempt)
{
    auto read = [job, attempt](ReaderQueries& queries) { return queries.output(job, attempt); };
    co_return co_await state_->query(std::move(read));
}

asio::awaitable<std::vector<std::pair<std::string, std::uint64_t>>> StoreReader::queued_by_hook()
{
    auto read = [](ReaderQueries& queries) { return queries.queued_by_hook(); };
    co_return co_await state_->query(std::move(read));
}

void StoreReader::close() noexcept
{
    if (state_->closed.exchange(true))
        return;
    state_->work.reset();
    state_->thread.join();
    state_->queries.reset();
    state_->io.reset(); // its descriptors
}

} // namespace belay::jobs
