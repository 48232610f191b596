#include "cli/golden_case.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/settings.hpp"

#include <fmt/format.h>

namespace belay::cli {
namespace {

using config::member;
using config::Node;
using config::Problems;
using config::Setting;

constexpr auto outcomes = std::to_array<std::string_view>({"event", "ignored", "refused", "answered"});

/** A string into a member. */
template <typename Owner, typename Access>
Setting<Owner> string_setting(std::string_view name, Access access)
{
    return {name,
        [=](const Node& node, Owner& owner, Problems& problems) {
            if (auto text = config::read_string(node, name, problems))
                access(owner) = std::move(*text);
        },
        {}, {}};
}

/** Calls `add` with each name and string of a table. */
template <typename Add>
void read_texts(const Node& node, std::string_view key, Problems& problems, Add add)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("{} must be a table of strings, not {}", key, describe(node.type)));
        return;
    }
    for (const auto& each : node.members)
        if (auto text = config::read_string(each.value, fmt::format("{}.{}", key, each.key), problems))
            add(each, std::move(*text));
}

void read_headers(const Node& node, GoldenCase& golden, Problems& problems)
{
    read_texts(node, "headers", problems, [&](const Node::Member& field, const std::string& value) {
        auto parsed = parse_field(field.key + ": " + value);
        if (!parsed)
            problems.add(field.origin, fmt::format("\"{}\" is no header field", field.key));
        else
            golden.request.fields.push_back(std::move(*parsed));
    });
}

void read_body(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (node.type != Node::Type::string) // a body may have a NUL
        problems.add(node.origin, fmt::format("body must be a string, not {}", describe(node.type)));
    golden.request.body = node.text;
}

std::vector<Setting<GoldenCase>> request_settings()
{
    const auto request = [](auto pointer) {
        return [pointer](GoldenCase& golden) -> auto& { return golden.request.*pointer; };
    };
    return {string_setting<GoldenCase>("method", request(&RecordedRequest::method)),
        string_setting<GoldenCase>("query", request(&RecordedRequest::query)),
        string_setting<GoldenCase>("from", request(&RecordedRequest::remote)),
        string_setting<GoldenCase>("path", request(&RecordedRequest::path)), {"headers", read_headers, {}, {}},
        {"body", read_body, {}, {}}, string_setting<GoldenCase>("body_file", member(&GoldenCase::body_file))};
}

void read_request(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin,
            fmt::format("request must be a table such as {{ body = '{{}}' }}, not {}", describe(node.type)));
        return;
    }
    std::map<std::string, config::Origin> origins;
    const auto settings = request_settings();
    config::read_settings<GoldenCase>(node, "case.request", settings, golden, origins, problems);
    if (node.find("body") != nullptr && node.find("body_file") != nullptr)
        problems.add(node.origin, "a request has one body: write body or body_file");
}

void read_signed(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (node.type != Node::Type::boolean)
        problems.add(node.origin, "signed must be true or false");
    golden.authenticates = node.boolean;
}

void read_expect(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (const auto chosen = config::read_choice(node, "expect", outcomes, problems))
        golden.expected = outcomes.at(*chosen);
}

void read_status(const Node& node, GoldenCase& golden, Problems& problems)
{
    golden.status = config::read_count(node, "status", 200, 599, problems);
}

void read_arguments(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (node.type != Node::Type::array) {
        problems.add(node.origin, "arguments must be an array of strings");
        return;
    }
    golden.arguments.emplace();
    for (const auto& element : node.elements)
        if (auto text = config::read_string(element, "each of arguments", problems))
            golden.arguments->push_back(std::move(*text));
}

void read_environment(const Node& node, GoldenCase& golden, Problems& problems)
{
    read_texts(node, "environment", problems, [&golden](const Node::Member& variable, std::string value) {
        golden.environment.emplace(variable.key, std::move(value));
    });
}

void read_files(const Node& node, GoldenCase& golden, Problems& problems)
{
    if (node.type != Node::Type::table) {
        problems.add(node.origin, fmt::format("files must be a table of strings, not {}", describe(node.type)));
        return;
    }
    for (const auto& file : node.members) {
        if (file.value.type != Node::Type::string) // one may have a NUL
            problems.add(file.value.origin,
                fmt::format("files.{} must be a string, not {}", file.key, describe(file.value.type)));
        golden.files.emplace(file.key, file.value.text);
    }
}

std::vector<Setting<GoldenCase>> case_settings()
{
    return {string_setting<GoldenCase>("name", member(&GoldenCase::name)),
        string_setting<GoldenCase>("hook", member(&GoldenCase::hook)), {"request", read_request, {}, {}},
        {"signed", read_signed, {}, {}}, {"expect", read_expect, {}, {}}, {"status", read_status, {}, {}},
        string_setting<GoldenCase>("reason", member(&GoldenCase::reason)), {"arguments", read_arguments, {}, {}},
        {"environment", read_environment, {}, {}}, {"files", read_files, {}, {}}};
}

GoldenCase read_case(const Node& node, std::size_t number, Problems& problems)
{
    GoldenCase golden;
    golden.origin = node.origin;
    golden.name = fmt::format("case {}", number);
    std::map<std::string, config::Origin> origins;
    const auto settings = case_settings();
    config::read_settings<GoldenCase>(node, "case", settings, golden, origins, problems);
    for (const char* const needed : {"hook", "expect"})
        if (node.find(needed) == nullptr)
            problems.add(node.origin, fmt::format("a case needs {}: {}", needed,
                                          std::string_view{needed} == "hook" ? "hook = \"deploy\""
                                                                             : "expect = \"event\", \"ignored\" or "
                                                                               "\"refused\""));
    return golden;
}

} // namespace

std::vector<GoldenCase> parse_golden_cases(const std::string& text, const std::string& file)
{
    const config::Document document = config::parse_document(text, file);
    Problems problems;
    problems.add_source(document);
    for (const auto& key : document.root.members)
        if (key.key != "case")
            problems.add(key.origin, fmt::format("unknown key \"{}\": a file of tests has [[case]] tables", key.key));
    std::vector<GoldenCase> cases;
    if (const auto* const written = document.root.find("case")) {
        if (written->value.type != Node::Type::array)
            problems.add(written->origin, "cases are [[case]] tables, with two brackets");
        for (const auto& element : written->value.elements) {
            if (element.type == Node::Type::table)
                cases.push_back(read_case(element, cases.size() + 1, problems));
            else
                problems.add(element.origin, "a case must be a table");
        }
    }
    problems.throw_if_any();
    return cases;
}

} // namespace belay::cli
