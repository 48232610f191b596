#include "base/ip_network.hpp"
#include "belayd/config/checks.hpp"
#include "belayd/config/values.hpp"
#include "cli/import/dialect.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>

namespace belay::webhook {
namespace {

using config::to_toml;

std::string member(std::string_view key, std::string_view text)
{
    return fmt::format("{} = {}", key, to_toml(text));
}

bool is_index(std::string_view text)
{
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/** "a.b~c" → "/a/b~0c" */
std::string to_pointer(std::string_view dotted)
{
    std::string pointer = "/";
    for (const char c : dotted)
        pointer += c == '.' ? "/" : c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    return pointer;
}

/** What is parsed as JSON by parse-parameters-as-json, if `name` is in it. */
const Argument* find_json_parameter(const Hook& hook, const std::string& name)
{
    const auto found = std::ranges::find_if(hook.json_parameters, [&](const Argument& parameter) {
        return parameter.source == "payload" && (name == parameter.name || name.starts_with(parameter.name + "."));
    });
    return found == hook.json_parameters.end() ? nullptr : &*found;
}

/** "list.item.-id" and "note.#text" are names that webhook gives attributes and texts of XML. */
bool is_of_xml(std::string_view name)
{
    return name.starts_with('-') || name.find(".-") != std::string_view::npos || name.ends_with("#text") ||
           name.find("#text.") != std::string_view::npos;
}

std::optional<std::string> payload_source(const Argument& argument, const Scope& scope)
{
    std::string_view name = argument.name;
    if (is_of_xml(name))
        scope.notes.lose(argument.line, fmt::format("\"{}\" is a place in XML, which is not read", name));
    if (scope.mode == Mode::strict) {
        if (!name.empty())
            return member("path", name);
        scope.notes.warn(argument.line, "a payload without a name is never there");
        return std::nullopt;
    }
    if (const auto* const parameter = find_json_parameter(scope.hook, argument.name)) {
        if (parameter->name != "payload") {
            scope.notes.lose(argument.line,
                fmt::format("\"{}\" is JSON within a field of the body: only a form's field \"payload\" is unwrapped",
                    argument.name));
            return std::nullopt;
        }
        name.remove_prefix(std::min(name.size(), parameter->name.size() + 1));
        return member("payload", name.empty() ? "" : to_pointer(name));
    }
    constexpr std::string_view root = "root";
    const auto rest = name.substr(std::min(name.size(), root.size() + 1));
    if (name == root || (name.starts_with("root.") && is_index(rest.substr(0, rest.find('.'))))) {
        scope.notes.warn(
            argument.line, fmt::format("\"{}\" is taken as a place in a body that is an array", argument.name));
        name = rest;
        if (name.empty())
            return member("payload", "");
    }
    return member("payload", to_pointer(name));
}

std::optional<std::string> request_part(const Argument& argument, const Scope& scope)
{
    if (boost::beast::iequals(argument.name, "method"))
        return member("request", "method");
    if (!boost::beast::iequals(argument.name, "remote-addr")) {
        scope.notes.lose(argument.line, fmt::format("webhook knows no \"{}\" of a request", argument.name));
        return std::nullopt;
    }
    if (scope.mode == Mode::native)
        scope.notes.warn(argument.line, "remote-addr is the address alone, without a port");
    return member("request", "remote_address");
}

/** As net.ParseCIDR reads it, after "/32" was added to what has no "/". */
std::optional<IpNetwork> parse_cidr(std::string_view text)
{
    const auto slash = text.find('/');
    const auto address = parse_ip_address(text.substr(0, slash));
    const bool is_v4 = text.substr(0, slash).find(':') == std::string_view::npos;
    unsigned length = 32;
    if (slash != std::string_view::npos) {
        const auto digits = text.substr(slash + 1);
        if (!is_index(digits) ||
            std::from_chars(digits.data(), digits.data() + digits.size(), length).ec != std::errc{})
            return std::nullopt;
    }
    if (!address || length > (is_v4 ? 32U : 128U))
        return std::nullopt;
    IpNetwork network{*address, is_v4 ? length + 96 : length};
    for (unsigned bit = network.prefix_length; bit < 128; ++bit)
        network.first.bytes.at(bit / 8) &= static_cast<unsigned char>(~(0x80U >> (bit % 8)));
    return network;
}

} // namespace

std::optional<std::string> request_source(const Argument& argument, const Scope& scope)
{
    const std::string& source = argument.source;
    const bool is_query = source == "url" || source == "query";
    if (source == "payload")
        return payload_source(argument, scope);
    if (source == "header" || is_query) {
        const auto fault =
            is_query ? (argument.name.empty() ? "is empty" : "") : config::fault_in_header_name(argument.name);
        if (fault.empty())
            return member(is_query ? "query" : "header", argument.name);
        scope.notes.lose(argument.line, fmt::format("the name \"{}\" {}", argument.name, fault));
        return std::nullopt;
    }
    if (source == "request")
        return request_part(argument, scope);
    if (source == "raw-request-body")
        return member("request", "body");
    if (source == "entire-payload")
        return member("payload", "");
    if (source == "entire-headers") {
        if (scope.mode == Mode::native)
            scope.notes.warn(argument.line, "what proves who sends is left out of the headers");
        return member("request", "headers");
    }
    if (source == "entire-query")
        return member("request", "query");
    if (source != "string")
        scope.notes.lose(argument.line, fmt::format("webhook knows no source \"{}\"", source));
    return std::nullopt;
}

std::string networks(const std::string& ip_range, unsigned line, const Scope& scope)
{
    std::vector<std::string> texts;
    std::istringstream words{ip_range};
    for (std::string word; words >> word;) {
        auto network = parse_cidr(word);
        if (!network) {
            scope.notes.lose(
                line, fmt::format("\"{}\" is no network: webhook refuses every request that it is asked of", word));
            continue;
        }
        if (word.find('/') == std::string::npos && word.find(':') != std::string::npos) {
            if (scope.mode == Mode::native)
                network = IpNetwork{*parse_ip_address(word), 128};
            scope.notes.warn(
                line, fmt::format("webhook takes {} as {}/32; it is {} here", word, word, to_string(*network)));
        }
        texts.push_back(to_string(*network));
    }
    return to_toml(texts);
}

} // namespace belay::webhook
