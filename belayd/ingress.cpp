#include "belayd/ingress.hpp"

#include "base/run_on.hpp"
#include "belayd/config/secrets.hpp"
#include "belayd/ingress_answers.hpp"
#include "belayd/ingress_passwords.hpp"
#include "belayd/request_head.hpp"
#include "belayd/webhook_answers.hpp"
#include "daemon/log.hpp"
#include "http/prefer.hpp"
#include "http/response.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace belay {
namespace {

constexpr std::string_view route_pattern = "/hooks/{name}";

Timestamp now()
{
    return std::chrono::floor<Timestamp::duration>(std::chrono::system_clock::now());
}

void warn_of_secrets(const hooks::HookTable& hooks)
{
    for (const auto& [name, hook] : hooks) {
        for (const std::string& what : hook->authenticator().skipped_keys())
            log::warning("a key is passed over", {{"hook", name}, {"why", what}});
        const auto has_ended = [](const config::SecretSource& secret) {
            return secret.not_after && std::chrono::floor<std::chrono::seconds>(now()) > *secret.not_after;
        };
        for (const auto& use : config::secrets_of(hook->config()))
            if (const config::SecretSource& secret = use.source; has_ended(secret))
                log::warning("a secret has ended",
                    {{"hook", name}, {"key", secret.name}, {"file", secret.origin.file}, {"line", secret.origin.line}});
        for (const config::Auth& auth : config::auths_of(hook->config())) {
            if (!std::ranges::all_of(auth.secrets, has_ended))
                continue;
            if (&auth == &hook->config().auth)
                log::error("every secret of a hook has ended, all that is sent to it is refused", {{"hook", name}});
            else
                log::error(
                    "every secret of a signature in a hook's rules has ended, it is never good", {{"hook", name}});
        }
    }
}

jobs::NewEvent make_event(
    const http::Request& request, const std::string& head, const config::Hook& hook, hooks::Event asked)
{
    jobs::NewEvent event;
    event.event = asked.identity.event;
    event.job = asked.identity.job;
    event.received = asked.identity.received;
    event.hook = hook.name;
    event.delivery_id = std::move(asked.delivery_id);
    event.body = request.body;
    event.content_type = request.field("Content-Type").value_or("");
    event.remote = request.client;
    event.traceparent = to_traceparent(request.trace);
    event.arguments = std::move(asked.invocation.arguments);
    event.environment = std::move(asked.invocation.environment);
    event.files = std::move(asked.invocation.files);
    event.request = head;
    event.max_queued = hook.max_queued;
    return event;
}

/** By the limits of each hook of a path: one request is one for all of them. */
std::optional<http::Rejection> limit_rate(
    const std::vector<IngressHook>& hooks, const http::Request& head, const http::TrustedProxies& proxies)
{
    const auto time = hooks::Bucket::Clock::now();
    std::string source;
    if (std::ranges::any_of(hooks, [](const IngressHook& hook) { return hook.limits.wants_source(); }))
        source = hooks::source_of(http::client_address(head, proxies));
    for (const IngressHook& hook : hooks)
        if (auto refusal = hook.limits.admit(source, time))
            return refusal;
    return std::nullopt;
}

/** Of a path that hooks share, who is not authentic to one of them is no matter of its own: another is meant. */
Opinions ask(const std::vector<IngressHook>& hooks, const http::Request& request, const PasswordsFound& passwords)
{
    Opinions opinions{.list = {}, .shared = hooks.size() > 1};
    std::vector<Opinion> refusals;
    opinions.list.reserve(hooks.size());
    for (std::size_t i = 0; i < hooks.size(); ++i) {
        const IngressHook& hook = hooks[i];
        if (!hook.takes_method(request))
            continue;
        hooks::Judgement judgement = hook.hook.decide({.request = request,
            .now = now(),
            .client_address = request.client,
            .password_file = passwords.file_for(i)});
        hook.count_signatures(judgement);
        opinions.authentic |= judgement.authentic;
        (judgement.authentic ? opinions.list : refusals).push_back({&hook, std::move(judgement.decision)});
    }
    if (!opinions.authentic)
        opinions.list = std::move(refusals);
    return opinions;
}

void count_refused(const Opinions& opinions)
{
    for (const auto& opinion : opinions.list)
        opinion.hook->refused.Increment();
}

void count_ignored(const Opinions& opinions)
{
    for (const auto& opinion : opinions.list)
        opinion.hook->ignored.Increment();
}

/** The answer where nothing is to be stored.  One refusal is one for all: they are stored together or not at all. */
std::optional<http::Response> answer_at_once(const Opinions& opinions)
{
    if (!opinions.authentic) {
        count_refused(opinions);
        return unauthentic_response(opinions);
    }
    if (const auto* const reply = opinions.find<hooks::Reply>()) { // whatever another makes of a challenge
        count_ignored(opinions);
        return reply_response(*reply);
    }
    if (const auto* const refusal = opinions.find<hooks::Refusal>()) {
        count_refused(opinions);
        auto answer = webhook_answer_at_once(opinions);
        return answer ? std::move(answer) : refused_response(*refusal);
    }
    if (opinions.find<hooks::Event>() == nullptr) {
        count_ignored(opinions);
        auto answer = webhook_answer_at_once(opinions);
        return answer ? std::move(answer) : ignored_response(opinions);
    }
    return std::nullopt;
}

/** Takes the decisions' content out of them. */
std::vector<jobs::NewEvent> take_events(
    const http::Request& request, const std::vector<IngressHook>& hooks, Opinions& opinions)
{
    const std::string head = stored_head(request, hooks);
    std::vector<jobs::NewEvent> events;
    for (auto& [hook, decision] : opinions.list)
        if (auto* const event = std::get_if<hooks::Event>(&decision))
            events.push_back(make_event(request, head, hook->config(), std::move(*event)));
    return events;
}

void count_accepted(const Opinions& opinions, const std::vector<jobs::Accepted>& accepted)
{
    auto next = accepted.begin();
    for (const auto& [hook, decision] : opinions.list)
        if (std::holds_alternative<hooks::Event>(decision))
            ((next++)->duplicate ? hook->duplicate : hook->accepted).Increment();
        else
            hook->ignored.Increment();
}

/** How long the end of the jobs is waited for. */
struct Patience {
    Milliseconds wait{0};
    std::optional<std::chrono::seconds> preferred; ///< as much of what the request prefers as was allowed
};

/** Each hook that has an event allows a time of its own; the longest counts. */
Patience patience_for(const Opinions& opinions, const http::Request& request)
{
    const auto preferred = http::preferred_wait(request);
    Patience patience;
    for (const auto& [hook, decision] : opinions.list) {
        if (!std::holds_alternative<hooks::Event>(decision))
            continue;
        const config::Hook& config = hook->config();
        if (preferred && config.max_wait > Milliseconds::zero() && !config.webhook) { // which knows no preference
            const Milliseconds allowed = std::min<Milliseconds>(*preferred, config.max_wait);
            patience.wait = std::max(patience.wait, allowed);
            const auto seconds = std::chrono::floor<std::chrono::seconds>(allowed);
            patience.preferred = std::max(patience.preferred.value_or(seconds), seconds);
        } else {
            patience.wait = std::max(patience.wait, config.wait);
        }
    }
    return patience;
}

std::vector<AcceptedEvent> to_events(const std::vector<jobs::Accepted>& accepted)
{
    std::vector<AcceptedEvent> events;
    for (const auto& one : accepted)
        events.push_back({one});
    return events;
}

std::vector<Uuid> jobs_of(const std::vector<jobs::Accepted>& accepted)
{
    std::vector<Uuid> jobs;
    for (const auto& one : accepted)
        jobs.push_back(one.job);
    return jobs;
}

} // namespace

