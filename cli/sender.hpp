#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::cli {

/** Which sender `belay send` is, and what it says of the event. */
struct Sender {
    std::optional<std::string> scheme; ///< nothing: github, which need not sign
    std::string secret_file;           ///< "": unsigned
    std::optional<std::string> event;
    std::optional<std::string> delivery;
};

/**
 * What the sender puts in the header beside what every request has: the kind of event, the delivery's id, the time and
 * the signature, which are now.
 * @throws Failure EX_USAGE where there is no such sender, it has no place for what is to be said, or cannot sign with
 * the secret
 */
[[nodiscard]] std::vector<std::pair<std::string, std::string>> make_sender_fields(
    const Sender& sender, std::string_view body);

} // namespace belay::cli
