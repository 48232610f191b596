#include "daemon/log_thread.hpp"

#include "daemon/log_output.hpp"

#include <spdlog/spdlog.h>

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

namespace belay::daemon {
namespace {

using Clock = std::chrono::steady_clock;

// What may wait while the log socket is stuck: minutes of ordinary life, and a bound for what a peer can provoke.
constexpr std::size_t queue_records = 8192;
constexpr std::size_t queue_bytes = 8U << 20U;
constexpr std::chrono::seconds finish_patience{2};
constexpr std::chrono::milliseconds direct_patience{200};

log::Record drop_report(std::uint64_t count)
{
    return {.level = log::Level::warning,
        .time = std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now()),
        .message = "log records dropped, continuing",
        .fields = {{"dropped", count}}};
}

/** The queue between the threads that log and the thread "log"; after that thread's end, callers write themselves. */
class QueueSink final : public log::RecordSink {
public:
    explicit QueueSink(std::unique_ptr<LogOutput> output) : output_(std::move(output)) {}

    /** The thread "log": returns after finish(), when all is written. */
    void run(Heartbeat& heartbeat)
    try {
        write_what_comes(heartbeat);
    } catch (...) { // out of memory: its last words it writes itself
        const std::scoped_lock lock{mutex_};
        direct_ = true;
        throw;
    }

    void finish()
    {
        give_up_at_ = (Clock::now() + finish_patience).time_since_epoch().count();
        const std::scoped_lock lock{mutex_};
        finishing_ = true;
        wake_.notify_one();
    }

    void flush_within(std::chrono::milliseconds patience) noexcept override
    {
        std::unique_lock lock{mutex_};
        written_.wait_for(lock, patience, [this] { return direct_ || (queue_.empty() && !writing_); });
    }

    [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_.load(std::memory_order_relaxed); }

private:
    void write_what_comes(Heartbeat& heartbeat)
    {
        const auto keep_waiting = [this] {
            const auto limit = give_up_at_.load(std::memory_order_relaxed);
            return limit == 0 || Clock::now().time_since_epoch().count() < limit;
        };
        for (;;) {
            std::unique_lock lock{mutex_};
            writing_ = false;
            written_.notify_all();
            wake_.wait_for(lock, Heartbeat::interval, [this] { return finishing_ || !queue_.empty(); });
            heartbeat.beat();
            auto batch = std::exchange(queue_, {});
            bytes_ = 0;
            if (const auto count = std::exchange(unreported_, 0); count != 0)
                batch.push_back(drop_report(count)); // what was dropped came after what was queued
            writing_ = !batch.empty();
            direct_ = finishing_ && batch.empty();
            if (direct_)
                return;
            lock.unlock();
            for (const auto& record : batch) {
                const Heartbeat::HarmlessWait wait{heartbeat}; // a stuck reader is neither a wedge nor a slow disk
                if (!output_->write(record, keep_waiting))
                    dropped_.fetch_add(1, std::memory_order_relaxed);
            }
        }
    }

    void take(log::Record record) override
    {
        const auto size = record.size();
        const std::scoped_lock lock{mutex_};
        if (direct_) {
            const auto limit = Clock::now() + direct_patience;
            if (!output_->write(record, [limit] { return Clock::now() < limit; }))
                dropped_.fetch_add(1, std::memory_order_relaxed);
        } else if (queue_.size() >= queue_records || bytes_ + size > queue_bytes) {
            ++unreported_;
            dropped_.fetch_add(1, std::memory_order_relaxed);
        } else {
            queue_.push_back(std::move(record));
            bytes_ += size;
            if (queue_.size() == 1)
                wake_.notify_one();
        }
    }

    std::mutex mutex_; // guards what follows, up to the blank line
    std::condition_variable wake_;
    std::condition_variable written_;
    std::deque<log::Record> queue_;
    std::size_t bytes_ = 0;        // of text in queue_
    std::uint64_t unreported_ = 0; // dropped since the last report
    bool writing_ = false;         // the thread has some that are no longer in queue_
    bool finishing_ = false;
    bool direct_ = false;

    std::unique_ptr<LogOutput> output_; // the thread "log"'s; once direct_, under the mutex
    std::atomic<std::uint64_t> dropped_{0};
    std::atomic<Clock::rep> give_up_at_{0}; // 0: never
};

} // namespace

struct LogThread::State {
    std::shared_ptr<QueueSink> sink; // shared with the logger, which outlives this
    std::shared_ptr<spdlog::logger> logger;
    Thread thread;
};

LogThread::LogThread(Threads& threads, LogOptions options) : state_(std::make_unique<State>())
{
    state_->sink = std::make_shared<QueueSink>(open_log_output(options));
    state_->logger = std::make_shared<spdlog::logger>(options.identifier, state_->sink);
    state_->thread = threads.start("log", [sink = state_->sink](Heartbeat& heartbeat) { sink->run(heartbeat); });
    set_level(options.level);
    spdlog::set_default_logger(state_->logger);
}

LogThread::~LogThread()
{
    stop();
}

void LogThread::set_level(log::Level level) noexcept
{
    state_->logger->set_level(log::to_spdlog(level));
}

std::uint64_t LogThread::dropped() const noexcept
{
    return state_->sink->dropped();
}

void LogThread::stop()
{
    state_->sink->finish();
    state_->thread.join();
}

} // namespace belay::daemon
