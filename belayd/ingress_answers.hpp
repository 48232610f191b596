#pragma once
#include "belayd/hooks/hook_table.hpp"
#include "belayd/ingress_hooks.hpp"
#include "belayd/job_ends.hpp"
#include "belayd/jobs/job.hpp"
#include "http/response.hpp"

#include <optional>
#include <string_view>
#include <variant>
#include <vector>

/** What ingress answers, of one hook and of several that share a path. */
namespace belay {

/** What a hook says of a request. */
struct Opinion {
    const IngressHook* hook = nullptr;
    hooks::Decision decision;
};

/** What the hooks of a path say: of those for which the request is authentic, or, where there are none, of all. */
struct Opinions {
    std::vector<Opinion> list;
    bool authentic = false;
    bool shared = false; ///< the path has several hooks: the answer has a list, whoever of them has a say

    /** The first decision of that kind. */
    template <class Kind>
    [[nodiscard]] const Kind* find() const noexcept
    {
        for (const auto& opinion : list)
            if (const auto* const decision = std::get_if<Kind>(&opinion.decision))
                return decision;
        return nullptr;
    }
};

/** Where the request is authentic to none. */
[[nodiscard]] http::Response unauthentic_response(const Opinions& opinions);

[[nodiscard]] http::Response refused_response(const hooks::Refusal& refusal);

[[nodiscard]] http::Response reply_response(const hooks::Reply& reply);

/** Where all are Ignored. */
[[nodiscard]] http::Response ignored_response(const Opinions& opinions);

/** An event that was accepted, with how its job ended if that was waited for. */
struct AcceptedEvent {
    jobs::Accepted accepted;
    std::optional<JobEnd> end = {};
};

/**
 * 202, or 200 where nothing is left to be done: duplicates, jobs that have ended, however they did.
 * @param events one for each Event of the opinions, in their order; the others are Ignored
 */
[[nodiscard]] http::Response accepted_response(const Opinions& opinions, const std::vector<AcceptedEvent>& events);

[[nodiscard]] http::Response unavailable_response();
[[nodiscard]] http::Response queue_full_response();

[[nodiscard]] http::Response passwords_busy_response();

/** Nothing here: the next image of belayd is asked. */
[[nodiscard]] http::Response successors_response();

inline constexpr std::string_view no_such_hook = "no such hook";
inline constexpr const char* unavailable_detail = "events cannot be stored now; try again"; // why: /readyz and the log
inline constexpr const char* unavailable_retry_after = "5"; // seconds: the store looks for free space every second

} // namespace belay
