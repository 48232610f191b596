#include "daemon/descriptor_store.hpp"

#include "base/failpoint.hpp"
#include "daemon/log.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view own_name = "belay-hand-over";

/** PID 1 and the bus answer within milliseconds; a restart must not wait for long where they do not. */
constexpr auto patience = 1s;

/** $FDSTORE, from systemd 254 on. */
std::size_t declared_room(const signals::Environment& environment)
{
    const char* const text = environment("FDSTORE");
    std::size_t room = 0;
    if (text != nullptr)
        std::from_chars(text, text + std::char_traits<char>::length(text), room);
    return room;
}

/** A socket in whose queue it all waits, and whose other end is closed. @throws HandoverError, std::system_error */
UniqueFd queue_of(const Handover& handover)
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::system_category(), "cannot create a pair of sockets"};
    UniqueFd queue{ends[0]};
    const UniqueFd writer{ends[1]};
    handover.send(writer.get());
    return queue;
}

} // namespace

DescriptorStore::DescriptorStore(Threads& threads, NotifyThread& notify, signals::Manager manager,
    signals::Environment environment, std::vector<signals::PassedSocket> found)
    : threads_(threads), notify_(notify), manager_(manager), environment_(std::move(environment)),
      found_(std::move(found))
{
}

std::optional<Handover> DescriptorStore::take()
{
    std::optional<Handover> handover;
    std::set<std::string> names;
    for (const signals::PassedSocket& found : found_) {
        names.insert(found.name);
        if (found.name != own_name || handover)
            log::warning("closing a descriptor that this daemon did not store", {{"name", found.name}});
        else
            handover = read(found.fd.get());
    }
    found_.clear();
    failpoint("start.taken");
    for (const std::string& name : names)
        notify_.state(signals::removal_message(name));
    return handover;
}

std::optional<Handover> DescriptorStore::read(int queue)
try {
    return Handover::receive(queue);
} catch (const HandoverError& e) {
    log::error("cannot take over what was stored, ignoring", {{"error", e.what()}});
    return std::nullopt;
}

asio::awaitable<bool> DescriptorStore::has_room()
{
    if (manager_ != signals::Manager::systemd || !signals::has_service_manager())
        co_return false;
    if (!signals::is_a_units_process(environment_)) // the unit around us is another's
        co_return declared_room(environment_) > 0;
    const std::optional<signals::UnitStop> stop = co_await ask_systemd();
    co_return stop && stop->restart && stop->room > 0;
}

struct DescriptorStore::Question {
    explicit Question(asio::any_io_executor executor)
        : answered(std::move(executor), asio::steady_timer::time_point::max())
    {
    }

    std::optional<signals::UnitStop> answer;
    asio::steady_timer answered; // never expires; cancelled when the answer stands
};

asio::awaitable<std::optional<signals::UnitStop>> DescriptorStore::ask_systemd()
{
    const auto question = std::make_shared<Question>(co_await asio::this_coro::executor);
    Thread thread;
    try {
        thread = threads_.start("manager", [question, environment = environment_](Heartbeat& heartbeat) {
            const Heartbeat::HarmlessWait wait{heartbeat}; // the bus may block
            question->answer = signals::unit_stop(environment, patience);
            asio::post(question->answered.get_executor(), [question] { question->answered.cancel(); });
        });
    } catch (const std::system_error&) { // no thread to be had
        co_return std::nullopt;
    }
    error_code ec;
    co_await question->answered.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    thread.join();
    co_return question->answer;
}

asio::awaitable<bool> DescriptorStore::put(const Handover& handover)
{
    std::vector<signals::Notification> messages;
    messages.push_back({signals::storage_message(own_name)});
    try {
        messages.back().descriptors.push_back(queue_of(handover));
    } catch (const std::runtime_error& e) {
        log::warning("cannot store connections, closing them", {{"error", e.what()}});
        co_return false;
    }
    failpoint("restart.frozen");
    asio::awaitable<bool> delivery = notify_.deliver(std::move(messages), patience);
    const bool delivered = co_await std::move(delivery);
    failpoint("restart.stored");
    if (!delivered) {
        log::warning("the manager does not store connections, closing them");
        notify_.state(signals::removal_message(own_name));
    }
    co_return delivered;
}

} // namespace belay::daemon
