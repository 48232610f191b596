#include "daemon/core.hpp"
#include "daemon/leak_check.hpp"
#include "daemon/log.hpp"
#include "http/server.hpp"
#include "signals/handled_signals.hpp"
#include "tests/daemon/seeded_leaks.hpp"
#include "tests/reap_children.hpp"
#include "tests/signals/fake_manager.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <future>
#include <string>
#include <system_error>
#include <utility>

// A Core takes over signals, threads and the log of its process: each test gives it one of its own, by EXPECT_EXIT.
namespace belay::daemon {
namespace {

using namespace std::chrono_literals;

/** A service that stops itself as soon as it is ready. */
class TestService : public Service {
public:
    explicit TestService(Core& c) : core(c) {}

    void start() override
    {
        on_start();
        core.request_stop();
    }
    asio::awaitable<ReloadVerdict> reload() override { co_return ReloadVerdict{}; }
    asio::awaitable<void> drain(DrainContext& /*drain*/) override { co_return; }
    void stop() noexcept override { on_stop(); }
    Readiness readiness() const override { return {}; }
    std::string status() const override { return "testing"; }

    Core& core;
    std::function<void()> on_start = [] {};
    std::function<void()> on_stop = [] {};
};

CoreOptions options(bool strict_leaks)
{
    CoreOptions options;
    options.name = "test";
    options.strict_leaks = strict_leaks;
    options.log.format = LogFormat::json;
    return options;
}

/** Runs a service, made by `prepare`, to its end; _exits with the core's code, since a leaked thread may still run. */
[[noreturn]] void run(CoreOptions with, const std::function<void(TestService&)>& prepare)
{
    signals::block_handled_signals();
    Core core{std::move(with)};
    TestService service{core};
    prepare(service);
    ::_exit(core.run(service));
}

TEST(CoreDeathTest, EndsCleanAndSaysSo)
{
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), [](TestService&) {}), ::testing::ExitedWithCode(0),
        "leak check clean: 0 threads, 0 descriptors, 0 children left");
}

TEST(CoreDeathTest, NamesALeakedThreadWithItsCreatorAndStack)
{
    const auto leak = [](TestService& service) {
        service.on_start = [&service] {
            static Thread leaked; // lives on when the service has stopped
            leaked = service.core.threads().start("forgotten", [](Heartbeat&) {
                for (;;)
                    ::pause(); // returns when its stack is asked for
            });
        };
    };
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), leak), ::testing::ExitedWithCode(70),
        "thread forgotten .tid [0-9]+. created at tests/daemon/core_test.cpp:[0-9]+.*\"stack\":\"[^\"]*pause.*"
        "\"threads\":1,\"descriptors\":0,\"children\":0");
}

/** What a service leaves behind in start(). */
auto in_start(std::function<void()> leak)
{
    return [leak = std::move(leak)](TestService& service) { service.on_start = leak; };
}

TEST(CoreDeathTest, NamesWhereALibraryMadeALeakedThread)
{
    const auto leak = in_start([] {
        static std::promise<void> never;
        testing::start_as_a_library_does(never).detach();
    });
#ifdef __clang__ // thread_interposer.cpp is not linked
    const std::string creator = "not created by daemon::Threads";
#else
    const std::string creator = "created at [^\"]*start_as_a_library_does[^\"]* < ";
#endif
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), leak), ::testing::ExitedWithCode(70),
        "thread [^\"]* .tid [0-9]+. " + creator + ".*\"threads\":1,\"descriptors\":0,\"children\":0");
}

TEST(CoreDeathTest, NamesALeakedDescriptor)
{
    const auto leak = in_start([] { (void)::open("/dev/null", O_RDONLY | O_CLOEXEC); });
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), leak), ::testing::ExitedWithCode(70),
        "fd [0-9]+ → /dev/null.*\"threads\":0,\"descriptors\":1,\"children\":0");
    EXPECT_EXIT(run(options(/*strict_leaks=*/false), leak), ::testing::ExitedWithCode(0), "fd [0-9]+ → /dev/null");
}

TEST(CoreDeathTest, NamesALeakedSocketWithItsPeer)
{
    const auto leak = in_start([] {
        auto listening = http::open_listening_socket("127.0.0.1:0");
        sockaddr_in address{};
        socklen_t size = sizeof address;
        ::getsockname(listening.fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
        const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ::connect(client, reinterpret_cast<const sockaddr*>(&address), sizeof address);
        (void)listening.fd.release(); // closed, it would end the connection that it has in its queue
    });
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), leak), ::testing::ExitedWithCode(70),
        "fd [0-9]+ → socket:\\[[0-9]+\\] 127.0.0.1:[0-9]+ to 127.0.0.1:[0-9]+.*"
        "\"threads\":0,\"descriptors\":2,\"children\":0");
}

