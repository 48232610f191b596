#include "base/task_group.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>

#include <cassert>

namespace belay {

struct TaskGroup::Task {
    std::string_view name;
    asio::cancellation_signal cancel; // one per task: a slot holds a single handler
    std::size_t index;                // in tasks_

    Task(std::string_view task_name, std::size_t task_index) : name(task_name), index(task_index) {}
};

TaskGroup::TaskGroup(asio::any_io_executor executor, OnError on_error)
    : executor_(std::move(executor)), on_error_(std::move(on_error)),
      emptied_(executor_, asio::steady_timer::time_point::max())
{
}

TaskGroup::~TaskGroup()
{
    assert(tasks_.empty());
}

void TaskGroup::spawn(std::string_view name, asio::awaitable<void> task)
{
    tasks_.push_back(std::make_unique<Task>(name, tasks_.size()));
    Task* const entry = tasks_.back().get();
    try {
        asio::co_spawn(executor_, std::move(task),
            asio::bind_cancellation_slot(
                entry->cancel.slot(), [this, entry](std::exception_ptr error) { finish(entry, std::move(error)); }));
    } catch (...) { // no memory: it has not begun, and nothing is to wait for its end
        tasks_.pop_back();
        throw;
    }
    if (stopping_)
        entry->cancel.emit(asio::cancellation_type::terminal);
}

void TaskGroup::request_stop()
{
    stopping_ = true;
    // Emitting may end tasks at once; finish() fills a gap from the back, so walking backwards misses none.
    for (std::size_t i = tasks_.size(); i-- > 0;)
        if (i < tasks_.size())
            tasks_[i]->cancel.emit(asio::cancellation_type::terminal);
}

asio::awaitable<void> TaskGroup::wait_until_empty()
{
    while (!tasks_.empty()) {
        error_code ec;
        co_await emptied_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        if (const auto state = co_await asio::this_coro::cancellation_state;
            state.cancelled() != asio::cancellation_type::none)
            co_return;
    }
}

std::vector<std::string> TaskGroup::names() const
{
    std::vector<std::string> names;
    names.reserve(tasks_.size());
    for (const auto& task : tasks_)
        names.emplace_back(task->name);
    return names;
}

void TaskGroup::finish(const Task* task, std::exception_ptr error)
{
    const std::string_view name = task->name;
    const std::size_t index = task->index;
    std::swap(tasks_[index], tasks_.back());
    tasks_[index]->index = index;
    tasks_.pop_back();
    if (error) {
        try {
            std::rethrow_exception(error);
        } catch (const boost::system::system_error& e) {
            if (e.code() != asio::error::operation_aborted && on_error_)
                on_error_(name, error);
        } catch (...) {
            if (on_error_)
                on_error_(name, error);
        }
    }
    if (tasks_.empty())
        emptied_.cancel();
}

} // namespace belay
