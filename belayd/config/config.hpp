#pragma once
#include "base/byte_size.hpp"
#include "base/duration.hpp"
#include "base/ip_network.hpp"
#include "belayd/config/jwt_rules.hpp"
#include "belayd/config/origin.hpp"
#include "belayd/config/rate_limit.hpp"
#include "belayd/config/rule.hpp"
#include "belayd/config/scheme.hpp"
#include "belayd/config/value_source.hpp"
#include "belayd/config/webhook_compat.hpp"
#include "daemon/log_thread.hpp"
#include "http/client_address.hpp"
#include "http/server.hpp"

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace belay::config {

/** Where a secret lies.  Its text is read by hooks::load_secret, never kept here. */
struct SecretSource {
    enum class Kind : std::uint8_t {
        file,        ///< path, relative to the configuration file's directory
        credential,  ///< name under $CREDENTIALS_DIRECTORY (systemd LoadCredential=)
        environment, ///< name of an environment variable
        public_key,  ///< path likewise, of PEM: no secret
        key_set      ///< path likewise, of a JWK set: none either
    } kind = Kind::file;
    std::string name;
    Origin origin;
    std::optional<std::chrono::sys_seconds> not_after = {}; ///< what comes later, signed with it, is refused
};

/** How a hook's requests prove who sent them. */
struct Auth {
    bool anybody = false;                  ///< "none", or addresses alone: they need not
    Scheme scheme;                         ///< else
    std::vector<SecretSource> secrets;     ///< any of them will do; at least one
    JwtRules jwt = {};                     ///< of the scheme "jwt"
    std::vector<IpNetwork> addresses = {}; ///< whom requests may come from, whatever they prove; none: anywhere
};

/** One configured route: [hooks.NAME]. */
struct Hook {
    std::string name; ///< 1 to 64 of [A-Za-z0-9._-], begins with a letter or digit
    std::string path; ///< likewise: answers at /hooks/PATH, as all hooks of that path do; by default the name
    Auth auth;
    std::optional<Rule> when;             ///< what else a request must be; one that is not is ignored
    std::optional<WebhookCompat> webhook; ///< compat = "webhook": requests are read as adnanh/webhook reads them
    std::vector<ValueSource> run;         ///< argv; the first is a literal: an absolute path
    std::map<std::string, ValueSource> env;
    std::map<std::string, ValueSource> files; ///< by the variable that names the file
    std::string directory;                    ///< working directory; "": "/"
    Milliseconds timeout{600'000};
    unsigned attempts = 1; ///< counted ones; `lost` and `interrupted` are not
    Milliseconds backoff{10'000};
    Milliseconds max_backoff{3'600'000};
    int mismatch_status = 200;     ///< of the answer to a request that `when` does not match, 200 to 499
    Milliseconds wait{0};          ///< for the job's end before the answer; 0: none
    Milliseconds max_wait{30'000}; ///< at most, where the request asks for it; 0: it may not
    unsigned concurrency = 0;      ///< running jobs of this hook; 0: only max_jobs bounds it
    RateLimits rate_limit;
    unsigned max_queued = 0; ///< queued jobs of this hook; beyond: 503; 0: no bound
    Bytes max_body = 1_MiB;
    Bytes output_limit = 1_MiB; ///< of stdout and of stderr, each
    Origin origin;
};

/** Everything an operator can set, typed and validated. */
struct Config {
    std::string file; ///< the main file; "" for defaults

    // [daemon]
    std::string state_dir;
    Milliseconds drain_timeout{30'000};
    Milliseconds drain_delay{0};
    unsigned http_threads = 0; ///< 0: see cpu_share()

    // [log]
    log::Level log_level = log::Level::info;
    daemon::LogFormat log_format = daemon::LogFormat::automatic;

    // [ingress]
    std::optional<std::vector<std::string>> ingress_listen; ///< not written: passed sockets "ingress", else the default
    http::Limits ingress_limits;
    http::TrustedProxies trusted_proxies;
    Bytes body_memory = 64_MiB; ///< request bodies held in memory in total; beyond: 503

    // [admin]
    std::optional<std::vector<std::string>> admin_listen; ///< not written: passed sockets "admin", else the default

    // [store]
    std::string store_url = "sqlite:belay.db"; ///< relative to state_dir
    Milliseconds retention{7 * 86'400'000LL};
    Bytes free_space_floor = 64_MiB;

    // [runner]
    unsigned max_jobs = 0; ///< 0: likewise
    Milliseconds default_timeout{600'000};
    Milliseconds kill_grace{10'000};
    Bytes output_limit = 1_MiB;
    std::vector<std::string>
        pass_environment; ///< names a job inherits beside PATH, HOME, LANG, LC_*, TZ, USER, LOGNAME, SHELL

    std::map<std::string, Hook> hooks;

    /** Origin of each key that was written, by its dotted name: "runner.max_jobs", "hooks.deploy.timeout". */
    std::map<std::string, Origin> origins;
};

inline constexpr const char* default_ingress_listen = "127.0.0.1:9080";
inline constexpr const char* default_admin_listen = "127.0.0.1:9081";

} // namespace belay::config