TEST(CoreDeathTest, NamesALeakedChild)
{
    const auto leak = in_start([] {
        const pid_t self = ::getpid();
        if (::fork() == 0)
            testing::wait_for_the_end_of(self);
    });
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), leak), ::testing::ExitedWithCode(70),
        "child [0-9]+ .*\"threads\":0,\"descriptors\":0,\"children\":1");
    testing::reap_children();
}

TEST(CoreDeathTest, NamesALeakedGrandchild)
{
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), in_start(testing::fork_in_two_generations_and_wait)),
        ::testing::ExitedWithCode(70),
        "child [0-9]+ .* of child [0-9]+.*\"threads\":0,\"descriptors\":0,\"children\":2");
    testing::reap_children();
}

TEST(CoreDeathTest, NamesAGrandchildWhoseParentHasEnded)
{
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), in_start(testing::leave_an_orphan)), ::testing::ExitedWithCode(70),
        "child [0-9]+ .*\"threads\":0,\"descriptors\":0,\"children\":1");
    testing::reap_children();
}

TEST(CoreDeathTest, AServiceThatCannotStartTellsWhyAndIsStopped)
{
    const testing::FakeManager manager;
    const auto fail = [](TestService& service) {
        service.on_start = [] {
            try {
                throw std::system_error{EADDRINUSE, std::system_category(), "bind"};
            } catch (...) {
                std::throw_with_nested(StartError{ExitCode::unavailable, "127.0.0.1:80 is\ntaken"});
            }
        };
        service.on_stop = [] { log::info("stopped by the core"); };
    };
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), fail), ::testing::ExitedWithCode(69),
        "cannot start.*127.0.0.1:80 is.*stopped by the core.*leak check clean");
    EXPECT_EQ(manager.receive(), "STOPPING=1\nSTATUS=cannot start: 127.0.0.1:80 is\\ntaken\nEXIT_STATUS=69\nERRNO=" +
                                     std::to_string(EADDRINUSE));
}

TEST(CoreDeathTest, AnAdminListenerThatCannotBeHadIsUnavailable)
{
    const auto taken = http::open_listening_socket("127.0.0.1:0");
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ASSERT_EQ(::getsockname(taken.fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    auto with = options(/*strict_leaks=*/true);
    with.admin_listen = {"127.0.0.1:" + std::to_string(ntohs(address.sin_port))};
    EXPECT_EXIT(run(with, [](TestService&) {}), ::testing::ExitedWithCode(69), "cannot start.*leak check clean");
    with.admin_listen = {"fd:nobody"};
    EXPECT_EXIT(run(with, [](TestService&) {}), ::testing::ExitedWithCode(69), "no socket was passed for fd:nobody");
    with.admin_listen = {"nonsense"};
    EXPECT_EXIT(run(with, [](TestService&) {}), ::testing::ExitedWithCode(78), "cannot start.*leak check clean");
}

/** Asks for a reload from the admin thread, then stops; the reload applies `changed`. */
struct ReloadingService : TestService {
    ReloadingService(Core& c, CoreOptions o) : TestService(c), changed(std::move(o)) {}

    void start() override { asio::co_spawn(core.admin_loop(), ask(), asio::detached); }
    asio::awaitable<void> ask()
    {
        while (core.state() != State::ready)
            co_await asio::post(core.admin_loop(), asio::use_awaitable);
        const ReloadVerdict verdict = co_await core.reload();
        log::info("verdict", {{"ok", verdict.ok}, {"text", verdict.message}});
        core.request_stop();
    }
    asio::awaitable<ReloadVerdict> reload() override
    {
        co_await core.apply(changed);
        co_return ReloadVerdict{true, "applied"};
    }

    CoreOptions changed;
};

[[noreturn]] void run_reload(const CoreOptions& with, const CoreOptions& changed)
{
    signals::block_handled_signals();
    Core core{with};
    ReloadingService service{core, changed};
    ::_exit(core.run(service));
}

TEST(CoreDeathTest, AReloadOpensNewAdminListenersOrChangesNothing)
{
    auto with = options(/*strict_leaks=*/true);
    with.admin_listen = {"127.0.0.1:0"};
    auto changed = with;
    changed.admin_listen = {"127.0.0.2:0", "[::1]:0"};
    EXPECT_EXIT(run_reload(with, changed), ::testing::ExitedWithCode(0),
        "\"address\":\"127.0.0.1:.*\"address\":\"127.0.0.2:.*\"address\":\".::1.:.*\"ok\":true.*leak check clean");
    changed.admin_listen = {"127.0.0.2:0", "fd:nobody"};
    EXPECT_EXIT(run_reload(with, changed), ::testing::ExitedWithCode(0),
        "reload failed, nothing changed.*fd:nobody.*\"ok\":false.*leak check clean");
}

TEST(CoreDeathTest, AFailureOfTheServiceEndsWithItsCode)
{
    const auto fail = [](TestService& service) {
        service.on_start = [&service] { service.core.fail(ExitCode::internal, "fdatasync failed"); };
    };
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), fail), ::testing::ExitedWithCode(70), "fdatasync failed");
}

