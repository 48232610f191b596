#pragma once
#include "base/asio.hpp"
#include "base/byte_size.hpp"
#include "belayd/jobs/store_tables.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace belay::jobs {

/**
 * What a coroutine has asked of the store's thread and waits for.
 *
 * Shared by the two: the coroutine reads results and `error` after it was resumed, the thread before.
 */
class StoreOperation {
public:
    StoreOperation() = default;
    virtual ~StoreOperation() = default;
    StoreOperation(const StoreOperation&) = delete;
    StoreOperation& operator=(const StoreOperation&) = delete;
    StoreOperation(StoreOperation&&) = delete;
    StoreOperation& operator=(StoreOperation&&) = delete;

    /** Does it, inside a transaction.  Called again if the transaction had to be rolled back. */
    virtual void run(StoreTables& tables, Time now) = 0;

    /** Bytes that it brings. */
    [[nodiscard]] virtual Bytes weight() const noexcept { return 0; }

    /** On a disk that is full or below its floor: is refused, or tried and fails only if it does not fit. */
    enum class WhenFull : std::uint8_t { refuse, try_anyway };
    [[nodiscard]] virtual WhenFull when_full() const noexcept = 0;

    std::exception_ptr error;

    /** What is resumed, and where. */
    asio::any_io_executor executor;
    struct Waiter {
        Waiter() = default;
        virtual ~Waiter() = default;
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        Waiter(Waiter&&) = delete;
        Waiter& operator=(Waiter&&) = delete;
        virtual void resume() = 0;
    };
    std::unique_ptr<Waiter> waiter;
};

template <class Handler>
struct Suspended final : StoreOperation::Waiter {
    explicit Suspended(Handler handler) : handler_(std::move(handler)) {}
    void resume() override { std::move(handler_)(); }
    Handler handler_;
};

using StoreOperations = std::vector<std::shared_ptr<StoreOperation>>;

/** Resumes the coroutines behind `done`, each on its own executor, with one wake-up for each executor. */
void resume_all(StoreOperations done);

/**
 * Suspends the awaiting coroutine until `operation` is resumed; cancellation does not end the wait.
 *
 * @param submit called with the operation once the coroutine is suspended
 */
template <class Submit>
[[nodiscard]] asio::awaitable<void> wait_for(std::shared_ptr<StoreOperation> operation, Submit submit)
{
    operation->executor = co_await asio::this_coro::executor;
    const auto initiate = [](auto handler, std::shared_ptr<StoreOperation> initiated, Submit& submit_it) {
        initiated->waiter = std::make_unique<Suspended<decltype(handler)>>(std::move(handler));
        submit_it(std::move(initiated));
    };
    co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
        initiate, asio::use_awaitable, std::move(operation), std::ref(submit));
}

} // namespace belay::jobs
