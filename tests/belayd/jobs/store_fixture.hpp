#pragma once
#include "belayd/jobs/store.hpp"
#include "daemon/service.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace belay::jobs {

/** A directory that is gone at the end of the test. */
class TemporaryDirectory {
public:
    TemporaryDirectory()
    {
        std::string name = (std::filesystem::temp_directory_path() / "belay-store-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr)
            throw std::runtime_error{"mkdtemp " + name};
        path_ = name;
    }
    ~TemporaryDirectory()
    {
        std::error_code ec;
        std::filesystem::remove_all(path_, ec);
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    TemporaryDirectory(TemporaryDirectory&&) = delete;
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/** Waits for something that another thread or process does. */
inline testing::AssertionResult waits_until(const std::function<bool()>& condition)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline)
            return testing::AssertionFailure() << "not within 30 s";
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    }
    return testing::AssertionSuccess();
}

/** The loop of this thread, which outlives the store's: that may be about to leave post() when the result is there. */
inline std::optional<asio::io_context> the_callers_loop; // of a suite

inline asio::io_context& caller_loop()
{
    if (!the_callers_loop)
        the_callers_loop.emplace(1);
    the_callers_loop->restart();
    return *the_callers_loop;
}

/** Runs `task` on this thread until it has a result. */
template <class Result>
Result await(asio::awaitable<Result> task)
{
    asio::io_context& io = caller_loop();
    auto future = asio::co_spawn(io, std::move(task), asio::use_future);
    io.run();
    return future.get();
}

/** While it lasts, another process holds the database: nothing gets into the store. */
struct Locked {
    explicit Locked(const std::string& path)
    {
        EXPECT_EQ(::sqlite3_open(path.c_str(), &database), SQLITE_OK);
        EXPECT_EQ(::sqlite3_busy_timeout(database, 60'000), SQLITE_OK); // the store may be in a transaction of its own
        EXPECT_EQ(::sqlite3_exec(database, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
    }
    ~Locked() { ::sqlite3_close(database); }
    Locked(const Locked&) = delete;
    Locked& operator=(const Locked&) = delete;
    Locked(Locked&&) = delete;
    Locked& operator=(Locked&&) = delete;

    sqlite3* database = nullptr;
};

/** A store in a directory of its own, that can be closed and opened again. */
struct StoreFixture : testing::Test {
    TemporaryDirectory directory;
    daemon::Threads threads;
    daemon::Metrics metrics;
    std::vector<std::string> failures;
    StoreOptions options{(directory.path() / "belay.db").string(), std::chrono::hours{1}, 0, "boot-1"};
    std::unique_ptr<Store> store;

    /** The loop that outlives the tests opens its descriptors before one is checked for leaks. */
    static void SetUpTestSuite() { const asio::steady_timer timer{caller_loop()}; }
    static void TearDownTestSuite() { the_callers_loop.reset(); }

    void SetUp() override { open(); }

    void open()
    {
        store.reset();
        store = std::make_unique<Store>(
            threads, metrics, options, [this](std::string reason) { failures.push_back(std::move(reason)); });
    }

    /** What open() refuses to start with. */
    std::string refusal()
    {
        try {
            open();
        } catch (const daemon::StartError& e) {
            EXPECT_EQ(e.code(), daemon::ExitCode::unavailable);
            return e.what();
        }
        return "it started";
    }

    void reopen(std::string boot_id)
    {
        options.boot_id = std::move(boot_id);
        open();
    }

    // Two of them, for an optional<string> as default argument is uninitialised in the eyes of GCC 14.
    static NewEvent event(std::string hook)
    {
        NewEvent made;
        made.hook = std::move(hook);
        made.body = "{}";
        return made;
    }

    static NewEvent event(std::string hook, std::string delivery_id)
    {
        NewEvent made = event(std::move(hook));
        made.delivery_id = std::move(delivery_id);
        return made;
    }

    Accepted accept(NewEvent made) { return await(store->accept(std::move(made))); }

    /** All at once, in few transactions. */
    void accept_all(std::vector<NewEvent> events)
    {
        asio::io_context& io = caller_loop();
        for (auto& made : events)
            asio::co_spawn(io, store->accept(std::move(made)), asio::use_future);
        io.run();
    }

    std::vector<ClaimedJob> claim(std::size_t limit = 1, HookRoom room = {})
    {
        return await(store->claim(limit, std::move(room)));
    }

    /** All at once, as succeeded. */
    void succeed_all(const std::vector<ClaimedJob>& jobs, std::string out)
    {
        asio::io_context& io = caller_loop();
        for (const auto& job : jobs)
            asio::co_spawn(io,
                store->finish(job.job, job.attempt, {Outcome::succeeded, 0, 0, "", now(), now(), {out, 0}, {}},
                    {JobState::succeeded, {}, ""}),
                asio::use_future);
        io.run();
    }

    bool finish(const ClaimedJob& job, Outcome outcome, NextStep next, std::string out = "")
    {
        AttemptResult result;
        result.outcome = outcome;
        result.started = result.finished = now();
        result.out.text = std::move(out);
        return await(store->finish(job.job, job.attempt, std::move(result), std::move(next)));
    }

    bool succeed(const ClaimedJob& job) { return finish(job, Outcome::succeeded, {JobState::succeeded, {}, ""}); }
    bool fail(const ClaimedJob& job) { return finish(job, Outcome::exited, {JobState::failed, {}, "status 1"}); }

    std::uint64_t count(JobState state) { return store->counts()[static_cast<std::size_t>(state)]; }

    /** The first column of the first row, read beside the store. */
    std::string query(const std::string& sql)
    {
        sqlite3* database = nullptr;
        sqlite3_stmt* statement = nullptr;
        std::string value;
        if (::sqlite3_open_v2(options.path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) == SQLITE_OK &&
            ::sqlite3_prepare_v2(database, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK &&
            ::sqlite3_step(statement) == SQLITE_ROW && ::sqlite3_column_text(statement, 0) != nullptr)
            value = reinterpret_cast<const char*>(::sqlite3_column_text(statement, 0));
        else
            ADD_FAILURE() << sql << ": " << ::sqlite3_errmsg(database);
        ::sqlite3_finalize(statement);
        ::sqlite3_close(database);
        return value;
    }

    /** Changes something beside the store. */
    void execute(const std::string& sql)
    {
        sqlite3* database = nullptr;
        ASSERT_EQ(::sqlite3_open(options.path.c_str(), &database), SQLITE_OK);
        EXPECT_EQ(::sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
            << ::sqlite3_errmsg(database);
        ::sqlite3_close(database);
    }
};

} // namespace belay::jobs
