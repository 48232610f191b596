#pragma once
#include "belayd/config/scheme.hpp"
#include "belayd/hooks/payload.hpp"
#include "http/request.hpp"

#include <optional>
#include <string>
#include <variant>

namespace belay::hooks {

/** The request is authentic, as far as the hook wants it, and asks for nothing: a ping, or no match of the rules.
 * Answered "ignored" with the reason. */
struct Ignored {
    std::string reason;
    int status = 200;
};

/** The request asks whether this end is what it should be: answered with this, and nothing is run. */
struct Reply {
    std::string json; ///< "": 204, with the content type that Discord wants all the same
};

/**
 * What an authentic request is, if it is no event.
 * @throws MalformedPayload where the body of a challenge would have to be read and cannot be
 */
[[nodiscard]] std::optional<std::variant<Ignored, Reply>> meet_challenge(
    config::Scheme::Challenge challenge, const http::Request& request, Payload& payload);

} // namespace belay::hooks
