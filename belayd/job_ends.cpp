#include "belayd/job_ends.hpp"

#include "daemon/log.hpp"

#include <algorithm>
#include <utility>

namespace belay {
namespace {

/** It may have ended, and what there is to tell of it cannot be had. */
struct Unreadable {};

/** Has the caller watched as long as it lives. */
class Watch {
public:
    Watch(http::Caller* caller, std::function<void()> left) : caller_(caller)
    {
        if (caller_ != nullptr)
            caller_->on_leave(std::move(left));
    }
    ~Watch()
    {
        if (caller_ != nullptr)
            caller_->on_leave({});
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    Watch(Watch&&) = delete;
    Watch& operator=(Watch&&) = delete;

private:
    http::Caller* caller_;
};

} // namespace

asio::awaitable<std::vector<std::optional<JobEnd>>> JobEnds::wait(
    std::vector<Uuid> jobs, Clock::time_point deadline, http::Request& request) const
{
    std::vector<std::optional<JobEnd>> ends(jobs.size());
    auto place = waits_.enter(jobs, co_await asio::this_coro::executor);
    if (!place)
        co_return ends;
    if (request.caller != nullptr)
        request.caller->release_body(request);
    const Watch watch{request.caller, place->give_up()};
    bool waiting = true;
    try {
        while (waiting) { // one that has just ended may have done so before we entered
            const bool all = co_await look(jobs, ends);
            waiting = !all;
            if (waiting)
                waiting = co_await place->changed(deadline);
        }
    } catch (const Unreadable&) { // nobody would be woken once more
    }
    co_return ends;
}

/** @return whether all have ended */
asio::awaitable<bool> JobEnds::look(const std::vector<Uuid>& jobs, std::vector<std::optional<JobEnd>>& ends) const
{
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (ends[i])
            continue;
        auto end = co_await find(jobs[i]);
        ends[i] = std::move(end);
    }
    co_return std::ranges::all_of(ends, [](const auto& end) { return end.has_value(); });
}

/** Nothing where it has not ended.  @throws Unreadable: then the answer is what it would have been without waiting */
asio::awaitable<std::optional<JobEnd>> JobEnds::find(Uuid job) const
{
    std::optional<JobEnd> end;
    try {
        auto detail = co_await reader_.job(job);
        if (!detail || !jobs::has_ended(detail->summary.state))
            co_return std::nullopt;
        end.emplace();
        end->job = std::move(detail->summary);
        if (!detail->attempts.empty()) {
            end->attempt = std::move(detail->attempts.back());
            auto output = co_await reader_.output(job, end->attempt->number);
            if (output)
                end->output = *std::move(output);
        }
    } catch (const boost::system::system_error&) { // cancelled
        throw;
    } catch (const std::exception& e) {
        log::warning("the end of a job cannot be read, answering without", {{"job", job}, {"error", e.what()}});
        throw Unreadable{};
    }
    co_return end;
}

} // namespace belay
