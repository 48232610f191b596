#include "daemon/upgrade.hpp"

#include "base/failpoint.hpp"
#include "daemon/handed_server.hpp"
#include "daemon/log.hpp"
#include "daemon/successor.hpp"
#include "signals/handled_signals.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <boost/system/system_error.hpp>
#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;

/** For the new executable to read the configuration and look at the store. */
constexpr auto answer_patience = 10s;

/** For what can be done while everybody is still served. */
constexpr auto settle_patience = 2s;

/** Longer than this nobody is left waiting: what is not over by then undoes the upgrade. */
constexpr auto longest_freeze = 1s;

/** For what was said before to leave the process: to the manager, to the log, and what the freeze itself adds to that.
 */
constexpr auto flush_patience = 500ms;
constexpr auto frozen_flush_patience = 100ms;

/** Of the main loop, until a signal that was delivered has reached whom it concerns: reactor, queue, coroutine. */
constexpr int turns_for_signals = 8;

/** Of a vector of strings what execve(2) wants; it must outlive the result. */
std::vector<char*> pointers(std::vector<std::string>& strings)
{
    std::vector<char*> pointers;
    for (std::string& string : strings)
        pointers.push_back(string.data());
    pointers.push_back(nullptr);
    return pointers;
}

} // namespace

Upgrade::Upgrade(Parts parts, Executable executable, std::vector<std::string> arguments)
    : parts_(parts), executable_(std::move(executable)), arguments_(std::move(arguments))
{
}

asio::awaitable<std::optional<std::string>> Upgrade::perform(Service& service, bool insist)
{
    auto* const upgradable = dynamic_cast<Upgradable*>(&service);
    if (upgradable == nullptr)
        co_return insist ? std::optional<std::string>{"this daemon cannot be upgraded in place"} : std::nullopt;
    const std::optional<Executable::File> found = wanted(insist);
    if (!found) {
        if (!insist)
            co_return std::nullopt;
        co_return fmt::format("{} is the executable that runs: nothing to upgrade to", executable_.path());
    }
    parts_.lifecycle.show_upgrading();
    const std::optional<std::string> no = co_await ask(*upgradable, answer_patience);
    if (parts_.lifecycle.stopping())
        co_return "not upgraded: the daemon is stopping";
    if (no)
        co_return fmt::format("not upgraded, {} cannot take over: {}", executable_.path(), *no);
    (void)co_await parts_.notify.flush(flush_patience);
    log::flush(flush_patience);
    failpoint("upgrade.asked");
    std::string trouble;
    try {
        trouble = co_await replace(*upgradable, *found);
    } catch (const std::exception& e) { // half frozen: only a new process can help
        trouble = e.what();
        parts_.lifecycle.fail(ExitCode::internal, "the upgrade broke off: " + trouble);
    }
    co_return "not upgraded: " + trouble;
}

/** The file that lies there, if it is another build.  That it cannot be told is an error only to who insists. */
std::optional<Executable::File> Upgrade::wanted(bool insist) const
try {
    const Heartbeat::DiskWait wait;
    const Executable::File found = executable_.file(); // first: what comes later is not what is asked
    return executable_.changed() ? std::optional{found} : std::nullopt;
} catch (const std::runtime_error& e) {
    if (insist)
        throw;
    log::warning("cannot tell whether to upgrade, reloading only", {{"error", e.what()}});
    return std::nullopt;
}

asio::awaitable<std::optional<std::string>> Upgrade::ask(const Upgradable& service, std::chrono::milliseconds patience)
{
    std::vector<std::string> question = arguments_;
    question.push_back(fmt::format("--can-resume={}", handover_version));
    for (const std::string& listener : parts_.admin_listeners)
        question.push_back("--running-listener=" + listener);
    for (const signals::PassedSocket& socket : parts_.passed)
        question.push_back("--running-passed=" + socket.name);
    std::ranges::move(service.question(), std::back_inserter(question));
    // On another loop than main, whose adopted children are nobody's but the jobs'.
    asio::awaitable<std::optional<std::string>> task = ask_successor(executable_.path(), std::move(question), patience);
    asio::awaitable<std::optional<std::string>> answer = asio::co_spawn(parts_.admin.io(), std::move(task),
        asio::bind_cancellation_slot(parts_.lifecycle.stop_slot(), asio::use_awaitable));
    try {
        co_return co_await std::move(answer);
    } catch (const boost::system::system_error& e) { // cancelled
        co_return std::string{e.what()};
    }
}

