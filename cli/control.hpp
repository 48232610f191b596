#pragma once
#include "base/duration.hpp"
#include "cli/context.hpp"
#include "cli/json.hpp"

#include <string>

namespace belay::cli {

/** What belayd answered. */
struct Answer {
    int status = 0;
    std::string text; ///< the body
    json::value body; ///< the same, parsed; null if it is not JSON

    [[nodiscard]] bool ok() const noexcept { return status < 400; }
    /** Of a problem document: "404 Not Found: there is no such job". */
    [[nodiscard]] std::string problem() const;
};

/** An answer's parts from its status and body. */
[[nodiscard]] Answer make_answer(int status, std::string body);

/** Whether something is at `path`, as far as this user may look. */
[[nodiscard]] bool may_exist(const std::string& path);

inline constexpr Milliseconds answer_timeout{10'000};

/**
 * The API of a running belayd, on its control socket: --socket, else $RUNTIME_DIRECTORY/control.sock, else
 * /run/belay/control.sock where that exists or may not be looked for, else control.sock in the state_dir of the
 * configuration.
 *
 * Methods throw Failure: 69 if the daemon cannot be reached.
 */
class Control {
public:
    explicit Control(const Context& context);

    [[nodiscard]] Answer call(const std::string& method, const std::string& target, Milliseconds timeout) const;

    /** @throws Failure also for an answer that is an error: 69 for 503, since belayd is starting or stopping; else 1 */
    [[nodiscard]] Answer get(const std::string& target) const;
    [[nodiscard]] Answer post(const std::string& target) const;

private:
    std::string endpoint_;
};

} // namespace belay::cli
