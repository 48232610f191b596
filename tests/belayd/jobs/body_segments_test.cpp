// Bodies that are kept outside the database: as durable as the rest of an event, and gone with it.
#include "belayd/jobs/body_segments.hpp"
#include "belayd/jobs/schema.hpp"
#include "belayd/jobs/store_reader.hpp"
#include "daemon/service.hpp"
#include "tests/belayd/jobs/in_child.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace {

std::atomic<bool> syncs_of_segments_fail{false};

} // namespace

/** In place of the C library's, whose errors cannot be had on demand. */
extern "C" int fdatasync(int fd)
{
    const std::string link = "/proc/self/fd/" + std::to_string(fd);
    std::error_code ec;
    if (syncs_of_segments_fail &&
        std::filesystem::read_symlink(link, ec).string().find("-bodies/") != std::string::npos) {
        errno = EIO;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace belay::jobs {
namespace {

using namespace std::chrono_literals;

struct BodySegmentsTest : StoreFixture {
    static NewEvent large(char content, std::size_t size = 10'000)
    {
        NewEvent made = event("a");
        made.body.assign(size, content);
        return made;
    }

    [[nodiscard]] std::filesystem::path segment(int number) const
    {
        return segments_directory(options.path) + "/000000000" + std::to_string(number);
    }

    /** The names of the files there are. */
    [[nodiscard]] std::vector<std::string> files() const
    {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator{segments_directory(options.path)})
            names.push_back(entry.path().filename().string());
        std::ranges::sort(names);
        return names;
    }

    static std::int64_t bytes_on_disk(const std::filesystem::path& file)
    {
        struct stat facts{};
        EXPECT_EQ(::stat(file.c_str(), &facts), 0) << file;
        return facts.st_blocks * 512;
    }

    void overwrite(int number, std::streamoff offset)
    {
        std::fstream file{segment(number), std::ios::in | std::ios::out | std::ios::binary};
        file.seekp(offset);
        file << "damage";
    }

    void forget_what_is_over()
    {
        options.retention = 0ms;
        open(); // prunes at once
        EXPECT_TRUE(waits_until([this] { return count(JobState::succeeded) == 0; }));
    }
};

TEST_F(BodySegmentsTest, KeepsLargeBodiesInFilesAndSmallOnesInTheDatabase)
{
    accept(large('s', 4095));
    accept(large('l', 4096));
    accept(large('m', 100'000));
    EXPECT_EQ(query("SELECT group_concat(length(body)) FROM bodies"), "4095");
    EXPECT_EQ(query("SELECT group_concat(number || ':' || bodies) FROM segments"), "1:2");
    EXPECT_EQ(std::filesystem::file_size(segment(1)), 104'096U);
    reopen("boot-2");
    const auto claimed = claim(3);
    ASSERT_EQ(claimed.size(), 3U);
    EXPECT_EQ(claimed[0].body, std::string(4095, 's'));
    EXPECT_EQ(claimed[1].body, std::string(4096, 'l'));
    EXPECT_EQ(claimed[2].body, std::string(100'000, 'm'));
}

TEST_F(BodySegmentsTest, OnlyTheOwnerReadsThem)
{
    accept(large('x'));
    struct stat facts{};
    ASSERT_EQ(::stat(segment(1).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0600U);
    ASSERT_EQ(::stat(segments_directory(options.path).c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777U, 0700U);
}

TEST_F(BodySegmentsTest, EachBodyIsWhereItsEventSaysWhateverElseTheTransactionDid)
{
    execute("CREATE TRIGGER t BEFORE INSERT ON jobs WHEN new.hook = 'fails' BEGIN SELECT raise(ABORT, 'no'); END");
    std::vector<NewEvent> events;
    for (const char content : {'1', '2', '2', '3', '!', '4', '1', '5'}) {
        events.push_back(large(content, 5'000 + static_cast<std::size_t>(content)));
        events.back().delivery_id = std::string{content};
        if (content == '!')
            events.back().hook = "fails";
    }
    accept_all(std::move(events));
    std::string contents;
    for (const auto& job : claim(8)) {
        contents += job.body.at(0);
        EXPECT_EQ(job.body, std::string(5'000 + static_cast<std::size_t>(job.body.at(0)), job.body.at(0)));
    }
    EXPECT_EQ(contents, "12345");
    EXPECT_EQ(query("SELECT group_concat(number || ':' || bodies) FROM segments"), "1:5");
}

/** While one transaction is committed, the next one gathers what accepts a job and what claims it. */
TEST_F(BodySegmentsTest, AJobMayBeClaimedInTheTransactionThatAcceptsIt)
{
    for (int round = 0; round < 5; ++round) {
        asio::io_context& io = caller_loop();
        std::string expected;
        for (const char content : {'1', '2', '3'}) {
            expected += content;
            asio::co_spawn(
                io, store->accept(large(content, 5'000 + static_cast<std::size_t>(content))), asio::use_future);
        }
        auto claimed = asio::co_spawn(io, store->claim(8, {}), asio::use_future);
        io.run();
        std::vector<ClaimedJob> jobs = claimed.get();
        std::ranges::move(claim(8), std::back_inserter(jobs)); // if the commits fell otherwise
        std::string contents;
        for (const auto& job : jobs) {
            contents += job.body.at(0);
            EXPECT_EQ(job.body, std::string(5'000 + static_cast<std::size_t>(job.body.at(0)), job.body.at(0)));
        }
        EXPECT_EQ(contents, expected);
    }
}

TEST_F(BodySegmentsTest, ABodyThatNoCommitToldOfIsLeftBehind)
{
    const auto failpoints = directory.path() / "failpoints";
    std::filesystem::create_directory(failpoints);
    accept(large('a'));
    store.reset();
    EXPECT_EQ(in_child([&] {
        ::setenv("BELAY_FAILPOINTS", failpoints.c_str(), 1);
        open();
        accept(large('b'));
        std::ofstream{failpoints / "store.bodies_written"} << "kill";
        accept(large('c'));
        return 0;
    }),
        128 + SIGKILL);
    EXPECT_EQ(std::filesystem::file_size(segment(2)), 20'000U);
    open();
    EXPECT_EQ(claim(5).size(), 2U);
    EXPECT_EQ(accept(large('d')).state, JobState::queued);
    EXPECT_EQ(claim().at(0).body, large('d').body);
}

TEST_F(BodySegmentsTest, DeletesFilesThatNoEventNeedsAndNothingElse)
{
    accept(large('a'));
    store.reset();
    const auto kept = std::filesystem::path{segments_directory(options.path)} / "notes";
    std::ofstream{kept} << "of somebody";
    std::ofstream{segment(2)} << "left by a crash";
    open();
    EXPECT_EQ(files(), (std::vector<std::string>{"0000000001", "notes"}));
}

TEST_F(BodySegmentsTest, ANewDatabaseDoesNotTakeTheBodiesOfAnother)
{
    accept(large('a'));
    store.reset();
    const std::string elsewhere = options.path + ".damaged";
    std::filesystem::rename(options.path, elsewhere);
    const std::string why = refusal();
    EXPECT_EQ(why.find(segments_directory(options.path) + " has bodies of events, but " + options.path + " is new"), 0U)
        << why;
    std::filesystem::rename(elsewhere, options.path);
    open();
    EXPECT_EQ(claim().at(0).body, large('a').body);
}

TEST_F(BodySegmentsTest, AnOlderDatabaseDoesNotTakeTheBodiesOfANewerOne)
{
    accept(large('a'));
    store.reset();
    const std::string newer = options.path + ".newer";
    std::filesystem::copy_file(options.path, options.path + ".backup");
    for (const char content : {'b', 'c'}) { // a segment for each life
        open();
        accept(large(content));
        store.reset();
    }
    std::filesystem::rename(options.path, newer);
    std::filesystem::rename(options.path + ".backup", options.path);
    const std::string why = refusal();
    EXPECT_EQ(why.find(segment(3).string() + " is of a newer database"), 0U) << why;
    EXPECT_TRUE(why.ends_with("numbered above 1")) << why;
    std::filesystem::rename(newer, options.path);
    open();
    EXPECT_EQ(claim(3).size(), 3U);
}

TEST_F(BodySegmentsTest, AFileThatCannotBeReadNowIsNotDamaged)
{
    accept(large('a'));
    const std::filesystem::path kept = segment(1).string() + ".kept";
    std::filesystem::rename(segment(1), kept);
    std::filesystem::create_symlink(segment(1), segment(1)); // ELOOP: what is forbidden to others root may
    EXPECT_THROW((void)claim(), std::system_error);
    EXPECT_EQ(count(JobState::queued), 1U);
    store.reset();
    const std::string why = refusal();
    EXPECT_EQ(why.find("cannot read " + segment(1).string() + ", which has the bodies of 1 events"), 0U) << why;
    std::filesystem::rename(kept, segment(1));
    open();
    EXPECT_EQ(claim().at(0).body, large('a').body);
}

TEST_F(BodySegmentsTest, DeletesTheFileOfALifeBeforeThatLostItsLastBodyInThisOne)
{
    accept(large('a'));
    EXPECT_TRUE(succeed(claim().at(0)));
    forget_what_is_over();
    accept(large('b'));
    EXPECT_EQ(files(), std::vector<std::string>{"0000000002"});
    EXPECT_EQ(query("SELECT group_concat(number || ':' || bodies) FROM segments"), "2:1");
}

TEST_F(BodySegmentsTest, LeavesTheSpaceOfABatchThatDidNotFitToOthers)
{
    accept(large('a'));
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const rlimit little{.rlim_cur = 50'000, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &little), 0);
    EXPECT_THROW(accept(large('b', 100'000)), StoreUnavailable);
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
    std::signal(SIGXFSZ, SIG_DFL);
    EXPECT_EQ(std::filesystem::file_size(segment(1)), 10'000U);
    EXPECT_TRUE(failures.empty());
    open();
    accept(large('c'));
    EXPECT_EQ(claim(2).at(1).body, large('c').body);
}

TEST_F(BodySegmentsTest, DeletesAFileOnceItsLastBodyIsForgotten)
{
    for (int i = 0; i < 40; ++i)
        accept(large('x', 1_MiB));
    const auto last = accept(large('y')).job;
    EXPECT_EQ(files().size(), 3U) << "16 MiB each";
    succeed_all(claim(40), "");
    forget_what_is_over();
    EXPECT_TRUE(waits_until([this] { return files().size() == 1; }));
    EXPECT_EQ(query("SELECT group_concat(bodies) FROM segments"), "1");
    const auto left = claim().at(0);
    EXPECT_EQ(left.job, last);
    EXPECT_EQ(left.body, large('y').body);
    EXPECT_TRUE(succeed(left));
    EXPECT_TRUE(waits_until([this] {
        open();
        return files().empty();
    }));
    EXPECT_EQ(query("SELECT sum(bodies) FROM segments"), "0");
}

TEST_F(BodySegmentsTest, GivesBackThePlaceOfWhatIsForgottenBeforeItsNeighbours)
{
    for (int i = 0; i < 40; ++i)
        accept(large('x', 1_MiB));
    auto claimed = claim(40);
    ASSERT_EQ(claimed.size(), 40U);
    const std::vector<ClaimedJob> run{claimed[0], claimed[20], claimed[21]}; // they run on
    std::erase_if(claimed, [&](const ClaimedJob& job) {
        return std::ranges::any_of(run, [&](const ClaimedJob& kept) { return kept.job == job.job; });
    });
    succeed_all(claimed, "");
    const auto before = bytes_on_disk(segment(2));
    forget_what_is_over();
    EXPECT_GE(before, 16 << 20);
    EXPECT_TRUE(waits_until([&] { return bytes_on_disk(segment(2)) <= 3 << 20; })) << bytes_on_disk(segment(2));
    const auto again = claim(3); // lost with the store that was closed
    ASSERT_EQ(again.size(), 3U);
    for (const auto& job : again)
        EXPECT_EQ(job.body, large('x', 1_MiB).body);
}

TEST_F(BodySegmentsTest, AJobWhoseBodyIsDamagedFailsAndTheOthersRun)
{
    const auto first = accept(large('a')).job;
    const auto damaged = accept(large('b')).job;
    const auto last = accept(large('c')).job;
    overwrite(1, 15'000);
    const auto claimed = claim(5);
    ASSERT_EQ(claimed.size(), 2U);
    EXPECT_EQ(claimed[0].job, first);
    EXPECT_EQ(claimed[1].job, last);
    EXPECT_EQ(count(JobState::failed), 1U);
    const auto reason = query("SELECT reason FROM jobs WHERE state = 'failed'");
    EXPECT_NE(reason.find("the body of 10000 bytes at 10000 in " + segment(1).string()), std::string::npos) << reason;

    std::fstream file{segment(1), std::ios::in | std::ios::out | std::ios::binary};
    file.seekp(10'000);
    file << large('b').body << std::flush;
    EXPECT_EQ(await(store->retry(damaged)), JobState::queued) << "once the file is mended";
    EXPECT_EQ(claim().at(0).body, large('b').body);
    EXPECT_TRUE(failures.empty());
}

TEST_F(BodySegmentsTest, WhatIsDeliveredAgainReplacesADamagedBody)
{
    NewEvent delivered = large('b');
    delivered.delivery_id = "once";
    NewEvent other = large('x');
    other.delivery_id = "once";
    const auto job = accept(delivered).job;
    overwrite(1, 5'000);
    EXPECT_TRUE(claim().empty());
    EXPECT_EQ(accept(other).job, job);
    EXPECT_TRUE(claim().empty()) << "what differs is not what was signed for then";
    EXPECT_EQ(accept(delivered).job, job);
    EXPECT_EQ(claim().at(0).body, delivered.body);
    EXPECT_EQ(query("SELECT group_concat(number || ':' || bodies) FROM segments"), "1:1");
    reopen("boot-2");
    EXPECT_EQ(claim().at(0).body, delivered.body);
}

TEST_F(BodySegmentsTest, DoesNotStartWithoutAFileThatEventsNeed)
{
    accept(large('a'));
    accept(large('b'));
    store.reset();
    std::filesystem::remove(segment(1));
    const std::string why = refusal();
    EXPECT_EQ(why.find(segment(1).string() + " is missing, and with it the bodies of 2 events; restore it"), 0U) << why;
    std::ofstream{segment(1)}.close(); // what it says can be done
    open();
    EXPECT_TRUE(claim(2).empty());
    EXPECT_EQ(count(JobState::failed), 2U);
    const auto reason = query("SELECT reason FROM jobs");
    EXPECT_TRUE(reason.ends_with("is damaged: the file ends before it does")) << reason;
}

TEST_F(BodySegmentsTest, WaitsWhileNoDescriptorIsToBeHad)
{
    try { // UndefinedBehaviorSanitizer needs a descriptor when it meets a type for the first time
        throw std::system_error{EMFILE, std::generic_category()};
    } catch (const std::system_error& e) {
        ASSERT_TRUE(is_shortage(e.code().value())) << e.what();
        ASSERT_STRNE(e.what(), "");
    }
    accept(large('a'));
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_THROW((void)claim(), std::system_error);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_EQ(claim().at(0).body, large('a').body);

    open(); // its first body needs a file
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
    EXPECT_THROW(accept(large('b')), StoreUnavailable);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    accept(large('b'));
    EXPECT_TRUE(failures.empty());
}

TEST_F(BodySegmentsTest, AcknowledgesNothingMoreAfterTheSyncOfABodyFailed)
{
    accept(large('a'));
    syncs_of_segments_fail = true;
    EXPECT_THROW(accept(large('b')), StoreUnavailable);
    syncs_of_segments_fail = false;
    EXPECT_THROW(accept(event("a")), StoreUnavailable);
    EXPECT_EQ(failures.size(), 1U);
    open();
    EXPECT_EQ(count(JobState::queued), 1U);
}

TEST_F(BodySegmentsTest, IsReadBesideTheStore)
{
    const auto kept = accept(large('a')).event;
    StoreReader reader{threads, options.path};
    EXPECT_EQ(await(reader.request(kept)).value().body, large('a').body);
    overwrite(1, 0);
    EXPECT_THROW((void)await(reader.request(kept)), BodyDamaged);
}

} // namespace
} // namespace belay::jobs
