#pragma once
#include "belayd/config/value_source.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace belay::config {

/** What only a hook that was adnanh/webhook's has: [hooks.NAME.webhook], as `belay import --compat strict` writes it.
 */
struct WebhookCompat {
    std::vector<std::string> methods;         ///< upper-case; none: any
    std::string content_type;                 ///< of every body; "": the request says it
    std::vector<ValueSource> json_parameters; ///< texts that are taken for the JSON object in them
    bool soft_signatures = false;             ///< within an "any" a wrong signature is one that does not match
    std::string response_message;             ///< the answer's body, where that is not the command's output
    enum class AnswerOutput : std::uint8_t { never, success, always } answer_output = AnswerOutput::never;
    std::vector<std::pair<std::string, std::string>> response_headers;
    unsigned success_status = 200;
    unsigned mismatch_status = 200;
};

} // namespace belay::config
