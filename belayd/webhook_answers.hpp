#pragma once
#include "belayd/ingress_answers.hpp"
#include "http/response.hpp"

#include <optional>
#include <vector>

/** What ingress answers as adnanh/webhook does: for a hook with compat = "webhook" that shares its path with none. */
namespace belay {

/** Where nothing is to be stored; nothing where there is something, or the hook is none of those. */
[[nodiscard]] std::optional<http::Response> webhook_answer_at_once(const Opinions& opinions);

/** Once it is stored; nothing where the hook is none of those, or its command's output is the answer. */
[[nodiscard]] std::optional<http::Response> webhook_answer(const Opinions& opinions);

/**
 * Once the command has ended, or that was waited for long enough; nothing where its output is not the answer, which is
 * taken out of the events.
 */
[[nodiscard]] std::optional<http::Response> webhook_output_answer(
    const Opinions& opinions, std::vector<AcceptedEvent>& events);

} // namespace belay
