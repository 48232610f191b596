#pragma once
#include "base/asio.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay {

/**
 * The coroutines that a service has running and that nobody awaits.
 *
 * Each task has a name and a cancellation signal of its own.  What escapes a task goes to `on_error`; a cancelled
 * task's operation_aborted does not.
 *
 * Lifetime: must be empty before it and what its tasks borrow go away: request_stop(), then await wait_until_empty().
 * Threads: confined to the executor.
 */
class TaskGroup {
public:
    using OnError = std::function<void(std::string_view task, std::exception_ptr error)>;

    TaskGroup(asio::any_io_executor executor, OnError on_error);
    ~TaskGroup();
    TaskGroup(const TaskGroup&) = delete;
    TaskGroup& operator=(const TaskGroup&) = delete;
    TaskGroup(TaskGroup&&) = delete;
    TaskGroup& operator=(TaskGroup&&) = delete;

    /** Starts `task`; after request_stop() it is started cancelled. `name` must be a literal or outlive the task. */
    void spawn(std::string_view name, asio::awaitable<void> task);

    /** Cancels every task (terminal cancellation).  Returns at once; repeating it is fine. */
    void request_stop();

    /** Returns when no task is left.  Cancelling it stops the waiting, not the tasks. */
    [[nodiscard]] asio::awaitable<void> wait_until_empty();

    [[nodiscard]] std::size_t size() const noexcept { return tasks_.size(); }

    /** Names of the running tasks, for reports. */
    [[nodiscard]] std::vector<std::string> names() const;

private:
    struct Task;

    void finish(const Task* task, std::exception_ptr error);

    asio::any_io_executor executor_;
    OnError on_error_;
    std::vector<std::unique_ptr<Task>> tasks_;
    asio::steady_timer emptied_; // never expires; cancelled when the last task ends
    bool stopping_ = false;
};

} // namespace belay