/** @return why everything goes on as before */
asio::awaitable<std::string> Upgrade::replace(Upgradable& service, Executable::File asked)
{
    Handover out;
    std::optional<std::string> busy = co_await service.settle(Clock::now() + settle_patience);
    if (busy)
        co_return *busy;
    const auto begin = Clock::now();
    const auto deadline = begin + longest_freeze;
    busy = co_await service.freeze(out, deadline);
    if (busy)
        co_return *busy;
    parts_.lifecycle.leave_waiters();
    const bool frozen = co_await freeze_core(out, deadline);
    if (!frozen) // the control socket takes requests already
        parts_.lifecycle.keep_waiters();
    failpoint("upgrade.frozen");
    signals::block_handled_signals(); // they wait for the handlers of the next image, execve(2) keeps them pending
    const asio::any_io_executor main = co_await asio::this_coro::executor;
    for (int turn = 0; turn < turns_for_signals; ++turn) // what was delivered before is seen now
        co_await asio::post(main, asio::use_awaitable);
    std::string trouble;
    if (!frozen) {
        trouble = "a request to the admin port or the control socket was still being handled after 1 s";
    } else if (parts_.lifecycle.stopping()) {
        trouble = "the daemon is stopping";
    } else {
        out.document["lifecycle"] = parts_.lifecycle.handed(); // only now: a reload may just have been asked for
        const std::chrono::duration<double> freeze = Clock::now() - begin;
        log::info("upgrading", {{"executable", executable_.path()}, {"freeze_seconds", freeze.count()}});
        trouble = exec(out, asked, deadline);
    }
    parts_.lifecycle.keep_waiters();
    signals::unblock_handled_signals();
    co_await service.thaw(out);
    if (frozen)
        co_await thaw_core(out);
    co_return trouble;
}

asio::awaitable<bool> Upgrade::freeze_core(Handover& out, Clock::time_point deadline)
{
    std::optional<Admin::Handed> admin = co_await parts_.admin.freeze(deadline);
    if (!admin)
        co_return false;
    json::array passed;
    for (signals::PassedSocket& socket : parts_.passed)
        passed.push_back({{"name", socket.name}, {"fd", out.give(std::move(socket.fd))}});
    parts_.passed.clear();
    out.document["passed_sockets"] = std::move(passed);
    out.document["admin"] = to_json(std::move(admin->admin), out);
    out.document["control"] = to_json(std::move(admin->control), out);
    out.document["metrics"] = parts_.metrics.handed();
    out.document["strangers"] = parts_.leaks.handed();
    co_return true;
}

asio::awaitable<void> Upgrade::thaw_core(Handover& in)
{
    parts_.passed = passed_sockets(in);
    co_await parts_.admin.resume(handed_admin(in));
}

/** @return why this process is still the old image */
std::string Upgrade::exec(Handover& out, const Executable::File& asked, Clock::time_point deadline)
{
    std::string trouble;
    try {
        std::vector<std::string> arguments = arguments_;
        arguments.insert(arguments.begin(), executable_.path());
        arguments.push_back(fmt::format("--resume={}", out.seal()));
        log::flush(frozen_flush_patience);
        failpoint("upgrade.sealed");
        if (Clock::now() >= deadline) {
            trouble = "everything stood still for longer than 1 s";
        } else if (executable_.file() != asked) {
            trouble = fmt::format("{} changed while it was asked, ask again", executable_.path());
        } else {
            ::execve(executable_.path().c_str(), pointers(arguments).data(), ::environ);
            trouble =
                fmt::format("{} cannot be executed: {}", executable_.path(), std::generic_category().message(errno));
        }
        out.unseal();
    } catch (const std::exception& e) {
        trouble = e.what();
    }
    return trouble;
}

std::vector<signals::PassedSocket> passed_sockets(Handover& in)
{
    std::vector<signals::PassedSocket> passed;
    for (const json::value& socket : in.document.at("passed_sockets").as_array())
        passed.push_back({std::string{socket.at("name").as_string()}, in.take(socket.at("fd"))});
    return passed;
}

Admin::Handed handed_admin(Handover& in)
{
    return {handed_server(in.document.at("admin"), in), handed_server(in.document.at("control"), in)};
}

} // namespace belay::daemon
