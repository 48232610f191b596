#include "belayd/config/checks.hpp"
#include "belayd/config/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <set>

namespace belay::config {
namespace {

using namespace std::chrono_literals;

constexpr Milliseconds day = std::chrono::hours{24};

/** Access to a limit of the ingress. */
template <typename T>
auto limit(T http::Limits::* pointer)
{
    return [pointer](auto& config) -> auto& { return config.ingress_limits.*pointer; };
}

void read_listen(const Node& node, std::optional<std::vector<std::string>>& listen, Problems& problems)
{
    const auto specs = read_strings(node, "listen", problems);
    if (!specs)
        return;
    std::vector<std::string> good;
    std::set<std::string_view> seen;
    for (const Node* spec : *specs) {
        if (const auto fault = fault_in_listen_spec(spec->text); !fault.empty())
            problems.add(spec->origin, fmt::format("listen \"{}\" {}", spec->text, fault));
        else if (!seen.insert(spec->text).second && !spec->text.ends_with(":0"))
            problems.add(spec->origin, fmt::format("listen \"{}\" is written twice", spec->text));
        else
            good.push_back(spec->text);
    }
    listen = std::move(good);
}

using Listen = std::optional<std::vector<std::string>> Config::*;

Setting<Config> listen_setting(Listen member, std::string_view default_address)
{
    return {"listen",
        [=](const Node& node, Config& config, Problems& problems) {
            const bool is_empty = node.type == Node::Type::array && node.elements.empty();
            if (is_empty && member == &Config::ingress_listen) // of the admin port it means: none
                problems.add(node.origin, "listen is empty: nothing could be received");
            else
                read_listen(node, config.*member, problems);
        },
        [=](const Config& config) {
            return to_toml((config.*member).value_or(std::vector{std::string{default_address}}));
        },
        [=](const Config& config) { return (config.*member).has_value(); }};
}

/** Networks, and "unix" for the peers of unix sockets. */
Setting<Config> trusted_proxies_setting()
{
    constexpr std::string_view unix_peers = "unix";
    return {"trusted_proxies",
        [=](const Node& node, Config& config, Problems& problems) {
            const auto is_unix = [&](const Node& it) { return it.type == Node::Type::string && it.text == unix_peers; };
            Node networks = node;
            auto& elements = networks.elements;
            config.trusted_proxies.unix_peers = is_unix(node) || std::ranges::any_of(elements, is_unix);
            std::erase_if(elements, is_unix);
            config.trusted_proxies.networks.clear();
            if (!is_unix(node))
                config.trusted_proxies.networks = read_networks(networks, "trusted_proxies", problems);
        },
        [=](const Config& config) {
            std::vector<std::string> texts;
            for (const IpNetwork& network : config.trusted_proxies.networks)
                texts.push_back(to_string(network));
            if (config.trusted_proxies.unix_peers)
                texts.emplace_back(unix_peers);
            return to_toml(texts);
        },
        {}};
}

Setting<Config> pass_environment_setting()
{
    return {"pass_environment",
        [](const Node& node, Config& config, Problems& problems) {
            const auto names = read_strings(node, "pass_environment", problems);
            if (!names)
                return;
            config.pass_environment.clear();
            for (const Node* name : *names) {
                if (const auto fault = fault_in_variable_name(name->text); !fault.empty())
                    problems.add(name->origin, fmt::format("pass_environment \"{}\" {}", name->text, fault));
                else
                    config.pass_environment.push_back(name->text);
            }
        },
        [](const Config& config) { return to_toml(config.pass_environment); }, {}};
}

std::string fault_in_state_dir(const std::string& path)
{
    return path.starts_with('/') ? "" : "is not an absolute path";
}

std::string fault_in_store_url(const std::string& url)
{
    constexpr std::string_view scheme = "sqlite:";
    return url.starts_with(scheme) && url.size() > scheme.size() && !url.ends_with('/')
               ? ""
               : "is not \"sqlite:PATH\", the only kind of store there is";
}

std::vector<Section> make_sections()
{
    using C = Config;
    using L = http::Limits;
    return {
        {"daemon",
            {
                text_setting<C>("state_dir", member(&C::state_dir), fault_in_state_dir),
                duration_setting<C>("drain_timeout", member(&C::drain_timeout), 0s, day),
                duration_setting<C>("drain_delay", member(&C::drain_delay), 0s, 1h),
                count_setting<C>("http_threads", member(&C::http_threads), 0, 256),
            }},
        {"log",
            {
                choice_setting<C>("level", member(&C::log_level), {"trace", "debug", "info", "warning", "error"}),
                choice_setting<C>("format", member(&C::log_format), {"auto", "journal", "console", "json"}),
            }},
        {"ingress",
            {
                listen_setting(&C::ingress_listen, default_ingress_listen),
                size_setting<C>("max_header", limit(&L::header_bytes), 256, 60_KiB), // Beast's buffers end at 64 KiB
                count_setting<C>("max_fields", limit(&L::fields), 8, 1'000),
                size_setting<C>("max_target", limit(&L::target_bytes), 128, 32_KiB),
                duration_setting<C>("header_timeout", limit(&L::header_timeout), 10ms, 1h),
                duration_setting<C>("body_timeout", limit(&L::body_timeout), 10ms, 1h),
                size_setting<C>("body_rate", limit(&L::body_rate), 1, 1024_MiB),
                duration_setting<C>("write_timeout", limit(&L::write_timeout), 10ms, 1h),
                duration_setting<C>("idle_timeout", limit(&L::idle_timeout), 10ms, day),
                count_setting<C>("max_connections", limit(&L::connections), 1, 1'000'000),
                count_setting<C>("max_connections_per_address", limit(&L::connections_per_address), 1, 1'000'000),
                size_setting<C>("body_memory", member(&C::body_memory), 64_KiB, 1024 * 1024_MiB),
                trusted_proxies_setting(),
            }},
        {"admin", {listen_setting(&C::admin_listen, default_admin_listen)}},
        {"store",
            {
                text_setting<C>("url", member(&C::store_url), fault_in_store_url),
                duration_setting<C>("retention", member(&C::retention), 1s, 36'500 * day),
                size_setting<C>("free_space_floor", member(&C::free_space_floor), 0, 1024 * 1024_MiB * 1024),
            }},
        {"runner",
            {
                count_setting<C>("max_jobs", member(&C::max_jobs), 0, 10'000),
                duration_setting<C>("default_timeout", member(&C::default_timeout), 1ms, 365 * day),
                duration_setting<C>("kill_grace", member(&C::kill_grace), 0s, 1h),
                size_setting<C>("output_limit", member(&C::output_limit), 0, largest_output),
                pass_environment_setting(),
            }},
    };
}

} // namespace

const std::vector<Section>& sections()
{
    static const auto made = make_sections();
    return made;
}

} // namespace belay::config