asio::awaitable<void> Ingress::set_table(Table& slot, Table table)
{
    slot = std::move(table);
    co_return;
}

Ingress::Ingress(Parts parts, std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies)
    : parts_(std::move(parts)), metrics_(parts_.metrics)
{
    start_passwords(*hooks);
    warn_of_secrets(*hooks);
    for (std::size_t i = 0; i < parts_.loops.size(); ++i)
        tables_.push_back(std::make_shared<const IngressHooks>(hooks, proxies, metrics_, parts_.limiter));
}

/** Not before a hook wants it. */
void Ingress::start_passwords(const hooks::HookTable& hooks) const
{
    if (std::ranges::any_of(hooks, [](const auto& it) { return it.second->authenticator().passwords() != nullptr; }))
        parts_.passwords.start();
}

void Ingress::add_routes(http::Router& router)
{
    for (const char* const method : {"POST", "GET", "PUT", "PATCH", "DELETE"})
        router.add({.method = method,
            .pattern = std::string{route_pattern},
            .handler = [this](http::Request& request) { return receive(request); },
            .admit = [this](const http::Request& head) { return admit(head); },
            .is_listed = std::string_view{method} == "POST"});
}

void Ingress::name_client(http::Request& request) const
{
    request.client = http::client_address(request, tables_[request.loop]->proxies());
}

