#include "belayd/ingress.hpp"

#include "daemon/log.hpp"
#include "http/response.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <prometheus/counter.h>
#include <prometheus/family.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace belay {
namespace {

namespace json = boost::json;

constexpr std::string_view route_pattern = "/hooks/{name}";
constexpr const char* retry_after_seconds = "5"; // the store looks for free space every second
constexpr const char* unavailable_detail = "events cannot be stored now; try again"; // why is in /readyz and the log

http::Response accepted_response(const jobs::Accepted& accepted)
{
    json::object document{{"event", to_string(accepted.event)}, {"job", to_string(accepted.job)},
        {"state", jobs::to_string(accepted.state)}};
    if (accepted.duplicate)
        document["duplicate"] = true;
    return http::json_response(accepted.duplicate ? 200 : 202, json::serialize(document));
}

http::Response ignored_response(const std::string& reason)
{
    return http::json_response(200, json::serialize(json::object{{"state", "ignored"}, {"reason", reason}}));
}

http::Response reply_response(std::string json)
{
    if (!json.empty())
        return http::json_response(200, std::move(json));
    return {.status = 204, .content_type = {}, .fields = {{"Content-Type", "application/json"}}, .body = {}};
}

/** @param challenge RFC 9110 §15.5.2 wants one; few senders' schemes are in the registry */
http::Response refused_response(const hooks::Refusal& refusal, const std::string& challenge)
{
    http::Response response = http::problem_response(refusal.status, refusal.detail);
    if (refusal.status == 401)
        response.fields.emplace_back("WWW-Authenticate", challenge);
    return response;
}

http::Response unavailable_response()
{
    http::Response response = http::problem_response(503, unavailable_detail);
    response.fields.emplace_back("Retry-After", retry_after_seconds);
    return response;
}

std::chrono::sys_seconds now()
{
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

void warn_of_ended_secrets(const hooks::HookTable& hooks)
{
    for (const auto& [name, hook] : hooks) {
        std::size_t ended = 0;
        for (const auto& secret : hook->config().auth.secrets) {
            if (!secret.not_after || now() <= *secret.not_after)
                continue;
            ++ended;
            log::warning("a secret has ended",
                {{"hook", name}, {"key", secret.name}, {"file", secret.origin.file}, {"line", secret.origin.line}});
        }
        if (ended != 0 && ended == hook->config().auth.secrets.size())
            log::error("every secret of a hook has ended, all that is sent to it is refused", {{"hook", name}});
    }
}

jobs::NewEvent make_event(const http::Request& request, std::string hook, hooks::Event asked)
{
    jobs::NewEvent event;
    event.hook = std::move(hook);
    event.delivery_id = std::move(asked.delivery_id);
    event.body = request.body;
    event.content_type = request.field("Content-Type").value_or("");
    event.remote = request.peer->address;
    event.traceparent = to_traceparent(request.trace);
    event.arguments = std::move(asked.invocation.arguments);
    event.environment = std::move(asked.invocation.environment);
    return event;
}

} // namespace

/** The hooks of one configuration with their counters looked up. */
struct Ingress::Table {
    struct Signatures {
        std::reference_wrapper<prometheus::Counter> accepted;
        std::reference_wrapper<prometheus::Counter> refused;
    };
    struct Entry {
        const hooks::Hook& hook;
        prometheus::Counter& accepted;
        prometheus::Counter& duplicate;
        prometheus::Counter& ignored;
        prometheus::Counter& refused;
        std::vector<Signatures> signatures; // by secret

        void count_signature(std::size_t secret, bool authentic) const
        {
            const Signatures& counters = signatures.at(secret);
            (authentic ? counters.accepted : counters.refused).get().Increment();
        }
    };
    std::shared_ptr<const hooks::HookTable> hooks;
    std::map<std::string, Entry, std::less<>> entries;

