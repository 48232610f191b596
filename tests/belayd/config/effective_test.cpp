#include "belayd/config/load.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

namespace belay::config {
namespace {

using ::testing::HasSubstr;

auto fields(const ValueSource& source)
{
    return std::tuple{
        source.kind, source.text, source.fallback, source.decoding, source.allow_dash, source.overflow_file};
}

auto fields(const SecretSource& source)
{
    return std::tuple{source.kind, source.name, source.not_after};
}

void expect_equal(const Hook& a, const Hook& b)
{
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.auth.anybody, b.auth.anybody);
    EXPECT_EQ(a.auth.scheme, b.auth.scheme);
    EXPECT_EQ(a.auth.addresses, b.auth.addresses);
    EXPECT_EQ(a.auth.jwt, b.auth.jwt);
    ASSERT_EQ(a.auth.secrets.size(), b.auth.secrets.size());
    for (std::size_t i = 0; i < a.auth.secrets.size(); ++i)
        EXPECT_EQ(fields(a.auth.secrets[i]), fields(b.auth.secrets[i]));
    ASSERT_EQ(a.run.size(), b.run.size());
    for (std::size_t i = 0; i < a.run.size(); ++i)
        EXPECT_EQ(fields(a.run[i]), fields(b.run[i]));
    ASSERT_EQ(a.env.size(), b.env.size());
    for (const auto& [name, source] : a.env)
        EXPECT_EQ(fields(source), fields(b.env.at(name)));
    ASSERT_EQ(a.files.size(), b.files.size());
    for (const auto& [name, source] : a.files)
        EXPECT_EQ(fields(source), fields(b.files.at(name)));
    EXPECT_EQ(a.directory, b.directory);
    EXPECT_EQ(std::tie(a.timeout, a.attempts, a.backoff, a.max_backoff, a.concurrency, a.max_body, a.output_limit),
        std::tie(b.timeout, b.attempts, b.backoff, b.max_backoff, b.concurrency, b.max_body, b.output_limit));
    EXPECT_EQ(std::tie(a.path, a.max_queued, a.rate_limit, a.wait, a.max_wait, a.mismatch_status),
        std::tie(b.path, b.max_queued, b.rate_limit, b.wait, b.max_wait, b.mismatch_status));
}

void expect_equal(const Config& a, const Config& b)
{
    EXPECT_EQ(std::tie(a.state_dir, a.drain_timeout, a.drain_delay, a.http_threads, a.log_level, a.log_format),
        std::tie(b.state_dir, b.drain_timeout, b.drain_delay, b.http_threads, b.log_level, b.log_format));
    EXPECT_EQ(std::tie(a.ingress_listen, a.admin_listen, a.body_memory, a.store_url, a.retention, a.free_space_floor),
        std::tie(b.ingress_listen, b.admin_listen, b.body_memory, b.store_url, b.retention, b.free_space_floor));
    EXPECT_EQ(std::tie(a.max_jobs, a.default_timeout, a.kill_grace, a.output_limit, a.pass_environment),
        std::tie(b.max_jobs, b.default_timeout, b.kill_grace, b.output_limit, b.pass_environment));
    EXPECT_EQ(a.trusted_proxies, b.trusted_proxies);
    const auto& l = a.ingress_limits;
    const auto& m = b.ingress_limits;
    EXPECT_EQ(std::tie(l.header_bytes, l.fields, l.target_bytes, l.header_timeout, l.body_timeout, l.body_rate,
                  l.write_timeout, l.idle_timeout, l.connections, l.connections_per_address),
        std::tie(m.header_bytes, m.fields, m.target_bytes, m.header_timeout, m.body_timeout, m.body_rate,
            m.write_timeout, m.idle_timeout, m.connections, m.connections_per_address));
    ASSERT_EQ(a.hooks.size(), b.hooks.size());
    for (const auto& [name, hook] : a.hooks)
        expect_equal(hook, b.hooks.at(name));
}

constexpr const char* rich = R"(
[daemon]
state_dir = "/srv/be\"lay"
drain_timeout = "90s"
http_threads = 2
[log]
level = "debug"
format = "console"
[ingress]
listen = ["127.0.0.1:0", "unix:/run/x"]
max_header = "10KiB"
max_fields = 20
max_target = "300B"
header_timeout = "1500ms"
body_timeout = "7s"
body_rate = "3B"
write_timeout = "8s"
idle_timeout = "9s"
max_connections = 11
max_connections_per_address = 12
body_memory = "65MiB"
trusted_proxies = ["10.0.0.0/8", "unix", "2001:db8::7"]
[admin]
listen = []
[store]
url = "sqlite:x y.db"
retention = "36h"
free_space_floor = "0"
[runner]
max_jobs = 5
default_timeout = "11m"
kill_grace = "0s"
output_limit = "5B"
pass_environment = ["A", "B_C"]
[hooks."a.b"]
auth = { scheme = "github", secret_file = ["x", { name = "y\\z", not_after = 2026-12-31T23:59:59Z }], secret_env = "E", secret_credential = "c" }
run = ["/bin/true", "it's \"quoted\"\n\u0001\u007f é", { payload = "/a~1b" }, { header = "H" }, { query = "q" }, { request = "remote_address" }]
env = { A = "", B = { payload = "/x", default = "\n", decode = "base64", overflow_file = "B_FILE" }, C = { query = "\"" } }
files = { D = { event = "received" }, E = { request = "body", decode = "base64" } }
directory = "/tmp"
timeout = "1ms"
attempts = 3
backoff = "1s"
max_backoff = "2s"
concurrency = 4
path = "b.a"
max_queued = 6
mismatch_status = 404
wait = "8s"
max_wait = "1m30s"
rate_limit = { per_source = "60/1m", per_hook = "1/1h30m" }
max_body = "0B"
output_limit = "7B"
[hooks.chat]
auth = { scheme = "slack", secret_env = "E", tolerance = "1m", addresses = ["192.0.2.0/24", "2001:db8::/32"] }
run = ["/bin/true"]
[hooks.ci]
auth = { scheme = "jwt", jwks_file = "ci.json", key_file = ["a.pem", { name = "b.pem", not_after = 2026-12-31T00:00:00Z }], algorithms = ["ES256", "EdDSA"], issuer = "https://ci", audience = ["a", "b\""], leeway = "90s", claims = { "x.y" = "z", n = [1, -7], ok = true } }
run = ["/bin/true"]
[hooks.people]
auth = { scheme = "basic", secret_file = "users", secret_credential = "more" }
run = ["/bin/true"]
[hooks.near]
auth = { addresses = "127.0.0.1" }
run = ["/bin/true"]
[hooks.open]
auth = "none"
run = ["/bin/true"]
)";

TEST(EffectiveConfig, LoadsAgainToTheSameConfiguration)
{
    for (const char* text : {"", rich}) {
        const auto first = parse_config(text, "f.toml");
        const auto written = effective_config(first);
        const auto second = parse_config(written, "g.toml");
        expect_equal(first, second);
        if (HasFailure())
            FAIL() << written;
    }
}

TEST(EffectiveConfig, SaysWhereEachValueComesFrom)
{
    const auto text = effective_config(parse_config("[runner]\n\nmax_jobs = 5\n", "f.toml"));
    EXPECT_THAT(text, HasSubstr("max_jobs = 5  # f.toml:3\n"));
    EXPECT_THAT(text, HasSubstr("kill_grace = \"10s\"  # default\n"));
    EXPECT_THAT(text, HasSubstr("# listen = [\"127.0.0.1:9080\"]  # default\n"));
}

TEST(EffectiveConfig, IsNotBrokenByTheNameOfAFile)
{
    const auto config = parse_config("[runner]\nmax_jobs = 5\n", "f\n[evil]\n.toml");
    expect_equal(config, parse_config(effective_config(config), "g.toml"));
}

} // namespace
} // namespace belay::config
