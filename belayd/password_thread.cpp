#include "belayd/password_thread.hpp"

#include "base/run_on.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <source_location>
#include <utility>

namespace belay {
namespace {

/** One of those that wait, counted as long as it does. */
class Place {
public:
    explicit Place(std::atomic<unsigned>& waiting) noexcept : waiting_(waiting), number_(++waiting) {}
    ~Place() { --waiting_; }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    Place(Place&&) = delete;
    Place& operator=(Place&&) = delete;

    [[nodiscard]] unsigned number() const noexcept { return number_; }

private:
    std::atomic<unsigned>& waiting_;
    const unsigned number_;
};

/** When it comes, what was being hashed is over, and whoever waits rests at the next turn. */
asio::awaitable<void> take_turn()
{
    co_return;
}

} // namespace

void PasswordThread::start()
{
    if (!loop_)
        loop_.emplace(threads_, "passwords", std::source_location::current());
}

asio::awaitable<PasswordThread::Answer> PasswordThread::check(Question question)
{
    const Place place{waiting_};
    if (place.number() > most_waiting)
        co_return Answer{.outcome = Answer::Outcome::busy};
    asio::awaitable<Answer> looking = look(std::move(question));
    co_return co_await run_on(loop_->io(), std::move(looking));
}

/** On the thread: a turn for each file, so that it beats, and rests, in between. */
asio::awaitable<PasswordThread::Answer> PasswordThread::look(Question question) const
{
    hooks::PasswordSearch search{question.passwords, std::move(question.credentials), question.now};
    bool more = true;
    while (more) {
        if (resting_ && !question.insists)
            co_return Answer{.outcome = Answer::Outcome::resting};
        more = search.try_next();
        if (more)
            co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
    }
    co_return Answer{.file = search.found()};
}

asio::awaitable<void> PasswordThread::rest()
{
    resting_ = true;
    if (!loop_)
        co_return;
    asio::awaitable<void> turn = take_turn();
    co_await run_on(loop_->io(), std::move(turn));
}

} // namespace belay
