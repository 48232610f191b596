#pragma once
#include "belayd/jobs/scheduler.hpp"
#include "belayd/jobs/store_reader.hpp"

#include <boost/json/object.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

/** What the API says, as JSON: see routes.hpp for the members. */
namespace belay::api {

namespace json = boost::json;

/** Text from outside as a JSON string: as it is where it is UTF-8, else as escape_for_line() shows it. */
[[nodiscard]] json::string to_json(std::string_view text);

[[nodiscard]] json::object to_json(const jobs::JobSummary& job);
[[nodiscard]] json::object to_json(const jobs::JobDetail& job);
[[nodiscard]] json::object to_json(const jobs::AttemptSummary& attempt);
[[nodiscard]] json::object to_json(const jobs::EventSummary& event);
[[nodiscard]] json::object to_json(const jobs::StoredRequest& request);
[[nodiscard]] json::object to_json(const jobs::RunningAttempt& attempt);

/** @param running whether the attempt may still write more */
[[nodiscard]] json::object to_json(Uuid job, const jobs::AttemptOutput& output, bool running);

/** Adds "NAME", or "NAME_base64" where it is no UTF-8, and "NAME_dropped". */
void add_stream(json::object& object, const std::string& name, const jobs::Captured& captured);

/** {"queued":n,…}: every state, also those without jobs. */
[[nodiscard]] json::object to_json(const std::array<std::uint64_t, jobs::job_states>& counts);

/** {"deploy":12.5}: seconds since the first enqueue of the oldest due job, by hook. */
[[nodiscard]] json::object ages(const std::map<std::string, jobs::Time>& oldest, jobs::Time now);

} // namespace belay::api
