// Databases of earlier versions: what a released belayd has written, this one goes on with.
#include "belayd/jobs/schema.hpp"
#include "tests/belayd/jobs/store_fixture.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace belay::jobs {
namespace {

/** The tables of version 1 as they were released: never to be changed. */
constexpr const char* version_1 = R"sql(
CREATE TABLE events (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    job          BLOB    NOT NULL CHECK (length(job) = 16),
    hook         TEXT    NOT NULL,
    delivery_id  TEXT,
    received     INTEGER NOT NULL,
    remote       TEXT    NOT NULL,
    traceparent  TEXT    NOT NULL,
    content_type TEXT    NOT NULL,
    arguments    BLOB    NOT NULL,
    environment  BLOB    NOT NULL,
    body         INTEGER NOT NULL,
    body_bytes   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_delivery ON events (hook, delivery_id) WHERE delivery_id IS NOT NULL;

CREATE TABLE bodies (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE jobs (
    id       BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    event    BLOB    NOT NULL CHECK (length(event) = 16),
    hook     TEXT    NOT NULL,
    state    TEXT    NOT NULL
             CHECK (state = 'queued' OR state = 'running' OR state = 'succeeded' OR state = 'failed'
                 OR state = 'cancelled' OR state = 'superseded'),
    waiting  INTEGER NOT NULL CHECK (waiting = 0 OR state = 'queued'),
    attempts INTEGER NOT NULL,
    counted  INTEGER NOT NULL,
    lost     INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    run_at   INTEGER NOT NULL,
    finished INTEGER CHECK ((finished IS NULL) = (state IN ('queued', 'running'))),
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX jobs_queue ON jobs (hook, state, waiting, id);
CREATE INDEX jobs_waiting ON jobs (hook, run_at) WHERE waiting = 1;
CREATE INDEX jobs_finished ON jobs (finished) WHERE finished IS NOT NULL;

CREATE TABLE attempts (
    job            BLOB    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number         INTEGER NOT NULL,
    boot_id        TEXT    NOT NULL,
    started        INTEGER NOT NULL,
    finished       INTEGER,
    outcome        TEXT CHECK (outcome = 'succeeded' OR outcome = 'exited' OR outcome = 'signalled' OR outcome = 'timed_out'
                       OR outcome = 'oom' OR outcome = 'lost' OR outcome = 'interrupted'),
    exit_status    INTEGER NOT NULL DEFAULT 0,
    signal         INTEGER NOT NULL DEFAULT 0,
    detail         TEXT    NOT NULL DEFAULT '',
    stdout_bytes   INTEGER NOT NULL DEFAULT 0,
    stderr_bytes   INTEGER NOT NULL DEFAULT 0,
    stdout_dropped INTEGER NOT NULL DEFAULT 0,
    stderr_dropped INTEGER NOT NULL DEFAULT 0,
    output         INTEGER,
    PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE outputs (
    id     INTEGER PRIMARY KEY,
    stdout BLOB NOT NULL,
    stderr BLOB NOT NULL
) STRICT;
)sql";

constexpr const char* of_version_1 = R"sql(
INSERT INTO bodies VALUES (1, x'7b7d');
INSERT INTO events VALUES (x'0190000000007000800000000000000a', x'0190000000007001800000000000000b', 'deploy', 'd-1', 1700000000000000,
    '192.0.2.1', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'application/json', x'393a2f62696e2f747275652c', x'', 1, 2);
INSERT INTO jobs VALUES (x'0190000000007001800000000000000b', x'0190000000007000800000000000000a', 'deploy', 'queued', 0, 0, 0, 0,
    1700000000000000, 1700000000000000, NULL, '');
)sql";

struct SchemaTest : StoreFixture {
    void SetUp() override
    {
        execute(std::string{"PRAGMA page_size = 16384; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;"
                            "BEGIN IMMEDIATE;"} +
                version_1 + of_version_1 + "PRAGMA application_id = 1650814073; PRAGMA user_version = 1; COMMIT");
    }
};

TEST_F(SchemaTest, GoesOnWithADatabaseOfVersion1)
{
    open();
    EXPECT_EQ(query("PRAGMA user_version"), std::to_string(schema_version));
    EXPECT_EQ(query("PRAGMA integrity_check"), "ok");
    EXPECT_TRUE(accept(event("deploy", "d-1")).duplicate);
    const auto old = claim().at(0);
    EXPECT_EQ(to_string(old.job), "01900000-0000-7001-8000-00000000000b");
    EXPECT_EQ(old.arguments, std::vector<std::string>{"/bin/true"});
    EXPECT_EQ(old.body, "{}");
    EXPECT_TRUE(old.files.empty());
    EXPECT_TRUE(succeed(old));

    NewEvent made = event("deploy", "d-2");
    made.files = {{"PAYLOAD", std::nullopt}};
    accept(made);
    EXPECT_EQ(claim().at(0).files, made.files);
}

TEST_F(SchemaTest, MakesTheSameTablesOfAnOldDatabaseAsOfNone)
{
    constexpr const char* tables = "SELECT group_concat(name || ' ' || coalesce(sql, ''), x'0a')"
                                   " FROM (SELECT * FROM sqlite_schema ORDER BY name)";
    constexpr const char* columns =
        "SELECT group_concat(name || type || \"notnull\", ' ') FROM pragma_table_info('events')";
    open();
    const auto changed = query(columns);
    const auto count = query("SELECT count(*) FROM sqlite_schema");
    options.path = (directory.path() / "new.db").string();
    open();
    EXPECT_EQ(query(columns), changed);
    EXPECT_EQ(query("SELECT count(*) FROM sqlite_schema"), count) << query(tables);
}

TEST_F(SchemaTest, ChangesAllOfAnOldDatabaseOrNothing)
{
    execute("ALTER TABLE events ADD COLUMN request TEXT"); // which the second step of version 2 would make
    EXPECT_THROW(open(), std::runtime_error);
    EXPECT_EQ(query("PRAGMA user_version"), "1");
    EXPECT_EQ(query("SELECT count(*) FROM pragma_table_info('events') WHERE name = 'files'"), "0");
    EXPECT_EQ(query("SELECT count(*) FROM jobs"), "1");
}

TEST_F(SchemaTest, LetsAnOldDatabaseBeTakenOverByAnUpgrade)
{
    EXPECT_NO_THROW(check_store_database(options.path));
    EXPECT_EQ(query("PRAGMA user_version"), "1") << "looking changes nothing: the old image has it open";
}

} // namespace
} // namespace belay::jobs
