#pragma once
#include <string>
#include <vector>

namespace belay::cli {

/** What is known about one thing that limits a host. */
struct Finding {
    enum class Verdict : unsigned char {
        ok,
        note,    ///< not as it should be, but belayd lives with it
        warning, ///< to be mended
        unknown  ///< could not be looked at; `found` says why
    };

    std::string check; ///< its name, for programs too: "listen-backlog"
    Verdict verdict = Verdict::ok;
    std::string found;  ///< the figure, with its unit
    std::string needed; ///< the figure that it is compared with
    std::string remedy; ///< what to do, a sentence; "" where there is nothing to do
};

using Findings = std::vector<Finding>;

/** "ok", "note", "warning", "unknown". */
[[nodiscard]] const char* to_string(Finding::Verdict verdict) noexcept;

} // namespace belay::cli