    [[nodiscard]] const Entry* find(std::string_view name) const
    {
        const auto found = entries.find(name);
        return found == entries.end() ? nullptr : &found->second;
    }
};

asio::awaitable<void> Ingress::set_table(std::shared_ptr<const Table>& slot, std::shared_ptr<const Table> table)
{
    slot = std::move(table);
    co_return;
}

Ingress::Ingress(std::vector<asio::io_context*> loops, jobs::Store& store, daemon::Metrics& metrics,
    std::shared_ptr<const hooks::HookTable> hooks)
    : loops_(std::move(loops)), store_(store),
      events_(prometheus::BuildCounter()
              .Name("belay_events_total")
              .Help("Requests to a hook, by what became of them: accepted, duplicate, ignored or refused.")
              .Register(metrics.registry())),
      signatures_(prometheus::BuildCounter()
              .Name("belay_signatures_total")
              .Help("Signatures by a secret of the hook: accepted, or refused since the secret or the time signed is "
                    "over.")
              .Register(metrics.registry()))
{
    warn_of_ended_secrets(*hooks);
    for (std::size_t i = 0; i < loops_.size(); ++i)
        tables_.push_back(make_table(hooks));
}

Ingress::~Ingress() = default;

std::shared_ptr<const Ingress::Table> Ingress::make_table(std::shared_ptr<const hooks::HookTable> hooks) const
{
    auto table = std::make_shared<Table>();
    for (const auto& [name, hook] : *hooks) {
        const auto counter = [this, &hook_name = name](const char* result) -> prometheus::Counter& {
            return events_.Add({{"hook", hook_name}, {"result", result}});
        };
        std::vector<Table::Signatures> signatures;
        for (const auto& secret : hook->config().auth.secrets) {
            const auto signature = [this, &hook_name = name, &secret](const char* result) {
                return std::ref(signatures_.Add({{"hook", hook_name}, {"key", secret.name}, {"result", result}}));
            };
            signatures.push_back({signature("accepted"), signature("refused")});
        }
        table->entries.emplace(name, Table::Entry{*hook, counter("accepted"), counter("duplicate"), counter("ignored"),
                                         counter("refused"), std::move(signatures)});
    }
    table->hooks = std::move(hooks);
    return table;
}

void Ingress::add_routes(http::Router& router)
{
    router.add({.method = "POST",
        .pattern = std::string{route_pattern},
        .handler = [this](http::Request& request) { return receive(request); },
        .admit = [this](const http::Request& head) { return admit(head); }});
}

http::Middleware Ingress::count_rejections()
{
    return [this](http::Handler next) -> http::Handler {
        return [this, next = std::move(next)](http::Request& request) {
            if (request.rejection && request.route == route_pattern)
                if (const auto* const entry = tables_[request.loop]->find(request.path_parameter("name")))
                    entry->refused.Increment();
            return next(request);
        };
    };
}

asio::awaitable<void> Ingress::replace(std::shared_ptr<const hooks::HookTable> hooks)
{
    warn_of_ended_secrets(*hooks);
    for (std::size_t i = 0; i < loops_.size(); ++i) {
        // One table for each loop: its reference count stays on that core.
        asio::awaitable<void> change = set_table(tables_[i], make_table(hooks));
        co_await asio::co_spawn(loops_[i]->get_executor(), std::move(change), asio::use_awaitable);
    }
}

http::Admission Ingress::admit(const http::Request& head) const
{
    const auto* const entry = tables_[head.loop]->find(head.path_parameter("name"));
    if (entry == nullptr)
        return http::Rejection{404, "no such hook", {}};
    if (!store_.unavailable().empty())
        return http::Rejection{503, unavailable_detail, {{"Retry-After", retry_after_seconds}}};
    return entry->hook.config().max_body;
}

asio::awaitable<http::Response> Ingress::receive(http::Request& request) const
{
    const auto table = tables_[request.loop]; // a reload meanwhile must not take the hook away
    const auto* const entry = table->find(request.path_parameter("name"));
    if (entry == nullptr)
        co_return http::problem_response(404, "no such hook"); // gone since its head was read
    hooks::Judgement judgement = entry->hook.decide({request, now(), request.peer->address});
    hooks::Decision& decision = judgement.decision;
    if (judgement.key)
        entry->count_signature(*judgement.key, judgement.authentic);
    if (const auto* const refusal = std::get_if<hooks::Refusal>(&decision)) {
        entry->refused.Increment();
        co_return refused_response(*refusal, entry->hook.challenge());
    }
    if (const auto* const ignored = std::get_if<hooks::Ignored>(&decision)) {
        entry->ignored.Increment();
        co_return ignored_response(ignored->reason);
    }
    if (auto* const reply = std::get_if<hooks::Reply>(&decision)) {
        entry->ignored.Increment();
        co_return reply_response(std::move(reply->json));
    }
    jobs::NewEvent event = make_event(request, entry->hook.config().name, std::get<hooks::Event>(std::move(decision)));
    jobs::Accepted accepted;
    bool unavailable = false;
    try {
        accepted = co_await store_.accept(std::move(event));
    } catch (const jobs::StoreUnavailable&) {
        unavailable = true;
    }
    if (unavailable) {
        entry->refused.Increment();
        co_return unavailable_response();
    }
    (accepted.duplicate ? entry->duplicate : entry->accepted).Increment();
    co_return accepted_response(accepted);
}

} // namespace belay
