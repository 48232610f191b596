#include "belayd/config/scheme.hpp"
#include "build_config.hpp"
#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"
#include "cli/json.hpp"
#include "cli/sender.hpp"
#include "cli/target.hpp"
#include "http/client.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sysexits.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <system_error>

namespace belay::cli {
namespace {

/** Ingress answers as soon as the event is on disk. */
constexpr Milliseconds send_timeout{30'000};

struct SendOptions {
    std::string hook;
    std::string data; ///< a file, "-" for stdin, "" for an empty object
    Sender sender;
    std::vector<std::string> headers;
    std::string url = "http://127.0.0.1:9080";
};

struct Destination {
    std::string endpoint; ///< as http::fetch() takes it
    std::string prefix;   ///< of the path, without a '/' at its end
};

Destination parse_url(const std::string& url)
{
    if (url.starts_with("unix:"))
        return {.endpoint = url, .prefix = ""};
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme))
        throw Failure{EX_USAGE,
            fmt::format("--url {}: give http://HOST:PORT or unix:/PATH of belayd itself; TLS ends at the proxy", url)};
    const std::string rest = url.substr(scheme.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    Destination destination{.endpoint = rest.substr(0, slash), .prefix = rest.substr(slash)};
    while (destination.prefix.ends_with('/'))
        destination.prefix.pop_back();
    const std::size_t port = destination.endpoint.rfind(':');
    if (port == std::string::npos || destination.endpoint.find(']', port) != std::string::npos)
        destination.endpoint += ":80";
    return destination;
}

std::string read_all(std::istream& in)
{
    return {std::istreambuf_iterator<char>{in}, {}};
}

std::string read_payload(const std::string& data, std::istream& standard_input)
{
    if (data.empty())
        return "{}";
    if (data == "-")
        return read_all(standard_input);
    std::ifstream file{data, std::ios::binary};
    try {
        if (file)
            return read_all(file);
    } catch (const std::ios_base::failure&) { // libstdc++ throws from the buffer, e.g. for a directory
    }
    throw Failure{EX_USAGE, fmt::format("cannot read --data {}: {}", data, std::generic_category().message(errno))};
}

std::pair<std::string, std::string> parse_header(const std::string& text)
{
    const std::size_t colon = text.find(':');
    if (colon == 0 || colon == std::string::npos)
        throw Failure{EX_USAGE, fmt::format("--header \"{}\" is not NAME:VALUE", text)};
    const std::size_t value = text.find_first_not_of(" \t", colon + 1);
    return {text.substr(0, colon), value == std::string::npos ? "" : text.substr(value)};
}

/** The request that the sender would send. */
http::ClientRequest make_request(const SendOptions& options, const std::string& prefix, std::istream& standard_input)
{
    http::ClientRequest request{.method = "POST",
        .target = prefix + "/hooks/" + percent_encode(options.hook),
        .fields = {{"User-Agent", "belay/" BELAY_VERSION}, {"Content-Type", "application/json"}},
        .body = read_payload(options.data, standard_input)};
    for (auto& field : make_sender_fields(options.sender, request.body))
        request.fields.push_back(std::move(field));
    for (const std::string& header : options.headers)
        request.fields.push_back(parse_header(header));
    return request;
}

/** What became of it, in one hook. */
std::string verdict_of(const json::value& event)
{
    const std::string state = text_member(event, "state");
    const std::string job = text_member(event, "job");
    if (state == "ignored")
        return "ignored: " + text_member(event, "reason");
    if (flag_member(event, "duplicate"))
        return fmt::format("duplicate of event {}, whose job {} is {}", text_member(event, "event"), job, state);
    return fmt::format("{}: job {}, event {}", state.empty() ? "accepted" : state, job, text_member(event, "event"));
}

void print_verdict(const Answer& answer, Context& context)
{
    const json::array& events = array_member(answer.body, "events"); // of hooks that share the path
    if (events.empty())
        context.out << escape_for_terminal(verdict_of(answer.body)) << '\n';
    for (const json::value& event : events)
        context.out << escape_for_terminal(text_member(event, "hook") + ": " + verdict_of(event)) << '\n';
}

int send(const SendOptions& options, Context& context)
{
    const Destination destination = parse_url(options.url);
    const http::ClientRequest request = make_request(options, destination.prefix, context.in);
    Answer answer;
    try {
        auto response = http::fetch(destination.endpoint, request, send_timeout);
        answer = make_answer(response.status, std::move(response.body));
    } catch (const std::system_error& e) {
        throw Failure{EX_UNAVAILABLE, fmt::format("{} (is belayd running? see --url)", e.what())};
    } catch (const std::invalid_argument& e) {
        throw Failure{EX_USAGE, e.what()};
    }
    if (context.json)
        context.out << answer.text << '\n';
    if (!answer.ok()) {
        const bool unsigned_request = answer.status == 401 && options.sender.secret_file.empty();
        throw Failure{EXIT_FAILURE, answer.problem() + (unsigned_request ? " (sign it: --secret-file)" : "")};
    }
    if (!context.json)
        print_verdict(answer, context);
    return EXIT_SUCCESS;
}

std::string send_footer()
{
    std::vector<std::string_view> names;
    for (const config::Scheme& scheme : config::known_schemes())
        names.push_back(scheme.name);
    return fmt::format(R"(Senders: {}.

Examples:
  belay send deploy --data push.json --secret-file /etc/belay/github.secret
  belay send paid --scheme stripe --data event.json --secret-file /etc/belay/stripe.secret)",
        fmt::join(names, ", "));
}

} // namespace

void add_send(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<SendOptions>();
    CLI::App* command = app.add_subcommand("send", "Send an event to a hook, as its sender would");
    command->add_option("HOOK", options->hook, "the hook's name, or the path that it is at")->required()->type_name("");
    command->add_option("--data", options->data, "the payload; - for stdin; {} if not given")->type_name("FILE");
    command->add_option("--scheme", options->sender.scheme, "sign as this sender does: as auth.scheme; github")
        ->type_name("NAME");
    command
        ->add_option("--secret-file", options->sender.secret_file,
            "sign with the secret in this file; of Ed25519: the private key")
        ->type_name("FILE");
    command
        ->add_option("--event", options->sender.event,
            "what kind of event it is, where the sender has a header for that; push, or what the sender calls it")
        ->type_name("NAME");
    command->add_option("--delivery", options->sender.delivery, "the delivery's id; a new one if not given")
        ->type_name("ID");
    command->add_option("--header", options->headers, "one more header field; may be repeated")
        ->type_name("NAME:VALUE")
        ->allow_extra_args(false);
    command->add_option("--url", options->url, "where ingress listens; unix:/PATH for a socket")
        ->capture_default_str()
        ->type_name("URL");
    command->footer(send_footer());
    command->callback([&, options] { chosen = [&, options] { return send(*options, context); }; });
}

} // namespace belay::cli
