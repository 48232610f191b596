#include "cli/import/hooks_file.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <sstream>

namespace belay::webhook {
namespace {

bool is_null(const Node& node)
{
    return node.type == Node::Type::scalar && std::holds_alternative<std::monostate>(node.scalar);
}

std::string describe(const Node& node)
{
    if (node.type != Node::Type::scalar)
        return node.type == Node::Type::map ? "a map" : "a list";
    constexpr std::array<const char*, 6> names{"null", "true or false", "a number", "a number", "a number", "text"};
    return names.at(node.scalar.index());
}

[[noreturn]] void refuse(const Node& node, std::string_view key, std::string_view wanted)
{
    throw FileError{node.line,
        fmt::format("\"{}\" is {}, not {}: webhook drops the whole file for this", key, describe(node), wanted)};
}

// Each leaves its target as it is where the value is null.

void read(const Node& node, std::string_view key, std::string& text)
{
    if (node.type != Node::Type::scalar)
        refuse(node, key, "text");
    struct {
        std::string& text;
        void operator()(std::monostate) const {}
        void operator()(bool flag) const { text = flag ? "true" : "false"; }
        void operator()(std::int64_t number) const { text = std::to_string(number); }
        void operator()(std::uint64_t number) const { text = std::to_string(number); }
        void operator()(double number) const { text = format_float(number); }
        void operator()(const std::string& written) const { text = written; }
    } assign{text};
    std::visit(assign, node.scalar);
}

void read(const Node& node, std::string_view key, bool& flag)
{
    if (is_null(node))
        return;
    const auto* const written = std::get_if<bool>(&node.scalar);
    if (node.type != Node::Type::scalar || written == nullptr)
        refuse(node, key, "true or false");
    flag = *written;
}

void read(const Node& node, std::string_view key, std::int64_t& number)
{
    if (is_null(node))
        return;
    if (const auto* const written = std::get_if<std::int64_t>(&node.scalar); node.type == Node::Type::scalar && written)
        number = *written;
    else if (const auto* const real = std::get_if<double>(&node.scalar);
        node.type == Node::Type::scalar && real && std::trunc(*real) == *real && std::abs(*real) < 1e15)
        number = static_cast<std::int64_t>(*real);
    else
        refuse(node, key, "an integer");
}

/** Reads maps into their structs, with what they have that webhook does not know. */
class Reader {
public:
    explicit Reader(std::vector<Remark>& remarks) noexcept : remarks_(remarks) {}

    template <typename T>
    void read_list(const Node& node, std::string_view key, std::vector<T>& list)
    {
        if (is_null(node))
            return;
        if (node.type != Node::Type::sequence)
            refuse(node, key, "a list");
        list.assign(node.elements.size(), T{});
        for (std::size_t i = 0; i < list.size(); ++i)
            read_one(node.elements[i], key, list[i]);
    }

private:
    using Fields = std::map<std::string_view, std::function<void(const Node&, std::string_view)>>;

    template <typename T>
    static auto into(T& target)
    {
        return [&target](const Node& value, std::string_view name) { read(value, name, target); };
    }

    template <typename T>
    auto into_list(std::vector<T>& target)
    {
        return [this, &target](const Node& value, std::string_view name) { read_list(value, name, target); };
    }

    template <typename T>
    auto into_struct(T& target)
    {
        return [this, &target](const Node& value, std::string_view name) { read_one(value, name, target); };
    }

    void read_one(const Node& node, std::string_view key, std::string& text) { read(node, key, text); }

    void read_one(const Node& node, std::string_view key, Argument& argument)
    {
        argument.line = node.line;
        read_fields(node, key,
            {{"source", into(argument.source)}, {"name", into(argument.name)},
                {"envname", into(argument.environment_name)}, {"base64decode", into(argument.base64decode)}});
    }

    void read_one(const Node& node, std::string_view key, Header& header)
    {
        read_fields(node, key, {{"name", into(header.name)}, {"value", into(header.value)}});
    }

    void read_one(const Node& node, std::string_view key, Match& match)
    {
        match.parameter.line = node.line;
        read_fields(node, key,
            {{"type", into(match.type)}, {"regex", into(match.regex)}, {"secret", into(match.secret)},
                {"value", into(match.value)}, {"ip-range", into(match.ip_range)},
                {"parameter", into_struct(match.parameter)}});
    }

