#include "cli/doctor/checks.hpp"
#include "cli/doctor/kernel_file.hpp"
#include "http/server.hpp"

#include <fmt/format.h>

#include <charconv>
#include <string_view>
#include <utility>

namespace belay::cli {
namespace {

using Verdict = Finding::Verdict;

constexpr const char* drop_in =
    "copy sysctl.d/60-belay.conf from belay's examples to /etc/sysctl.d, then sysctl --system";
constexpr long long time_wait = 60;        // seconds that a port is not used again, TCP_TIMEWAIT_LEN
constexpr long long rate_of_command = 100; // connections a second that a command may open to one address

Finding compare(const Subject& subject, const char* name, const char* key, long long needed)
{
    const auto found = read_numbers(subject.proc / "sys/net" / key);
    if (found.empty())
        return {name, Verdict::unknown, "cannot be read", std::to_string(needed), {}};
    if (found.front() >= needed)
        return {name, Verdict::ok, std::to_string(found.front()), std::to_string(needed), {}};
    return {name, Verdict::warning, std::to_string(found.front()), std::to_string(needed), drop_in};
}

/** The port of "host:port"; none of "unix:…" and "fd:…". */
std::optional<long long> port_of(std::string_view address)
{
    if (address.starts_with("unix:") || address.starts_with("fd:"))
        return std::nullopt;
    const std::string_view text = address.substr(address.rfind(':') + 1);
    long long port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} ? std::optional{port} : std::nullopt;
}

std::vector<long long> ports_of(const config::Config& config)
{
    std::vector<long long> ports;
    for (const std::string& address :
        config.ingress_listen.value_or(std::vector<std::string>{config::default_ingress_listen}))
        if (const auto port = port_of(address))
            ports.push_back(*port);
    for (const std::string& address :
        config.admin_listen.value_or(std::vector<std::string>{config::default_admin_listen}))
        if (const auto port = port_of(address))
            ports.push_back(*port);
    return ports;
}

Finding examine_outgoing(const Subject& subject, long long ports)
{
    const auto reuse = read_numbers(subject.proc / "sys/net/ipv4/tcp_tw_reuse");
    const bool reused = !reuse.empty() && reuse.front() == 1; // after a second; 2: on loopback alone
    const long long rate = reused ? ports : ports / time_wait;
    const long long needed = rate_of_command * running_jobs(subject);
    Finding finding{"local-ports", Verdict::ok,
        fmt::format("{} ports, tcp_tw_reuse {}: {} connections a second to one address", ports,
            reuse.empty() ? std::string{"unknown"} : std::to_string(reuse.front()), rate),
        fmt::format("{}: {} for each job that runs", needed, rate_of_command), {}};
    if (rate < needed) {
        finding.verdict = Verdict::warning;
        finding.remedy = drop_in;
    }
    return finding;
}

} // namespace

Findings examine_backlogs(const Subject& subject)
{
    Finding handshakes = compare(subject, "syn-backlog", "ipv4/tcp_max_syn_backlog", http::default_backlog);
    const auto cookies = read_numbers(subject.proc / "sys/net/ipv4/tcp_syncookies");
    if (handshakes.verdict == Verdict::warning && !cookies.empty() && cookies.front() != 0) {
        handshakes.verdict = Verdict::ok; // the kernel drops none for it: tcp_conn_request(), net/ipv4/tcp_input.c
        handshakes.found += fmt::format(", no limit with tcp_syncookies {}", cookies.front());
        handshakes.remedy.clear();
    }
    return {compare(subject, "listen-backlog", "core/somaxconn", http::default_backlog), std::move(handshakes)};
}

Findings examine_ports(const Subject& subject)
{
    const auto range = read_numbers(subject.proc / "sys/net/ipv4/ip_local_port_range");
    if (range.size() != 2)
        return {{"local-ports", Verdict::unknown, "cannot be read", {}, {}}};
    Findings findings{examine_outgoing(subject, range[1] - range[0] + 1)};
    const std::string reserved =
        read_line(subject.proc / "sys/net/ipv4/ip_local_reserved_ports").value_or(std::string{});
    for (const long long port : ports_of(subject.config))
        if (range[0] <= port && port <= range[1] && !is_listed(reserved, port))
            findings.push_back({"listen-port", Verdict::warning,
                fmt::format("{}, which is among the local ports {} to {}", port, range[0], range[1]),
                "one that no command that connects out can be given",
                fmt::format("set net.ipv4.ip_local_reserved_ports = {} in /etc/sysctl.d", port)});
    return findings;
}

} // namespace belay::cli
