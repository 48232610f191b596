#pragma once
#include "belayd/config/config.hpp"

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

namespace belay::config {

/** One thing wrong with a configuration. */
struct Diagnostic {
    Origin origin;
    std::string message; ///< one sentence that names the remedy
    std::string line;    ///< the offending line's text, "" if there is none
};

/**
 * "FILE:LINE:COLUMN: message", the line, and a caret under the column; escaped for a terminal.  Without a line that
 * sets a secret, a token or a password, going by its keys.
 */
[[nodiscard]] std::string format(const Diagnostic& diagnostic);

/** A diagnostic found after loading; its line is read from the file, if that still can be. */
[[nodiscard]] Diagnostic make_diagnostic(const Origin& origin, std::string message);

/** The configuration cannot be used: the first syntax error, or every validation error at once. */
class ConfigError : public std::runtime_error {
public:
    explicit ConfigError(std::vector<Diagnostic> diagnostics);
    [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const noexcept { return diagnostics_; }

private:
    std::vector<Diagnostic> diagnostics_;
};

/** What is wrong with a secret as one of a hook's, "" for nothing. */
using SecretCheck = std::function<std::string(const Auth&, const SecretSource&)>;

/**
 * Reads belay.toml (TOML 1.0) and what it includes.
 *
 * Unknown keys are errors.  Files over 1 MiB and nesting over 64 are refused before the parser sees them: toml11 3.7
 * overflows its stack.  $STATE_DIRECTORY is the default of daemon.state_dir, "/var/lib/belay" without it.
 * @param fault_in_secret asked of every secret, if given
 * @throws ConfigError
 */
[[nodiscard]] Config load_config(const std::string& path, const SecretCheck& fault_in_secret = {});

/**
 * The same from text, with `file` as its name; `include` is an error.  Looks at the file system only to check that the
 * commands and directories of hooks are there.
 * @throws ConfigError
 */
[[nodiscard]] Config parse_config(const std::string& text, const std::string& file);

/** The whole configuration as TOML, defaults included, each key with the origin of its value as a comment. */
[[nodiscard]] std::string effective_config(const Config& config);

/** The keys, among those that a reload cannot change, in which `next` differs: "daemon.state_dir is …; restart". */
[[nodiscard]] std::vector<Diagnostic> unreloadable_changes(const Config& current, const Config& next);

} // namespace belay::config
