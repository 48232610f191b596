#include "daemon/leak_report.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace belay::daemon {
namespace {

namespace json = boost::json;

/** The tid of the thread "log". */
std::vector<pid_t> log_thread_of(const Threads& threads)
{
    std::vector<pid_t> found;
    for (const auto& thread : threads.running())
        if (thread.name == "log")
            found.push_back(thread.tid);
    return found;
}

std::ptrdiff_t count(const std::vector<Leak>& leaks, Leak::Kind kind)
{
    return std::ranges::count(leaks, kind, &Leak::kind);
}

void write(const std::vector<Leak>& leaks)
{
    for (const auto& leak : leaks)
        log::error("leak", {{"leaked", leak.what}, {"stack", fmt::format("{}", fmt::join(leak.stack, " < "))}});
    if (!leaks.empty())
        log::error("leak check failed",
            {{"threads", count(leaks, Leak::Kind::thread)}, {"descriptors", count(leaks, Leak::Kind::descriptor)},
                {"children", count(leaks, Leak::Kind::child)}});
}

} // namespace

LeakReport::LeakReport(const Threads& threads, LogThread& log, const std::vector<signals::PassedSocket>& passed,
    const Handover* predecessor)
    : threads_(threads), log_(log), before_(take_census())
{
    adopt_orphans();
    for (const pid_t tid : log_thread_of(threads_))
        before_.threads.erase(tid);
    for (const auto& socket : passed)
        before_.descriptors.erase(socket.fd.get());
    if (predecessor == nullptr)
        return;
    for (const int descriptor : predecessor->descriptors())
        before_.descriptors.erase(descriptor);
    const auto strangers = json::try_value_to<std::set<pid_t>>(predecessor->document.at("strangers"));
    if (!strangers)
        throw HandoverError{"hand-over: the list of strangers is garbled: " + strangers.error().message()};
    std::erase_if(before_.children, [&](const auto& child) { return !strangers->contains(child.first); });
}

std::set<pid_t> LeakReport::strangers() const
{
    std::set<pid_t> pids;
    for (const auto& [pid, parent] : before_.children)
        pids.insert(pid);
    return pids;
}

json::value LeakReport::handed() const
{
    return json::value_from(strangers());
}

bool LeakReport::check()
{
    Census but_log = before_;
    for (const pid_t tid : log_thread_of(threads_))
        but_log.threads.insert(tid);
    const auto leaks = find_leaks(but_log, threads_);
    write(leaks);
    if (leaks.empty())
        log::info("leak check clean: 0 threads, 0 descriptors, 0 children left");

    log_.stop(); // what is logged from here on is written by this thread
    auto late = find_leaks(before_, threads_);
    std::erase_if(
        late, [&leaks](const Leak& leak) { return std::ranges::find(leaks, leak.what, &Leak::what) != leaks.end(); });
    write(late);
    return leaks.empty() && late.empty();
}

} // namespace belay::daemon
