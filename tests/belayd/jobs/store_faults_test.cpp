// What a store does when the world fails it: a death, a damaged file, a disk that is full or broken, a second daemon.
#include "belayd/jobs/store.hpp"
#include "daemon/service.hpp"
#include "tests/belayd/jobs/failing_vfs.hpp"
#include "tests/belayd/jobs/in_child.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

struct StoreFaultsTest : StoreFixture {
    void SetUp() override {}

    /** Overwrites `size` bytes of the database. */
    void damage(std::streamoff offset, std::size_t size)
    {
        std::fstream file{options.path, std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(offset);
        file << std::string(size, '\x5a');
        ASSERT_TRUE(file.good());
    }

    void expect_untouched_by(const std::function<void()>& action)
    {
        const auto read = [this] {
            std::ifstream file{options.path, std::ios::binary};
            return std::string{std::istreambuf_iterator<char>{file}, {}};
        };
        const auto before = read();
        action();
        EXPECT_TRUE(read() == before) << "the database has changed"; // not EXPECT_EQ, which shows it
    }
};

TEST_F(StoreFaultsTest, KeepsWhatWasAcknowledgedWhenItsProcessDies)
{
    const int status = in_child([this] {
        options.boot_id = "boot-that-dies";
        open();
        for (int i = 0; i < 3; ++i)
            accept(event("a", std::to_string(i)));
        return claim().size() == 1 ? 0 : 1; // and dies with it
    });
    ASSERT_EQ(status, 0);
    ASSERT_GT(std::filesystem::file_size(options.path + "-wal"), 0U) << "nothing was closed";
    open();
    EXPECT_EQ(store->take_recovered().jobs.size(), 1U);
    EXPECT_EQ(count(JobState::queued), 3U);
    EXPECT_EQ(query("SELECT count(*) FROM attempts WHERE outcome = 'lost' AND boot_id = 'boot-that-dies'"), "1");
    EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
    for (int i = 0; i < 3; ++i)
        EXPECT_TRUE(accept(event("a", std::to_string(i))).duplicate);
    EXPECT_EQ(claim(5).size(), 3U);
}

TEST_F(StoreFaultsTest, ToleratesALogThatIsCutOff)
{
    ASSERT_EQ(in_child([this] {
        open();
        accept(event("a", "1"));
        accept(event("a", "2"));
        return 0;
    }),
        0);
    const auto wal = options.path + "-wal";
    std::filesystem::resize_file(wal, std::filesystem::file_size(wal) - 100); // as a power cut leaves it
    open();
    EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
    EXPECT_EQ(count(JobState::queued), 1U);
    EXPECT_FALSE(accept(event("a", "2")).duplicate);
}

TEST_F(StoreFaultsTest, RefusesANewerSchema)
{
    open();
    store.reset();
    execute("PRAGMA user_version = 7");
    expect_untouched_by([this] {
        EXPECT_EQ(refusal(),
            options.path + ": schema 7 is newer than this belayd knows (3); install the belayd that wrote it");
    });
}

TEST_F(StoreFaultsTest, RefusesADatabaseOfSomethingElse)
{
    execute("CREATE TABLE t (x)");
    EXPECT_NE(refusal().find("not belayd's"), std::string::npos);
}

TEST_F(StoreFaultsTest, RefusesADamagedFileAndLeavesItAlone)
{
    open();
    accept(event("a"));
    store.reset();
    damage(0, 100); // the header
    expect_untouched_by([this] { EXPECT_NE(refusal().find("is damaged"), std::string::npos) << refusal(); });
}

TEST_F(StoreFaultsTest, RefusesADamagedPage)
{
    open();
    accept(event("a"));
    store.reset();
    damage(static_cast<std::streamoff>(options.page_size) * 2, options.page_size * 4);
    EXPECT_NE(refusal().find("is damaged"), std::string::npos) << refusal();
}

TEST_F(StoreFaultsTest, ReadsAllAfterACrashButNotAfterAnUpgrade)
{
    open();
    NewEvent some = event("a");
    some.body.assign(4'000, 'x');
    for (int i = 0; i < 100; ++i)
        accept(some);
    store.reset();
    const int page = std::stoi(query("SELECT min(pageno) FROM dbstat WHERE name = 'bodies' AND pagetype = 'leaf'"));
    damage(static_cast<std::streamoff>(options.page_size) * (page - 1), 64); // which opening does not look at
    ASSERT_EQ(in_child([this] {
        open();
        accept(event("a"));
        return 0; // it leaves its log
    }),
        0);
    EXPECT_NE(refusal().find("is damaged"), std::string::npos) << refusal();
    options.resumed.emplace();
    open();
    EXPECT_EQ(query("SELECT count(*) FROM jobs"), "101");
}

TEST_F(StoreFaultsTest, RefusesAFileThatIsNoDatabase)
{
    std::ofstream{options.path} << std::string(10'000, 'x');
    EXPECT_NE(refusal().find("is damaged"), std::string::npos);
}

TEST_F(StoreFaultsTest, RefusesADirectoryThatIsNotThere)
{
    options.path = (directory.path() / "missing" / "belay.db").string();
    EXPECT_NE(refusal().find("cannot create the database"), std::string::npos);
}

TEST_F(StoreFaultsTest, MakesAFileThatOthersCannotRead)
{
    open();
    accept(event("a"));
    for (const char* suffix : {"", "-wal", "-shm"})
        EXPECT_EQ(std::filesystem::status(options.path + suffix).permissions() & std::filesystem::perms::mask,
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write)
            << suffix;
}

TEST_F(StoreFaultsTest, SyncsBeforeItAnswers)
{
    const FailingVfs vfs;
    open();
    for (int i = 0; i < 5; ++i) {
        const int before = FailingVfs::syncs();
        accept(event("a"));
        EXPECT_GT(FailingVfs::syncs(), before);
    }
    store.reset();
}

TEST_F(StoreFaultsTest, AcknowledgesNothingMoreAfterASyncFailed)
{
    const FailingVfs vfs;
    open();
    accept(event("a"));
    const auto job = claim().at(0);
    FailingVfs::fail_syncs(true);
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    FailingVfs::fail_syncs(false); // the next sync would succeed, and prove nothing
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    EXPECT_THROW(claim(), StoreUnavailable);
    EXPECT_THROW(succeed(job), StoreUnavailable);
    EXPECT_EQ(store->unavailable(), "the store failed: disk I/O error (Input/output error)");
    EXPECT_NE(metrics.text().find("\nbelay_store_available 0"), std::string::npos);
    store->close();
    EXPECT_EQ(failures, std::vector<std::string>{store->unavailable()});
    store.reset();
}

TEST_F(StoreFaultsTest, AcknowledgesNothingMoreAfterTheSyncOfACheckpointFailed)
{
    const FailingVfs vfs;
    open();
    NewEvent large = event("a");
    large.request.assign(5_MiB, 'x'); // more log than is let be
    std::thread breaker;
    store->on_queued([](const std::vector<std::string>&) { FailingVfs::fail_syncs(true); }); // after its commit
    accept(large);
    EXPECT_TRUE(waits_until([this] { return !store->unavailable().empty(); }));
    FailingVfs::fail_syncs(false);
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    store.reset();
    EXPECT_EQ(failures.size(), 1U);
}

TEST_F(StoreFaultsTest, LeavesTheLogAloneWhenItClosesAfterASyncFailed)
{
    const FailingVfs vfs;
    open();
    for (int i = 0; i < 3; ++i)
        accept(event("a"));
    FailingVfs::fail_syncs(true);
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    FailingVfs::fail_syncs(false); // a checkpoint would succeed, with pages that may never have reached the disk
    const auto wal = options.path + "-wal";
    const auto logged = std::filesystem::file_size(wal);
    expect_untouched_by([this] { store.reset(); });
    ASSERT_TRUE(std::filesystem::exists(wal));
    EXPECT_EQ(std::filesystem::file_size(wal), logged);
    open();
    EXPECT_GE(count(JobState::queued), 3U);
    store.reset();
}

TEST_F(StoreFaultsTest, FailsWhenItsFileSystemIsGone)
{
    open();
    accept(event("a"));
    std::filesystem::rename(options.path, options.path + ".gone"); // as an unmount: statvfs(2) does not find it
    EXPECT_TRUE(waits_until([this] { return !store->unavailable().empty(); }));
    EXPECT_NE(store->unavailable().find("statvfs"), std::string::npos) << store->unavailable();
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    store->close();
    EXPECT_EQ(failures, std::vector<std::string>{store->unavailable()}) << "and asks for the exit once";
}

TEST_F(StoreFaultsTest, StopsAtTheFreeSpaceFloorAndRecovers)
{
    open();
    accept(event("a"));
    const auto job = claim().at(0);
    accept(event("a"));
    store->reconfigure(1h, Bytes{1} << 60);
    EXPECT_TRUE(waits_until([this] { return !store->unavailable().empty(); }));
    EXPECT_NE(store->unavailable().find("free_space_floor"), std::string::npos) << store->unavailable();
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    EXPECT_TRUE(claim().empty()) << "nothing starts";
    EXPECT_TRUE(succeed(job)) << "but what runs is recorded";
    EXPECT_TRUE(await(store->next_due({})));
    store->reconfigure(1h, 0);
    EXPECT_TRUE(waits_until([this] { return store->unavailable().empty(); }));
    accept(event("a"));
    EXPECT_EQ(claim(5).size(), 2U);
    EXPECT_TRUE(failures.empty());
}

TEST_F(StoreFaultsTest, SaysThatItCannotDeleteWhatIsOver)
{
    options.retention = 0ms;
    open();
    execute("CREATE TRIGGER t BEFORE DELETE ON events BEGIN SELECT raise(ABORT, 'kept'); END");
    accept(event("a"));
    EXPECT_TRUE(succeed(claim().at(0)));
    testing::internal::CaptureStdout(); // of the log
    open();                             // prunes at once
    store.reset();
    const auto log = testing::internal::GetCapturedStdout();
    EXPECT_NE(log.find("finished jobs cannot be deleted, retrying"), std::string::npos) << log;
    EXPECT_EQ(query("SELECT count(*) FROM events"), "1");
    EXPECT_TRUE(failures.empty());
}

/** Fills what is left of the file system, down to the last byte. */
void fill(const std::filesystem::path& file)
{
    std::ofstream filler{file, std::ios::binary};
    while (filler << std::string(4096, 'x') << std::flush)
        ;
}

TEST_F(StoreFaultsTest, SurvivesAFullDiskAndRecovers)
{
    if (::geteuid() != 0)
        GTEST_SKIP() << "mounting a small file system needs root";
    const auto small = directory.path() / "small";
    std::filesystem::create_directory(small);
    const int status = in_child([&] { // in a mount namespace of its own
        if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", small.c_str(), "tmpfs", 0, "size=2m") != 0)
            return 77;
        options.path = (small / "belay.db").string();
        open();
        accept(event("a"));
        accept(event("a"));
        const auto job = claim().at(0);
        fill(small / "filler");
        NewEvent large = event("a", "large");
        large.body.assign(100'000, 'x');
        EXPECT_THROW(accept(large), StoreUnavailable);
        EXPECT_NE(store->unavailable(), "");

        std::filesystem::remove(small / "filler");
        EXPECT_TRUE(waits_until([this] { return store->unavailable().empty(); }));
        EXPECT_TRUE(succeed(job));
        EXPECT_FALSE(accept(large).duplicate);
        EXPECT_EQ(claim(5).size(), 2U);
        EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
        EXPECT_TRUE(failures.empty());
        store.reset();
        return HasFailure() ? 1 : 0;
    });
    if (status == 77)
        GTEST_SKIP() << "mount namespaces are not to be had here";
    EXPECT_EQ(status, 0);
}

/** No file of this process grows beyond it; what would be too large is an error, as in belayd. */
struct FileSizeLimit {
    explicit FileSizeLimit(std::uintmax_t bytes)
    {
        struct sigaction ignore{};
        ignore.sa_handler = SIG_IGN;
        ::sigaction(SIGXFSZ, &ignore, &action);
        EXPECT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
        const rlimit low{bytes, before.rlim_max};
        EXPECT_EQ(::setrlimit(RLIMIT_FSIZE, &low), 0);
    }
    ~FileSizeLimit()
    {
        ::setrlimit(RLIMIT_FSIZE, &before);
        ::sigaction(SIGXFSZ, &action, nullptr);
    }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;
    FileSizeLimit(FileSizeLimit&&) = delete;
    FileSizeLimit& operator=(FileSizeLimit&&) = delete;

    rlimit before{};
    struct sigaction action{};
};

TEST_F(StoreFaultsTest, ALimitOnFilesIsAFullDisk)
{
    open();
    accept(event("a"));
    NewEvent large = event("a", "large");
    large.request.assign(1_MiB, 'x');
    {
        const FileSizeLimit limit{std::filesystem::file_size(options.path + "-wal") + 100'000};
        EXPECT_THROW(accept(large), StoreUnavailable);
        EXPECT_EQ(store->unavailable(), "the disk is full: " + options.path + ": disk I/O error (File too large)");
    }
    EXPECT_TRUE(waits_until([this] { return store->unavailable().empty(); }));
    EXPECT_FALSE(accept(large).duplicate);
    EXPECT_EQ(claim(5).size(), 2U);
    EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
    EXPECT_TRUE(failures.empty());
}

TEST_F(StoreFaultsTest, HoldsItsDirectoryAgainstASecondDaemon)
{
    const auto state_dir = directory.path().string();
    {
        const auto lock = StateLock::of_directory(state_dir);
        try {
            const auto second = StateLock::of_directory(state_dir);
            ADD_FAILURE() << "two locks";
        } catch (const daemon::StartError& e) {
            EXPECT_EQ(e.code(), daemon::ExitCode::unavailable);
            EXPECT_EQ(e.what(),
                "state directory " + state_dir + " is in use by belayd with pid " + std::to_string(::getpid()));
        }
    }
    const auto again = StateLock::of_directory(state_dir);
}

TEST_F(StoreFaultsTest, HoldsItsDatabaseAgainstADaemonOfAnotherDirectory)
{
    const auto lock = StateLock::of_store(options.path);
    try {
        const auto second = StateLock::of_store(options.path);
        ADD_FAILURE() << "two locks";
    } catch (const daemon::StartError& e) {
        EXPECT_EQ(e.code(), daemon::ExitCode::unavailable);
        EXPECT_EQ(e.what(), "database " + options.path + " is in use by belayd with pid " + std::to_string(::getpid()));
    }
}

TEST_F(StoreFaultsTest, HoldsItsDatabaseUnderEachOfItsNames)
{
    std::ofstream{options.path}.close();
    const std::string other = (directory.path() / "link").string();
    std::filesystem::create_symlink(options.path, other);
    const auto lock = StateLock::of_store(options.path);
    EXPECT_THROW((void)StateLock::of_store(other), daemon::StartError);
}

TEST_F(StoreFaultsTest, ADatabaseThatLeadsToItselfIsRefused)
{
    const std::string loop = (directory.path() / "loop").string();
    std::filesystem::create_symlink(loop, loop);
    EXPECT_THROW((void)StateLock::of_store(loop + "/belay.db"), daemon::StartError);
}

TEST_F(StoreFaultsTest, TheLockIsHeldWhileItChangesHands)
{
    const auto state_dir = directory.path().string();
    std::optional first = StateLock::of_directory(state_dir);
    UniqueFd held = first->release();
    first.reset();
    EXPECT_THROW((void)StateLock::of_directory(state_dir), daemon::StartError);
    {
        const StateLock next{std::move(held)};
        EXPECT_THROW((void)StateLock::of_directory(state_dir), daemon::StartError);
    }
    const auto again = StateLock::of_directory(state_dir);
}

TEST_F(StoreFaultsTest, GetsALockWhoseHolderDied)
{
    const auto state_dir = directory.path().string();
    EXPECT_EQ(in_child([&] {
        const auto lock = StateLock::of_directory(state_dir);
        ::_exit(0);
        return 1;
    }),
        0);
    const auto lock = StateLock::of_directory(state_dir);
}

TEST_F(StoreFaultsTest, NamesADirectoryThatCannotBeLocked)
{
    EXPECT_THROW((void)StateLock::of_directory((directory.path() / "missing").string()), daemon::StartError);
}

} // namespace
} // namespace belay::jobs
