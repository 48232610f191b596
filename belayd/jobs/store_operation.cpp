#include "belayd/jobs/store_operation.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>

namespace belay::jobs {
namespace {

/** Resumes one after the other on their common executor. */
struct ResumeInTurn {
    StoreOperations operations;
    std::size_t next = 0;

    void operator()()
    {
        while (next != operations.size()) {
            const auto operation = std::move(operations[next++]);
            const auto waiter = std::move(operation->waiter);
            try {
                waiter->resume();
            } catch (...) { // of the coroutine's own completion handler: the others are not to suffer
                asio::post(operation->executor, std::move(*this));
                throw;
            }
        }
    }
};

} // namespace

void resume_all(StoreOperations done)
{
    while (!done.empty()) {
        const auto executor = done.front()->executor;
        const auto others = std::stable_partition(
            done.begin(), done.end(), [&executor](const auto& operation) { return operation->executor == executor; });
        ResumeInTurn resume{{std::make_move_iterator(done.begin()), std::make_move_iterator(others)}};
        done.erase(done.begin(), others);
        asio::post(executor, std::move(resume));
    }
}

} // namespace belay::jobs
