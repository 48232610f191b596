#pragma once
#include "belayd/config/origin.hpp"
#include "cli/recorded_request.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace belay::cli {

/** What a hook has to make of a request: one [[case]] of a file. */
struct GoldenCase {
    config::Origin origin;
    std::string name;
    std::string hook;
    RecordedRequest request;
    std::string body_file;          ///< relative to the file; "": the request has its body
    bool authenticates = false;     ///< `signed`: with what is in its header
    std::string expected = "event"; ///< see outcome_of()
    std::optional<std::uint64_t> status = {};
    std::optional<std::string> reason = {};
    std::optional<std::vector<std::string>> arguments = {}; ///< without the command
    std::map<std::string, std::string> environment = {};    ///< those, and maybe more
    std::map<std::string, std::string> files = {}; ///< likewise, by the variable that names each: what is in it
};

/**
 * The cases of a TOML file.
 * @throws config::ConfigError with every mistake in it
 */
[[nodiscard]] std::vector<GoldenCase> parse_golden_cases(const std::string& text, const std::string& file);

} // namespace belay::cli
