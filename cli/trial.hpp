#pragma once
#include "base/timestamp.hpp"
#include "belayd/hooks/judge.hpp"
#include "belayd/hooks/webhook_hook.hpp"
#include "cli/context.hpp"
#include "cli/recorded_request.hpp"

#include <optional>
#include <string>
#include <string_view>

/** A hook and a request brought together without a daemon; nothing is run. */
namespace belay::cli {

/**
 * The configuration, whose secrets may be ones that this user cannot read.
 * @throws Failure 78, after every error was printed to context.err
 */
[[nodiscard]] config::Config load_for_trial(Context& context);

/** @throws Failure with `exit_status`, naming the hooks that there are */
[[nodiscard]] const config::Hook& find_hook(const config::Config& config, const std::string& name, int exit_status);

/** Whether a request shows who sends it. */
struct Authentication {
    enum class State : unsigned char { nobody, good, refused, unchecked } state = State::unchecked;
    std::string detail = {}; ///< the secret that fits, what a sender is told, or why it is not checked
    int status = 401;        ///< of what is refused
};

/** @param config_directory where secret files lie */
[[nodiscard]] Authentication authenticate(
    const config::Hook& hook, const RecordedRequest& request, const std::string& config_directory);

/** A hook that judges requests as it does in belayd, once they are authentic.  Lifetime: borrows the hook. */
class Trial {
public:
    /**
     * @param signatures that are among the rules
     * @throws config::ConfigError naming the secret of one that cannot be had, with compat = "webhook"; else what hangs
     * on it is unknown
     */
    Trial(const config::Hook& hook, const std::string& config_directory, hooks::Signatures signatures);

    [[nodiscard]] hooks::Decision decide(const hooks::Input& input) const;

    /** How its rules see the request; nothing where it has none.  As long as the hook. */
    [[nodiscard]] std::optional<hooks::Trace> trace(const hooks::Input& input) const;

private:
    std::optional<const hooks::Judge> judge_;
    std::optional<const hooks::WebhookHook> webhook_; // compat = "webhook"; else the other
};

/** "event", "ignored", "refused" or "answered". */
[[nodiscard]] std::string_view outcome_of(const hooks::Decision& decision) noexcept;

/** What is told the sender of it, where the hook has its path for itself: 202, 200, 401, … */
[[nodiscard]] int status_of(const hooks::Decision& decision, const config::Hook& hook) noexcept;

/** Why it is no event; "" for one. */
[[nodiscard]] std::string reason_of(const hooks::Decision& decision);

[[nodiscard]] Timestamp now();

/** The contents of a file, "-" for `standard_input`.  @throws Failure with `exit_status` */
[[nodiscard]] std::string read_file(const std::string& file, std::istream& standard_input, int exit_status);

} // namespace belay::cli
