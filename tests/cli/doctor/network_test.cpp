#include "host.hpp"

namespace belay::cli {
namespace {

using Verdict = Finding::Verdict;

class Network : public ::testing::Test {
protected:
    Network() { host_.subject().config.max_jobs = 2; }

    void set(const std::string& key, std::string_view value) { host_.proc("sys/net/" + key, value); }
    [[nodiscard]] Finding backlog(const char* check) { return find(examine_backlogs(host_.subject()), check); }
    [[nodiscard]] Findings ports() { return examine_ports(host_.subject()); }

    /** Puts the settings of a drop-in in force. */
    void apply(const std::string& drop_in)
    {
        std::ifstream file{drop_in};
        int settings = 0;
        for (std::string line; std::getline(file, line);) {
            const auto equals = line.find(" = ");
            if (line.starts_with('#') || equals == std::string::npos)
                continue;
            std::string key = line.substr(std::string_view{"net."}.size(), equals - std::string_view{"net."}.size());
            std::ranges::replace(key, '.', '/');
            set(key, line.substr(equals + 3));
            ++settings;
        }
        EXPECT_GE(settings, 4) << drop_in;
    }

    Host host_;
};

TEST_F(Network, ABacklogIsCutDownByTheKernel)
{
    set("core/somaxconn", "128");
    const Finding finding = backlog("listen-backlog");
    EXPECT_EQ(finding.verdict, Verdict::warning);
    EXPECT_EQ(finding.found, "128");
    EXPECT_EQ(finding.needed, "4096");
    EXPECT_NE(finding.remedy.find("60-belay.conf"), std::string::npos);
    set("core/somaxconn", "4096");
    EXPECT_EQ(backlog("listen-backlog").verdict, Verdict::ok);
    EXPECT_EQ(backlog("syn-backlog").verdict, Verdict::unknown);
    set("ipv4/tcp_max_syn_backlog", "1024");
    EXPECT_EQ(backlog("syn-backlog").verdict, Verdict::warning);
    set("ipv4/tcp_syncookies", "0");
    EXPECT_EQ(backlog("syn-backlog").verdict, Verdict::warning);
    set("ipv4/tcp_syncookies", "1");
    EXPECT_EQ(backlog("syn-backlog").verdict, Verdict::ok);
    EXPECT_EQ(backlog("syn-backlog").found, "1024, no limit with tcp_syncookies 1");
}

TEST_F(Network, PortsLimitHowOftenCommandsConnect)
{
    set("ipv4/ip_local_port_range", "32768\t60999");
    set("ipv4/tcp_tw_reuse", "2");
    const Finding defaults = find(ports(), "local-ports");
    EXPECT_EQ(defaults.verdict, Verdict::ok);
    EXPECT_EQ(defaults.found, "28232 ports, tcp_tw_reuse 2: 470 connections a second to one address");
    host_.subject().config.max_jobs = 16;
    const Finding busy = find(ports(), "local-ports");
    EXPECT_EQ(busy.verdict, Verdict::warning);
    EXPECT_EQ(busy.needed, "1600: 100 for each job that runs");
    set("ipv4/tcp_tw_reuse", "1");
    EXPECT_EQ(find(ports(), "local-ports").verdict, Verdict::ok);
    set("ipv4/ip_local_port_range", "nonsense");
    EXPECT_EQ(find(ports(), "local-ports").verdict, Verdict::unknown);
}

TEST_F(Network, AListenersPortMayBeTakenByACommand)
{
    set("ipv4/ip_local_port_range", "32768\t60999");
    host_.subject().config.ingress_listen = {{"[::1]:40000", "unix:/run/40001", "fd:ingress", "127.0.0.1:8080"}};
    const Finding taken = find(ports(), "listen-port");
    EXPECT_EQ(taken.verdict, Verdict::warning);
    EXPECT_EQ(taken.found, "40000, which is among the local ports 32768 to 60999");
    EXPECT_EQ(ports().size(), 2U);
    set("ipv4/ip_local_reserved_ports", "8080,39990-40010");
    EXPECT_EQ(ports().size(), 1U);
    set("ipv4/ip_local_reserved_ports", "40001");
    EXPECT_EQ(ports().size(), 2U);
    host_.subject().config.ingress_listen.reset(); // 9080 and 9081
    EXPECT_EQ(ports().size(), 1U);
}

TEST_F(Network, TheDropInCuresWhatItIsTheRemedyOf)
{
    host_.subject().config.max_jobs = 256;
    set("core/somaxconn", "128");
    set("ipv4/tcp_max_syn_backlog", "128");
    set("ipv4/ip_local_port_range", "32768\t33768");
    set("ipv4/tcp_tw_reuse", "0");
    for (const char* const check : {"listen-backlog", "syn-backlog"})
        EXPECT_EQ(backlog(check).verdict, Verdict::warning) << check;
    EXPECT_EQ(find(ports(), "local-ports").verdict, Verdict::warning);
    apply(SYSCTL_DROP_IN);
    for (const char* const check : {"listen-backlog", "syn-backlog"})
        EXPECT_EQ(backlog(check).verdict, Verdict::ok) << check;
    EXPECT_EQ(find(ports(), "local-ports").verdict, Verdict::ok);
    EXPECT_EQ(ports().size(), 1U) << "it is not to make local ports of belayd's own";
}

} // namespace
} // namespace belay::cli