/** A service that hangs in stop(), with no long time until the last resort; `on_start` as given. */
[[noreturn]] void run_into_a_hang(const std::function<void()>& on_start, const std::function<void()>& before_hanging)
{
    auto with = options(/*strict_leaks=*/true);
    with.drain_timeout = 100ms;
    with.kill_grace = 100ms;
    run(with, [&](TestService& service) {
        service.on_start = on_start;
        service.on_stop = [&] {
            before_hanging();
            for (;;)
                ::pause(); // returns when its stack is asked for
        };
    });
}

void cannot_start()
{
    throw StartError{ExitCode::unavailable, "the port is taken"};
}

void send_sigterm()
{
    ::kill(::getpid(), SIGTERM);
}

constexpr auto nothing = [] {};

TEST(CoreDeathTest, ASecondSignalWhileTheServiceStopsForcesTheExit)
{
    EXPECT_EXIT(run_into_a_hang(nothing, send_sigterm), ::testing::ExitedWithCode(75),
        "exiting by force.*stop signal while stopping.*\"phase\":\"stop\".*pause");
}

TEST(CoreDeathTest, AStopThatHangsAfterAFailedStartEndsByItself)
{
    EXPECT_EXIT(run_into_a_hang(cannot_start, nothing), ::testing::ExitedWithCode(75),
        "cannot start.*exiting by force.*the deadline has passed");
}

TEST(CoreDeathTest, ASignalEndsAFailedStartThatHangs)
{
    EXPECT_EXIT(run_into_a_hang(cannot_start, send_sigterm), ::testing::ExitedWithCode(75),
        "cannot start.*exiting by force.*stop signal while stopping");
}

/** Returns when that thread has come round twice. */
void await_beats(const Threads& threads, std::string_view name)
{
    const auto running = threads.running();
    const auto found = std::ranges::find(running, name, &ThreadRecord::name);
    if (found == running.end())
        return;
    auto age = Heartbeat::Clock::duration::max();
    for (int beats = 0; beats < 3;) { // the first age counts as one
        const auto now = found->heartbeat->age(Heartbeat::Clock::now());
        beats += now < std::exchange(age, now) ? 1 : 0;
    }
}

TEST(CoreDeathTest, ASignalDuringAStartThatFailsIsHeeded)
{
    const auto fail = [](TestService& service) {
        service.on_stop = [&service] { await_beats(service.core.threads(), "last-resort"); };
        service.on_start = [] {
            send_sigterm(); // it asks for what happens anyway
            cannot_start();
        };
    };
    EXPECT_EXIT(run(options(/*strict_leaks=*/true), fail), ::testing::ExitedWithCode(69), "leak check clean");
}

TEST(CoreDeathTest, ACoreThatNeverRanLeavesNothing)
{
    const auto make_and_drop = [] {
        const Threads none;
        const Census before = take_census();
        std::optional<Core> core{std::in_place, options(/*strict_leaks=*/true)};
        core.reset();
        ::_exit(find_leaks(before, none).empty() ? 0 : 1);
    };
    EXPECT_EXIT(make_and_drop(), ::testing::ExitedWithCode(0), "starting");
}

[[noreturn]] void run_with_garbled_counters()
{
    signals::block_handled_signals();
    Handover predecessor;
    predecessor.document = {
        {"passed_sockets", boost::json::array{}}, {"strangers", boost::json::array{}}, {"metrics", {{{"name", 1}}}}};
    const Core core{options(/*strict_leaks=*/true), std::move(predecessor)};
    log::flush();
    ::_exit(0);
}

TEST(CoreDeathTest, CountersThatCannotBeReadBeginAnew)
{
    EXPECT_EXIT(run_with_garbled_counters(), ::testing::ExitedWithCode(0), "counters begin anew.*starting");
}

} // namespace
} // namespace belay::daemon
