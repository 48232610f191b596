#pragma once
#include "cli/import/notes.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace belay::webhook {

/** How belay is to read requests. */
enum class Mode : std::uint8_t {
    native, ///< as belay does
    strict  ///< as adnanh/webhook does, with all its quirks: compat = "webhook"
};

/** The hook that is being mapped. */
struct Scope {
    Mode mode = Mode::native;
    const Hook& hook;
    std::string name;           ///< what belay calls it
    std::string secrets_prefix; ///< of a secret's file in belay.toml: "", or a directory with its "/"
    Notes& notes;
};

/**
 * A value of the request as a member of a TOML table: payload = "/head_commit/id".
 * @return nothing where it cannot be mapped, which is then noted; and for a string, which is no value of the request
 */
[[nodiscard]] std::optional<std::string> request_source(const Argument& argument, const Scope& scope);

/** The list of networks of an "ip-whitelist", as TOML; those that are none are noted and left out. */
[[nodiscard]] std::string networks(const std::string& ip_range, unsigned line, const Scope& scope);

/** auth = { … }, and when = { … } if anything is left of the rule: lines of TOML. */
[[nodiscard]] std::string rule_lines(const Scope& scope);

/** Of a secret that is not written into belay.toml: secret_file = "deploy.secret". */
[[nodiscard]] std::string secret_member(const std::vector<std::string>& texts, const Scope& scope);

} // namespace belay::webhook
