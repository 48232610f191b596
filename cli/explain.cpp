#include "base/uuid.hpp"
#include "belayd/config/load.hpp"
#include "belayd/hooks/encoding.hpp"
#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"
#include "cli/json.hpp"
#include "cli/trial.hpp"
#include "http/chars.hpp"

#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <fmt/format.h>

#include <sysexits.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <ostream>
#include <string_view>
#include <system_error>

namespace belay::cli {
namespace {

constexpr std::size_t max_shown_value = 200; // of a terminal's lines, two or three

struct ExplainOptions {
    std::string hook;
    std::string file;  ///< "-" for stdin
    std::string event; ///< or this
    std::vector<std::string> headers;
    std::string method;
    std::string query;
    std::string from;
    bool trust = false; ///< --no-auth
};

struct Explanation {
    const config::Hook& hook;
    const RecordedRequest& request;
    Authentication authentication;
    std::optional<hooks::Trace> rules;
    std::optional<hooks::Decision> decision; ///< none: `unknown`
    std::string unknown = {};                ///< why it cannot be told here
};

/** "2026-03-01T09:30:00.000000Z", as belayd writes it. */
Timestamp parse_received(const std::string& text)
{
    std::tm time{};
    const char* const end = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
    const std::string_view fraction = end == nullptr ? "" : end;
    unsigned microseconds = 0;
    if (fraction.size() == 8 && fraction.front() == '.' && fraction.back() == 'Z')
        if (const auto [digits, error] = std::from_chars(fraction.data() + 1, fraction.data() + 7, microseconds);
            error == std::errc{} && digits == fraction.data() + 7)
            return Timestamp{std::chrono::seconds{::timegm(&time)} + std::chrono::microseconds{microseconds}};
    throw Failure{EXIT_FAILURE, "belayd's answer has no time: it is of another version"};
}

/** What belayd keeps of an event: credentials are not among it. */
RecordedRequest fetch_event(const std::string& id, const Context& context)
{
    const auto uuid = parse_uuid(id);
    if (!uuid)
        throw Failure{EX_USAGE, fmt::format("--event {}: this is not the id of an event", id)};
    const Answer answer = Control{context}.get(fmt::format("/api/v1/events/{}/request", to_string(*uuid)));
    RecordedRequest request;
    request.method = text_member(answer.body, "method");
    request.set_target(text_member(answer.body, "target"));
    request.remote = text_member(answer.body, "remote");
    request.received = parse_received(text_member(answer.body, "received"));
    for (const json::value& field : array_member(answer.body, "headers"))
        if (const auto* const pair = field.if_array(); pair != nullptr && pair->size() == 2)
            request.fields.emplace_back(
                json::value_to<std::string>(pair->at(0)), json::value_to<std::string>(pair->at(1)));
    const auto body = hooks::from_base64(text_member(answer.body, "body_base64"));
    if (!body)
        throw Failure{EXIT_FAILURE, "belayd's answer has no body in base64: it is of another version"};
    request.body = *body;
    return request;
}

using Sources = std::vector<std::reference_wrapper<const config::ValueSource>>;

/** Of what would be run. */
Sources sources_of(const config::Hook& hook)
{
    Sources sources{hook.run.begin(), hook.run.end()};
    for (const auto* const named : {&hook.env, &hook.files})
        for (const auto& [name, source] : *named)
            sources.emplace_back(source);
    return sources;
}

/** The headers of which rules want to know. */
void add_headers(const config::Rule& rule, std::vector<std::string>& names) // no deeper than config::max_rule_depth
{
    if (rule.source.kind == config::ValueSource::Kind::header)
        names.push_back(rule.source.text);
    if (rule.auth)
        names.push_back(rule.auth->scheme.header);
    for (const config::Rule& part : rule.rules)
        add_headers(part, names);
}

bool is_withheld(const RecordedRequest& request, std::string_view name)
{
    return std::ranges::any_of(
        request.withheld, [name](const std::string& other) { return http::is_same_name(other, name); });
}

/** What the hook wants to know and belayd does not keep, for itself or for a hook that shares the path. */
void add_withheld(const config::Config& config, const config::Hook& hook, RecordedRequest& request)
{
    std::vector<std::string> names;
    for (const config::ValueSource& source : sources_of(hook))
        if (source.kind == config::ValueSource::Kind::header)
            names.push_back(source.text);
    const std::size_t of_values = names.size();
    if (hook.when)
        add_headers(*hook.when, names);
    for (std::size_t i = 0; i < names.size(); ++i) {
        const std::string& name = names[i];
        const bool is_secret = std::ranges::any_of(config.hooks,
            [&](const auto& other) { return other.second.path == hook.path && hooks::is_secret(name, other.second); });
        if (!is_secret || is_withheld(request, name) || request.view().field(name)) // that --header has
            continue;
        request.withheld.push_back(name);
        if (i < of_values)
            request.set_field(name, ""); // stands in, so that what needs it can be shown all the same
    }
}

RecordedRequest make_request(
    const ExplainOptions& options, const config::Config& config, const config::Hook& hook, const Context& context)
{
    if (options.file.empty() == options.event.empty())
        throw Failure{EX_USAGE, "name the request: a FILE, or --event ID"};
    RecordedRequest request = options.event.empty()
                                  ? parse_recorded_request(read_file(options.file, context.in, EX_NOINPUT))
                                  : fetch_event(options.event, context);
    if (request.path == "/")
        request.path = "/hooks/" + hook.path;
    for (const std::string& header : options.headers) {
        auto field = parse_field(header);
        if (!field)
            throw Failure{EX_USAGE, fmt::format("--header {}: write NAME:VALUE", header)};
        request.set_field(field->first, std::move(field->second));
    }
    if (!options.method.empty())
        request.method = options.method;
    if (!options.query.empty())
        request.query = options.query;
    if (!options.from.empty())
        request.remote = options.from;
    if (!options.event.empty())
        add_withheld(config, hook, request);
    return request;
}

/** Signatures among the rules are what authenticates, so they are checked where that is. */
Trial make_trial(const config::Hook& hook, const ExplainOptions& options, const std::string& directory)
{
    const bool is_assumed = options.trust || (hook.webhook && !options.event.empty());
    try {
        return {hook, directory, is_assumed ? hooks::Signatures::assumed : hooks::Signatures::checked};
    } catch (const config::ConfigError& e) {
        throw Failure{
            EX_CONFIG, fmt::format("{} (--no-auth takes signatures for good)", e.diagnostics().front().message)};
    }
}

Explanation judge(const config::Hook& hook, const RecordedRequest& request, const Trial& judge,
    const ExplainOptions& options, const std::string& directory)
{
    Authentication authentication;
    if (!options.event.empty())
        authentication.detail = "belayd took the event, and keeps nothing that proves who sent it";
    else if (options.trust)
        authentication.detail = "--no-auth";
    else
        authentication = authenticate(hook, request, directory);
    const http::Request view = request.view();
    const hooks::Input input{.request = view,
        .now = request.received.value_or(now()),
        .client_address = request.remote,
        .withheld = request.withheld};
    if (authentication.state == Authentication::State::refused)
        return {
            hook, request, authentication, std::nullopt, hooks::Refusal{authentication.status, authentication.detail}};
    Explanation explanation{hook, request, authentication, judge.trace(input), std::nullopt};
    try {
        explanation.decision = judge.decide(input);
    } catch (const hooks::UnknownSignature& e) {
        explanation.unknown = e.what();
    }
    return explanation;
}

/** The first signature that may say who sends, and with that what the delivery's id is; nullptr: there is none. */
const hooks::Trace* find_sender(const hooks::Trace& trace)
{
    using Result = hooks::Trace::Result;
    const bool may_decide = trace.result == Result::match || trace.result == Result::unknown;
    if (!may_decide || trace.rule.kind == config::Rule::Kind::negation)
        return nullptr;
    if (trace.rule.kind == config::Rule::Kind::signature)
        return &trace;
    for (const hooks::Trace& child : trace.children)
        if (const hooks::Trace* const found = find_sender(child))
            return found;
    return nullptr;
}

/** Why the delivery's id is not known here; "" where it is. */
std::string why_no_delivery_id(const Explanation& explanation)
{
    if (!explanation.rules || !explanation.hook.auth.anybody || explanation.hook.webhook)
        return {};
    const hooks::Trace* const sender = find_sender(*explanation.rules);
    return sender != nullptr && sender->result == hooks::Trace::Result::unknown ? sender->detail : "";
}

/** Why a value is not known here; "" where it is. */
std::string why_unknown(const Explanation& explanation, const config::ValueSource& source)
{
    using Kind = config::ValueSource::Kind;
    const RecordedRequest& request = explanation.request;
    if (source.kind == Kind::header && is_withheld(request, source.text))
        return hooks::describe_withheld(source.text);
    if (source.kind == Kind::request && source.text == "headers" && explanation.hook.webhook && request.received)
        return "belayd keeps no header that holds a secret";
    return source.kind == Kind::event && source.text == "delivery_id" ? why_no_delivery_id(explanation) : "";
}

/** Likewise of a variable or a file; what overflowed into a file is long, and so known. */
std::string why_unknown(
    const Explanation& explanation, const std::map<std::string, config::ValueSource>& sources, const std::string& name)
{
    const auto found = sources.find(name);
    return found == sources.end() ? "" : why_unknown(explanation, found->second);
}

std::string describe(const Authentication& authentication)
{
    switch (authentication.state) {
    case Authentication::State::nobody:
        return "none: anybody may";
    case Authentication::State::good:
        return fmt::format("good, with secret {}", format_command(std::vector{authentication.detail}));
    case Authentication::State::refused:
        return "refused: " + authentication.detail;
    case Authentication::State::unchecked:
        break;
    }
    return "not checked: " + authentication.detail;
}

const char* mark_of(hooks::Trace::Result result)
{
    using Result = hooks::Trace::Result;
    switch (result) {
    case Result::match:
        return "[yes]";
    case Result::mismatch:
    case Result::missing:
        return "[no ]";
    case Result::error:
        return "[!!!]";
    case Result::unknown:
        return "[ ? ]";
    case Result::unseen:
        break;
    }
    return "[ - ]";
}

std::string title_of(const hooks::Trace& trace)
{
    using Kind = config::Rule::Kind;
    switch (trace.rule.kind) {
    case Kind::all:
        return "all of";
    case Kind::any:
        return "any of";
    case Kind::negation:
        return "not";
    default:
        return escape_for_terminal(trace.why);
    }
}

/** What is known of a signature, and why nothing is of another. */
std::string detail_of(const hooks::Trace& trace)
{
    using Result = hooks::Trace::Result;
    if (trace.detail.empty() || trace.result == Result::unseen)
        return {};
    const std::string detail = escape_for_line(trace.detail, max_shown_value);
    if (trace.is_assumed)
        return ", " + detail;
    if (trace.result == Result::match)
        return fmt::format(", by secret {}", format_command(std::vector{trace.detail}));
    return (trace.result == Result::unknown ? ": that cannot be told here, " : ": ") + detail;
}

void print_rules(const hooks::Trace& trace, const hooks::Trace* culprit, std::size_t depth, Context& context)
{
    using Result = hooks::Trace::Result;
    std::string line = fmt::format("{:>{}}{} {}", "", 2 + depth * 4, mark_of(trace.result), title_of(trace));
    if (trace.value)
        line += fmt::format(", the value: \"{}\"", escape_for_line(*trace.value, max_shown_value));
    line += detail_of(trace);
    if (trace.result == Result::unseen)
        line += ", not looked at";
    if (&trace == culprit)
        line += "   <- this";
    const bool is_open = trace.result == Result::unseen || trace.result == Result::unknown;
    const Style style = is_open ? Style::faint : trace.result == Result::match ? Style::good : Style::bad;
    context.out << paint(line, style, context.colours) << '\n';
    for (const hooks::Trace& child : trace.children)
        print_rules(child, culprit, depth + 1, context);
}

std::string quote(const std::string& text)
{
    return format_command(std::vector{text});
}

/** @param why_unknown "": it is known */
std::string show(const std::string& value, const std::string& why_unknown)
{
    return why_unknown.empty() ? value : "not known here: " + escape_for_line(why_unknown);
}

void print_event(const Explanation& explanation, const hooks::Event& event, Context& context)
{
    const auto& [arguments, environment, files] = event.invocation;
    const config::Hook& hook = explanation.hook;
    context.out << "would run:\n";
    for (std::size_t i = 0; i < arguments.size(); ++i)
        context.out << fmt::format(
            "  argument {}: {}\n", i, show(quote(arguments[i]), why_unknown(explanation, hook.run.at(i))));
    for (const auto& [name, value] : environment) {
        const std::string why = why_unknown(explanation, hook.env, name);
        context.out << fmt::format("  variable {}{}{}\n", name, why.empty() ? "=" : ": ", show(quote(value), why));
    }
    for (const auto& [name, content] : files)
        context.out << fmt::format("  file {}: {}\n", name,
            show(content ? fmt::format("{} bytes", content->size()) : "the body",
                why_unknown(explanation, hook.files, name)));
    context.out << fmt::format("  delivery id: {}\n",
        show(event.delivery_id ? quote(*event.delivery_id) : "none: a repeated request would run again",
            why_no_delivery_id(explanation)));
}

void print(const Explanation& explanation, Context& context)
{
    const RecordedRequest& request = explanation.request;
    context.out << fmt::format("hook {}: {} {}{}{} from {}, a body of {} bytes\n", explanation.hook.name,
        escape_for_line(request.method), escape_for_line(request.path), request.query.empty() ? "" : "?",
        escape_for_line(request.query), escape_for_line(request.remote), request.body.size());
    context.out << "authentication: " << escape_for_terminal(describe(explanation.authentication)) << '\n';
    if (explanation.rules) {
        context.out << "rules:\n";
        print_rules(*explanation.rules, explanation.rules->culprit(), 0, context);
    } else if (explanation.authentication.state != Authentication::State::refused) {
        context.out << "rules: none\n";
    }
    if (!explanation.decision) {
        context.out << "cannot be told here: " << escape_for_terminal(explanation.unknown) << '\n';
        return;
    }
    const hooks::Decision& decision = *explanation.decision;
    if (const auto* const event = std::get_if<hooks::Event>(&decision)) {
        print_event(explanation, *event, context);
        return;
    }
    context.out << fmt::format("would not run: {} with {}: {}\n", outcome_of(decision),
        status_of(decision, explanation.hook), escape_for_terminal(reason_of(decision)));
}

json::string to_json(const std::string& text)
{
    return json::string{replace_invalid_utf8(text)};
}

json::object to_json(const hooks::Trace& trace)
{
    using Result = hooks::Trace::Result;
    constexpr auto name = [](Result result) {
        constexpr std::array<const char*, 6> names{"match", "mismatch", "missing", "error", "unseen", "unknown"};
        return names.at(static_cast<std::size_t>(result));
    };
    json::object object{{"result", name(trace.result)}, {"why", to_json(trace.why)}};
    if (trace.value)
        object["value"] = to_json(*trace.value);
    if (!trace.detail.empty())
        object["detail"] = to_json(trace.detail);
    if (trace.children.empty())
        return object;
    json::array children;
    for (const hooks::Trace& child : trace.children)
        children.push_back(to_json(child));
    object["rules"] = std::move(children);
    return object;
}

json::value to_json(const std::string& value, const std::string& why_unknown)
{
    return why_unknown.empty() ? json::value(to_json(value)) : json::value(nullptr);
}

/** The command, and what it gets: null where that is not known here. */
void add_event(const Explanation& explanation, const hooks::Event& event, json::object& document)
{
    const config::Hook& hook = explanation.hook;
    json::array arguments;
    for (std::size_t i = 0; i < event.invocation.arguments.size(); ++i)
        arguments.push_back(to_json(event.invocation.arguments[i], why_unknown(explanation, hook.run.at(i))));
    json::object environment;
    for (const auto& [name, value] : event.invocation.environment)
        environment[name] = to_json(value, why_unknown(explanation, hook.env, name));
    json::object files;
    for (const auto& [name, content] : event.invocation.files)
        files[name] =
            to_json(content ? *content : explanation.request.body, why_unknown(explanation, hook.files, name));
    document["arguments"] = std::move(arguments);
    document["environment"] = std::move(environment);
    document["files"] = std::move(files);
    document["delivery_id"] = nullptr;
    if (event.delivery_id)
        document["delivery_id"] = to_json(*event.delivery_id, why_no_delivery_id(explanation));
}

json::object to_json(const Explanation& explanation)
{
    constexpr std::array<const char*, 4> states{"none", "good", "refused", "unchecked"};
    const auto& [state, detail, status] = explanation.authentication;
    json::object document{{"hook", explanation.hook.name}, {"outcome", "unknown"}, {"status", nullptr},
        {"authentication",
            json::object{{"state", states.at(static_cast<std::size_t>(state))}, {"detail", to_json(detail)}}}};
    if (explanation.rules) {
        document["rules"] = to_json(*explanation.rules);
        if (const auto* const culprit = explanation.rules->culprit())
            document["first_mismatch"] = to_json(culprit->why);
    }
    if (!explanation.decision) {
        document["reason"] = to_json(explanation.unknown);
        return document;
    }
    document["outcome"] = outcome_of(*explanation.decision);
    document["status"] = status_of(*explanation.decision, explanation.hook);
    if (const auto* const event = std::get_if<hooks::Event>(&*explanation.decision))
        add_event(explanation, *event, document);
    else
        document["reason"] = to_json(reason_of(*explanation.decision));
    return document;
}

int explain(const ExplainOptions& options, Context& context)
{
    const config::Config config = load_for_trial(context);
    const config::Hook& hook = find_hook(config, options.hook, EX_USAGE);
    const RecordedRequest request = make_request(options, config, hook, context);
    const std::string directory = std::filesystem::path{config.file}.parent_path().string();
    const Trial whole = make_trial(hook, options, directory);
    const Explanation explanation = judge(hook, request, whole, options, directory);
    if (context.json)
        context.out << json::serialize(to_json(explanation)) << '\n';
    else
        print(explanation, context);
    const bool would_run = explanation.decision && std::holds_alternative<hooks::Event>(*explanation.decision);
    return would_run ? EXIT_SUCCESS : EXIT_FAILURE;
}

constexpr const char* explain_footer = R"(FILE is a request as it goes over the wire, or a body alone:
  POST /hooks/deploy HTTP/1.1
  X-GitHub-Event: push

