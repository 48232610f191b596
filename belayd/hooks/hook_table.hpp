#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/authenticator.hpp"
#include "belayd/hooks/challenge.hpp"
#include "belayd/hooks/event_identity.hpp"
#include "http/request.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace belay::hooks {

class Judge;
class WebhookHook;

/** What a job is started with, taken from the request when it was accepted. */
struct Invocation {
    std::vector<std::string> arguments;                           ///< argv, the command first
    std::vector<std::pair<std::string, std::string>> environment; ///< the hook's own variables
    /** What is in a file, by the variable that names it; nothing: the body. */
    std::vector<std::pair<std::string, std::optional<std::string>>> files = {};
};

/** An authentic request that asks for a job. */
struct Event {
    Invocation invocation;
    std::optional<std::string> delivery_id; ///< what the sender calls this event, each time that it tries to deliver it
    EventIdentity identity = {};
};

/** The request is refused: 401 not authentic, 403 from an address that is not allowed, 400 malformed, 413 argument too
 * long, 422 a value is missing. */
struct Refusal {
    int status = 401;
    std::string detail;
};

/** What a request is to its hook. */
using Decision = std::variant<Event, Ignored, Reply, Refusal>;

/** With the secret, by its place in the configuration, with which the request is signed. */
struct Judgement {
    Decision decision;
    bool authentic = false;
    std::optional<std::size_t>
        key; ///< also where it is not authentic for having ended, or for the time that was signed
    std::vector<SignedBy> in_rules = {}; ///< likewise, by the signatures that `when` has looked at
};

/**
 * One hook, ready to judge requests: secrets loaded, pointers parsed.
 *
 * Immutable, thread-safe.
 */
class Hook {
public:
    /** @throws config::ConfigError naming the secret that cannot be had, or is none of its sender's */
    explicit Hook(config::Hook hook, const std::string& config_directory);
    ~Hook();
    Hook(const Hook&) = delete;
    Hook& operator=(const Hook&) = delete;
    Hook(Hook&&) = delete;
    Hook& operator=(Hook&&) = delete;

    [[nodiscard]] const config::Hook& config() const noexcept { return config_; }

    /** Authenticates the raw bytes (constant time over the secrets), then matches rules and extracts.  Nothing is
     * parsed before that. */
    [[nodiscard]] Judgement decide(const Input& input) const;

    [[nodiscard]] const Authenticator& authenticator() const noexcept { return authenticator_; }

    /** What a 401 asks for, see Authenticator::challenge(). */
    [[nodiscard]] std::string challenge() const { return authenticator_.challenge(); }

private:
    config::Hook config_;
    Authenticator authenticator_;
    std::unique_ptr<const Judge> judge_;         // none: compat; borrows config_
    std::unique_ptr<const WebhookHook> webhook_; // compat = "webhook": decides alone; borrows config_
};

/** All hooks of one configuration.  Immutable, thread-safe; replaced whole by a reload. */
class HookTable {
public:
    /** @throws config::ConfigError with every hook's errors at once */
    explicit HookTable(const config::Config& config);

    [[nodiscard]] const Hook* find(std::string_view name) const noexcept;
    [[nodiscard]] std::size_t size() const noexcept { return hooks_.size(); }
    [[nodiscard]] auto begin() const noexcept { return hooks_.begin(); }
    [[nodiscard]] auto end() const noexcept { return hooks_.end(); }

private:
    std::map<std::string, std::unique_ptr<const Hook>, std::less<>> hooks_;
};

} // namespace belay::hooks
