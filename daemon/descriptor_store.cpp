#include "daemon/descriptor_store.hpp"

#include "daemon/log.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view document_name = "belay-hand-over";
constexpr std::string_view socket_name = "belay-connection";

/** PID 1 and the bus answer within milliseconds; a restart must not wait for long where they do not. */
constexpr auto patience = 1s;

/** The names of all descriptors are one variable, LISTEN_FDNAMES: beyond MAX_ARG_STRLEN, execve(2), nothing starts. */
constexpr std::size_t most_sockets = (128 * 1024 - 4 * 1024) / (socket_name.size() + 1);

/** $FDSTORE, from systemd 254 on. */
std::size_t declared_room(const signals::Environment& environment)
{
    const char* const text = environment("FDSTORE");
    std::size_t room = 0;
    if (text != nullptr)
        std::from_chars(text, text + std::char_traits<char>::length(text), room);
    return room;
}

UniqueFd duplicate(int fd)
{
    const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw std::system_error{errno, std::system_category(), "cannot duplicate a descriptor"};
    return UniqueFd{copy};
}

/** @throws HandoverError, std::system_error */
std::vector<signals::Notification> storage_of(const Handover& handover)
{
    std::vector<UniqueFd> document;
    document.push_back(handover.seal_by_cookie());
    std::vector<UniqueFd> sockets; // copies: the thread must not send what has been closed meanwhile
    for (const int socket : handover.descriptors())
        sockets.push_back(duplicate(socket));
    auto messages = signals::store_notifications(document_name, std::move(document));
    std::ranges::move(signals::store_notifications(socket_name, std::move(sockets)), std::back_inserter(messages));
    return messages;
}

} // namespace

DescriptorStore::DescriptorStore(Threads& threads, NotifyThread& notify, signals::Manager manager,
    signals::Environment environment, std::vector<signals::PassedSocket> found)
    : threads_(threads), notify_(notify), manager_(manager), environment_(std::move(environment)),
      found_(std::move(found))
{
}

asio::awaitable<std::optional<Handover>> DescriptorStore::take()
{
    if (found_.empty())
        co_return std::nullopt;
    asio::awaitable<bool> removed = notify_.deliver(removal(), patience);
    const bool empty = co_await std::move(removed);
    if (!empty)
        log::warning("the manager does not let go of stored descriptors: connections may stay open");
    std::optional<Handover> handover = read();
    found_.clear();
    co_return handover;
}

/** Of every name that was found. */
std::vector<signals::Notification> DescriptorStore::removal() const
{
    std::set<std::string_view> names{document_name, socket_name};
    for (const signals::PassedSocket& socket : found_)
        names.insert(socket.name);
    std::vector<signals::Notification> messages;
    for (const std::string_view name : names)
        messages.push_back({signals::removal_message(name)});
    return messages;
}

std::optional<Handover> DescriptorStore::read()
{
    UniqueFd document;
    std::vector<UniqueFd> sockets;
    for (signals::PassedSocket& found : found_)
        if (found.name == document_name)
            document = std::move(found.fd);
        else if (found.name == socket_name)
            sockets.push_back(std::move(found.fd));
        else
            log::warning("closing a descriptor that this daemon did not store", {{"name", found.name}});
    std::optional<Handover> handover;
    try {
        if (document)
            handover = Handover::collect(document.get(), sockets);
    } catch (const HandoverError& e) {
        log::error("cannot take over what was stored, ignoring", {{"error", e.what()}});
    }
    if (!sockets.empty())
        log::warning("closing stored connections that nothing is known of", {{"connections", sockets.size()}});
    return handover;
}

asio::awaitable<std::size_t> DescriptorStore::room()
{
    if (manager_ != signals::Manager::systemd || !signals::has_service_manager())
        co_return 0;
    std::size_t room = declared_room(environment_);
    if (signals::is_a_units_process(environment_)) { // else the unit around us is another's
        const std::optional<signals::UnitStop> stop = co_await ask_systemd();
        if (stop)
            room = stop->restart ? stop->descriptors : 0;
    }
    co_return std::min(room, most_sockets + 1) - (room > 0 ? 1 : 0); // one is for the document
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
    try {
        messages = storage_of(handover);
    } catch (const std::runtime_error& e) {
        log::warning("cannot store connections, closing them", {{"error", e.what()}});
        co_return false;
    }
    asio::awaitable<bool> delivery = notify_.deliver(std::move(messages), patience);
    const bool delivered = co_await std::move(delivery);
    if (delivered)
        co_return true;
    log::warning("the manager does not store connections, closing them");
    for (signals::Notification& message : removal())
        notify_.state(std::move(message.text));
    co_return false;
}

} // namespace belay::daemon