  {"ref": "refs/heads/main"}

Examples:
  belay explain deploy --event 0193a1b2-0000-7000-8000-00000000002a
  belay explain deploy push.json --header X-GitHub-Event:push

Exit status: 0 it would run; 1 it would not, or that cannot be told: a rule asks for a signature by
a secret that you may not read, or for a header that belayd did not keep; 64 usage; 65, 66 the file; 78 the configuration.)";

} // namespace

void add_explain(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<ExplainOptions>();
    CLI::App* command =
        app.add_subcommand("explain", "Show what a hook would do with a request, and why; runs nothing");
    command->add_option("HOOK", options->hook, "the hook's name")->required()->type_name("");
    command->add_option("FILE", options->file, "the request, or its body; - for stdin")->type_name("");
    command->add_option("--event", options->event, "instead of FILE: an event that belayd has")->type_name("ID");
    command->add_option("--header", options->headers, "a header field, in place of those of its name; may be repeated")
        ->type_name("NAME:VALUE")
        ->allow_extra_args(false);
    command->add_option("--method", options->method, "the method; else the file's, or POST")->type_name("METHOD");
    command->add_option("--query", options->query, "the query string, encoded")->type_name("QUERY");
    command->add_option("--from", options->from, "the address that it comes from; 127.0.0.1 if not given")
        ->type_name("ADDRESS");
    command->add_flag("--no-auth", options->trust, "take the request for authentic, whatever its header says");
    command->footer(explain_footer);
    command->callback([&, options] { chosen = [&, options] { return explain(*options, context); }; });
}

} // namespace belay::cli