    void read_one(const Node& node, std::string_view key, Rule& rule)
    {
        rule.line = node.line;
        const auto into_rules = [this](std::optional<std::vector<Rule>>& rules) {
            return [this, &rules](const Node& value, std::string_view name) {
                if (is_null(value))
                    rules.reset();
                else
                    read_list(value, name, rules.emplace());
            };
        };
        read_fields(node, key,
            {{"and", into_rules(rule.all)}, {"or", into_rules(rule.any)},
                {"not",
                    [this, &rule](const Node& value, std::string_view name) {
                        rule.negated.assign(is_null(value) ? 0 : 1, Rule{});
                        if (!rule.negated.empty())
                            read_one(value, name, rule.negated.front());
                    }},
                {"match", [this, &rule](const Node& value, std::string_view name) {
                     rule.match.reset();
                     if (!is_null(value))
                         read_one(value, name, rule.match.emplace());
                 }}});
        const auto written =
            (rule.all ? 1 : 0) + (rule.any ? 1 : 0) + (rule.negated.empty() ? 0 : 1) + (rule.match ? 1 : 0);
        if (written > 1)
            remarks_.push_back({Remark::Kind::warning, node.line,
                "of and, or, not and match in one rule webhook reads the first, and ignores the others"});
    }

    void read_one(const Node& node, std::string_view key, Hook& hook)
    {
        hook.line = node.line;
        read_fields(node, key,
            {{"id", into(hook.id)}, {"execute-command", into(hook.command)},
                {"command-working-directory", into(hook.directory)}, {"response-message", into(hook.response_message)},
                {"response-headers", into_list(hook.response_headers)},
                {"include-command-output-in-response", into(hook.captures_output)},
                {"include-command-output-in-response-on-error", into(hook.captures_output_on_error)},
                {"pass-environment-to-command", into_list(hook.environment)},
                {"pass-arguments-to-command", into_list(hook.arguments)},
                {"pass-file-to-command", into_list(hook.files)},
                {"parse-parameters-as-json", into_list(hook.json_parameters)},
                {"trigger-rule",
                    [this, &hook](const Node& value, std::string_view name) {
                        hook.rule.reset();
                        if (!is_null(value))
                            read_one(value, name, hook.rule.emplace());
                    }},
                {"trigger-rule-mismatch-http-response-code", into(hook.mismatch_status)},
                {"trigger-signature-soft-failures", into(hook.soft_signatures)},
                {"incoming-payload-content-type", into(hook.content_type)},
                {"success-http-response-code", into(hook.success_status)}, {"http-methods", into_list(hook.methods)}});
    }

    void read_fields(const Node& node, std::string_view key, const Fields& fields)
    {
        if (is_null(node))
            return;
        if (node.type != Node::Type::map)
            refuse(node, key, "a map");
        for (const auto& [name, value] : node.members) {
            const auto field =
                std::ranges::find_if(fields, [&name](const auto& it) { return boost::beast::iequals(it.first, name); });
            if (field != fields.end())
                field->second(value, field->first);
            else
                remarks_.push_back({Remark::Kind::warning, value.line,
                    fmt::format("webhook knows no \"{}\" here, and ignores it", name)});
        }
    }

    std::vector<Remark>& remarks_;
};

/** What webhook runs with -template, which no file says of itself.  Whoever wrote this rarely means two braces. */
void note_templates(const std::string& text, std::vector<Remark>& remarks)
{
    std::istringstream lines{text};
    unsigned number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.find("{{") != std::string::npos)
            remarks.push_back({Remark::Kind::loss, number,
                "\"{{\" begins a template under webhook's -template: it is taken as it stands, --template expands it"});
    }
}

unsigned source_line(const FileText& text, unsigned line)
{
    return line == 0 || line > text.lines.size() ? line : text.lines[line - 1];
}

void locate(Node& node, const FileText& text) // no deeper than parse_yaml() lets it be
{
    node.line = source_line(text, node.line);
    for (Node& element : node.elements)
        locate(element, text);
    for (auto& [name, value] : node.members)
        locate(value, text);
}

} // namespace

std::vector<Hook> read_hooks(const FileText& text, std::vector<Remark>& remarks)
{
    Node root;
    try {
        root = parse_yaml(text.text);
    } catch (const FileError& error) {
        throw FileError{source_line(text, error.line()), error.what()};
    }
    locate(root, text);
    std::vector<Hook> hooks;
    Reader{remarks}.read_list(root, "the file", hooks);
    std::ranges::stable_sort(remarks, {}, &Remark::line);
    return hooks;
}

std::vector<Hook> read_hooks(const std::string& text, std::vector<Remark>& remarks)
{
    auto hooks = read_hooks(FileText{text, {}}, remarks);
    note_templates(text, remarks);
    std::ranges::stable_sort(remarks, {}, &Remark::line);
    return hooks;
}

} // namespace belay::webhook
