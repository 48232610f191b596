#pragma once
#include "belayd/api/routes.hpp"
#include "daemon/loop_thread.hpp"
#include "http/client.hpp"
#include "signals/handled_signals.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <thread>

namespace belay::api {

/** A service with a store, a scheduler and the API, and nothing else. */
class ApiService final : public daemon::Service {
public:
    ApiService(daemon::Core& core, std::string directory) : core_(core), directory_(std::move(directory))
    {
        add_routes(core_.control_router(), sources_);
    }

    void start() override
    {
        const std::string path = directory_ + "/belay.db";
        store_ = std::make_unique<jobs::Store>(core_.threads(), core_.metrics(),
            jobs::StoreOptions{.path = path,
                .retention = std::chrono::hours{1},
                .free_space_floor = 0,
                .boot_id = "boot-1",
                .page_size = 4_KiB},
            [](const std::string& reason) { ADD_FAILURE() << reason; });
        reader_ = std::make_unique<jobs::StoreReader>(core_.threads(), path);
        loop_ = std::make_unique<daemon::LoopThread>(core_.threads(), "runner");
        scheduler_ = std::make_unique<jobs::Scheduler>(loop_->io(), *store_, core_.metrics(), rules({"run", "wait"}));
        scheduler_->start();
        asio::post(core_.admin_loop(), [this] {
            sources_ = {.core = &core_,
                .store = store_.get(),
                .reader = reader_.get(),
                .scheduler = scheduler_.get(),
                .state_dir = directory_,
                .config_file = "/etc/belay/belay.toml",
                .version = "1.2.3",
                .status = [] { return "serving a test"; },
                .readiness = [this] { return readiness(); }};
        });
    }

    asio::awaitable<daemon::ReloadVerdict> reload() override { co_return verdict; }

    asio::awaitable<void> drain(daemon::DrainContext&) override
    {
        const std::function<void(std::size_t)> ignore = [](std::size_t) {};
        co_await scheduler_->drain(std::chrono::steady_clock::now(), ignore);
    }

    void stop() noexcept override
    {
        bool done = false;
        asio::co_spawn(core_.main_loop(), scheduler_->stop(), [&done](const std::exception_ptr&) { done = true; });
        core_.main_loop().restart();
        while (!done)
            core_.main_loop().run_one();
        loop_->stop();
        scheduler_.reset();
        loop_.reset(); // its io_context holds descriptors
        store_->close();
        reader_->close();
        client_.reset(); // after the store's thread, which may still be waking it
    }

    daemon::Readiness readiness() const override { return {not_ready}; }
    std::string status() const override { return "serving a test"; }

    /** Queues a job. @return its id */
    std::string enqueue(std::string hook, std::vector<std::string> arguments, std::string delivery_id = "")
    {
        jobs::NewEvent event;
        event.hook = std::move(hook);
        event.arguments = std::move(arguments);
        event.body = "{}";
        event.remote = "192.0.2.7";
        if (!delivery_id.empty())
            event.delivery_id = std::move(delivery_id);
        auto accepted = asio::co_spawn(*client_, store_->accept(std::move(event)), asio::use_future);
        client_->restart();
        client_->run();
        return to_string(accepted.get().job);
    }

    /** Leaves only these hooks, as a reload does. */
    void keep_hooks(const std::vector<std::string>& hooks)
    {
        auto applied = asio::co_spawn(*client_, scheduler_->apply(rules(hooks)), asio::use_future);
        client_->restart();
        client_->run();
        applied.get();
    }

    daemon::ReloadVerdict verdict;      // set before a reload is asked for
    std::vector<std::string> not_ready; // set before a status is asked for

private:
    static jobs::SchedulerRules rules(const std::vector<std::string>& hooks)
    {
        jobs::SchedulerRules rules{.max_jobs = 2,
            .kill_grace = std::chrono::seconds{10},
            .base_environment = {{"PATH", "/usr/bin:/bin"}},
            .hooks = {}};
        for (const std::string& hook : hooks) {
            rules.hooks[hook].directory = "/";
            rules.hooks[hook].concurrency = hook == "wait" ? 1 : 0; // its jobs stay queued behind the one that runs
        }
        return rules;
    }

    daemon::Core& core_;
    const std::string directory_;
    std::unique_ptr<asio::io_context> client_ = std::make_unique<asio::io_context>(1);
    Sources sources_;
    std::unique_ptr<jobs::Store> store_;
    std::unique_ptr<jobs::StoreReader> reader_;
    std::unique_ptr<daemon::LoopThread> loop_;
    std::unique_ptr<jobs::Scheduler> scheduler_;
};

/** What a client of the control socket got. */
struct Reply {
    int status = 0;
    std::string content_type;
    boost::json::value body;
};

/** A core that serves the API on a control socket in a directory of its own, while a client uses it. */
class ApiTest : public ::testing::Test {
protected:
    ApiTest()
    {
        std::string name = (std::filesystem::temp_directory_path() / "belay-api-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error{"mkdtemp " + name};
        directory_ = name;
    }
    ~ApiTest() override { std::filesystem::remove_all(directory_); }

    /** Runs the core on this thread and `client` on another; the core stops when the client is done. */
    void serve(const std::function<void(ApiService&)>& client)
    {
        signals::block_handled_signals();
        daemon::Core core{{.name = "api-test",
            .version = "1.2.3",
            .log = {.level = log::Level::error, .format = daemon::LogFormat::json, .identifier = "api-test"},
            .control_socket = directory_ + "/control.sock",
            .strict_leaks = true}};
        ApiService service{core, directory_};
        std::jthread thread;
        asio::post(core.main_loop(), [&] { // once the loop turns: the service has started
            thread = std::jthread{[&] {
                wait_until_served();
                client(service);
                core.request_stop();
            }};
        });
        EXPECT_EQ(core.run(service), 0);
    }

    Reply call(const std::string& method, const std::string& target) const
    {
        const auto response = http::fetch("unix:" + directory_ + "/control.sock",
            {.method = method, .target = "/api/v1" + target, .fields = {}, .body = {}}, std::chrono::seconds{30});
        return {response.status, std::string{response.field("content-type")},
            response.body.empty() ? boost::json::value{} : boost::json::parse(response.body)};
    }
    Reply get(const std::string& target) const { return call("GET", target); }
    Reply post(const std::string& target) const { return call("POST", target); }

    /** The job's document once it is in that state. */
    boost::json::value wait_for(const std::string& job, std::string_view state) const
    {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        for (;;) {
            auto reply = get("/jobs/" + job);
            if (reply.status == 200 && reply.body.at("state").as_string() == state)
                return reply.body;
            if (std::chrono::steady_clock::now() > deadline) {
                ADD_FAILURE() << job << " is not " << state << " but " << reply.body;
                return reply.body;
            }
        }
    }

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; }

private:
    void wait_until_served() const
    {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
        while (std::chrono::steady_clock::now() < deadline)
            try {
                if (get("/status").status == 200)
                    return;
            } catch (const std::system_error&) { // the socket is not there yet
                std::this_thread::yield();
            }
        ADD_FAILURE() << "the API does not answer";
    }

    std::string directory_;
};

} // namespace belay::api
