#include "belayd/api/documents.hpp"

#include "base/timestamp.hpp"
#include "base/utf8.hpp"

#include <boost/json/array.hpp>
#include <openssl/evp.h>

#include <algorithm>
#include <optional>

namespace belay::api {
namespace {

json::value text_of(const Uuid& id)
{
    return json::value(to_string(id));
}

json::value text_of(const std::optional<jobs::Time>& time)
{
    return time ? json::value(format_timestamp(*time)) : json::value(nullptr);
}

std::string base64(std::string_view bytes)
{
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0'); // and the NUL that OpenSSL adds
    ::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
        reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
    text.pop_back();
    return text;
}

} // namespace

void add_stream(json::object& object, const std::string& name, const jobs::Captured& captured)
{
    if (is_valid_utf8(captured.text))
        object[name] = captured.text;
    else
        object[name + "_base64"] = base64(captured.text);
    object[name + "_dropped"] = captured.dropped;
}

json::string to_json(std::string_view text)
{
    return is_valid_utf8(text) ? json::string{text} : json::string{escape_for_line(text)};
}

json::object to_json(const jobs::JobSummary& job)
{
    return {{"id", text_of(job.job)}, {"event", text_of(job.event)}, {"hook", to_json(job.hook)},
        {"state", jobs::to_string(job.state)}, {"reason", to_json(job.reason)}, {"attempts", job.attempts},
        {"enqueued", text_of(job.enqueued)}, {"run_at", text_of(job.run_at)}, {"finished", text_of(job.finished)}};
}

json::object to_json(const jobs::JobDetail& job)
{
    json::object object = to_json(job.summary);
    json::array& arguments = object["arguments"].emplace_array();
    for (const auto& argument : job.arguments)
        arguments.push_back(to_json(argument));
    object["delivery_id"] = to_json(job.delivery_id);
    object["remote"] = to_json(job.remote);
    object["traceparent"] = to_json(job.traceparent);
    object["received"] = text_of(job.received);
    object["body_bytes"] = job.body_bytes;
    json::array& attempts = object["attempt_list"].emplace_array();
    for (const auto& attempt : job.attempts)
        attempts.push_back(to_json(attempt));
    return object;
}

json::object to_json(const jobs::AttemptSummary& attempt)
{
    json::object object{{"attempt", attempt.number}, {"outcome", nullptr}, {"started", text_of(attempt.started)},
        {"finished", text_of(attempt.finished)}, {"detail", to_json(attempt.detail)},
        {"stdout_bytes", attempt.stdout_bytes}, {"stdout_dropped", attempt.stdout_dropped},
        {"stderr_bytes", attempt.stderr_bytes}, {"stderr_dropped", attempt.stderr_dropped}};
    if (attempt.outcome)
        object["outcome"] = jobs::to_string(*attempt.outcome);
    if (attempt.outcome == jobs::Outcome::exited)
        object["exit_status"] = attempt.exit_status;
    if (attempt.outcome == jobs::Outcome::signalled)
        object["signal"] = attempt.signal;
    return object;
}

json::object to_json(const jobs::EventSummary& event)
{
    return {{"id", text_of(event.event)}, {"hook", to_json(event.hook)}, {"delivery_id", to_json(event.delivery_id)},
        {"remote", to_json(event.remote)}, {"received", text_of(event.received)}, {"body_bytes", event.body_bytes},
        {"job", event.job ? text_of(*event.job) : json::value(nullptr)}};
}

json::object to_json(const jobs::StoredRequest& request)
{
    json::array headers;
    for (const auto& [name, value] : request.fields)
        headers.push_back(json::array{to_json(name), to_json(value)});
    return {{"hook", to_json(request.hook)}, {"method", to_json(request.method)}, {"target", to_json(request.target)},
        {"headers", std::move(headers)}, {"body_base64", base64(request.body)}, {"remote", to_json(request.remote)},
        {"received", text_of(request.received)}};
}

json::object to_json(const jobs::RunningAttempt& attempt)
{
    return {{"job", text_of(attempt.job)}, {"hook", to_json(attempt.hook)}, {"attempt", attempt.attempt},
        {"started", text_of(attempt.started)}};
}

json::object to_json(Uuid job, const jobs::AttemptOutput& output, bool running)
{
    json::object object{{"job", text_of(job)}, {"attempt", output.attempt}, {"running", running}};
    add_stream(object, "stdout", output.out);
    add_stream(object, "stderr", output.err);
    return object;
}

json::object to_json(const std::array<std::uint64_t, jobs::job_states>& counts)
{
    json::object object;
    for (std::size_t i = 0; i < counts.size(); ++i)
        object[jobs::to_string(static_cast<jobs::JobState>(i))] = counts[i];
    return object;
}

json::object ages(const std::map<std::string, jobs::Time>& oldest, jobs::Time now)
{
    json::object object;
    for (const auto& [hook, enqueued] : oldest)
        object[hook] = std::max(0.0, std::chrono::duration<double>(now - enqueued).count()); // clocks may step back
    return object;
}

} // namespace belay::api