void Ingress::count_rejection(const http::Request& request) const
{
    if (!request.rejection || request.route != route_pattern)
        return;
    if (const auto* const hooks = tables_[request.loop]->find(request.path_parameter("name")))
        for (const IngressHook& hook : *hooks)
            hook.refused.Increment();
}

asio::awaitable<void> Ingress::replace(std::shared_ptr<const hooks::HookTable> hooks, http::TrustedProxies proxies)
{
    warn_of_secrets(*hooks);
    start_passwords(*hooks);
    for (std::size_t i = 0; i < parts_.loops.size(); ++i) {
        // One table for each loop: its reference count stays on that core.
        asio::awaitable<void> change =
            set_table(tables_[i], std::make_shared<const IngressHooks>(hooks, proxies, metrics_, parts_.limiter));
        co_await run_on(*parts_.loops[i], std::move(change));
    }
}

http::Admission Ingress::admit(const http::Request& head) const
{
    const auto* const hooks = tables_[head.loop]->find(head.path_parameter("name"));
    if (hooks == nullptr)
        return http::Rejection{404, std::string{no_such_hook}, {}};
    if (std::ranges::none_of(*hooks, [&head](const IngressHook& hook) { return hook.takes_method(head); }))
        return http::Rejection{405, "a hook takes POST only", {{"Allow", "POST, OPTIONS"}}};
    if (auto refusal = limit_rate(*hooks, head, tables_[head.loop]->proxies()))
        return std::move(*refusal);
    if (!parts_.store.unavailable().empty())
        return http::Rejection{503, unavailable_detail, {{"Retry-After", unavailable_retry_after}}};
    Bytes largest = 0;
    for (const IngressHook& hook : *hooks)
        largest = std::max(largest, hook.config().max_body);
    return largest;
}

asio::awaitable<http::Response> Ingress::receive(http::Request& request) const
{
    const Table table = tables_[request.loop]; // a reload meanwhile must not take the hooks away
    const auto* const hooks = table->find(request.path_parameter("name"));
    if (hooks == nullptr)
        co_return http::problem_response(404, no_such_hook); // gone since its head was read
    const auto second = std::chrono::floor<std::chrono::seconds>(now());
    PasswordsFound passwords;
    if (wants_passwords(*hooks)) {
        asio::awaitable<PasswordsFound> search = find_passwords(parts_.passwords, *hooks, request, second);
        passwords = co_await std::move(search);
    }
    if (passwords.outcome == PasswordThread::Answer::Outcome::resting)
        co_return successors_response();
    if (passwords.outcome == PasswordThread::Answer::Outcome::busy) {
        for (const IngressHook& hook : *hooks)
            hook.refused.Increment();
        co_return passwords_busy_response();
    }
    Opinions opinions = ask(*hooks, request, passwords);
    if (opinions.list.empty())
        co_return http::problem_response(405, "a hook takes POST only"); // by a reload since its head was read
    if (auto answer = answer_at_once(opinions))
        co_return std::move(*answer);
    std::vector<jobs::Accepted> accepted;
    std::optional<http::Response> trouble;
    try {
        accepted = co_await parts_.store.accept(take_events(request, *hooks, opinions));
    } catch (const jobs::QueueFull&) {
        trouble = queue_full_response();
    } catch (const jobs::StoreUnavailable&) {
        trouble = unavailable_response();
    }
    if (trouble) {
        count_refused(opinions);
        co_return std::move(*trouble);
    }
    count_accepted(opinions, accepted);
    if (auto answer = webhook_answer(opinions))
        co_return std::move(*answer);
    co_return co_await answer_accepted(request, opinions, accepted);
}

/** At once, or when the jobs have ended. */
asio::awaitable<http::Response> Ingress::answer_accepted(
    http::Request& request, const Opinions& opinions, const std::vector<jobs::Accepted>& accepted) const
{
    const Patience patience = patience_for(opinions, request);
    std::vector<AcceptedEvent> events = to_events(accepted);
    if (patience.wait > Milliseconds::zero()) {
        std::vector<std::optional<JobEnd>> ends =
            co_await parts_.ends.wait(jobs_of(accepted), JobEnds::Clock::now() + patience.wait, request);
        for (std::size_t i = 0; i < events.size(); ++i)
            events[i].end = std::move(ends[i]);
    }
    if (auto answer = webhook_output_answer(opinions, events))
        co_return std::move(*answer);
    http::Response response = accepted_response(opinions, events);
    if (patience.preferred)
        response.fields.emplace_back("Preference-Applied", fmt::format("wait={}", patience.preferred->count()));
    co_return response;
}

} // namespace belay
