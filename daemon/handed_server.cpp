#include "daemon/handed_server.hpp"

#include <boost/json.hpp>

#include <string>

namespace belay::daemon {
namespace {

namespace json = boost::json;

std::string text(const json::object& object, std::string_view key)
{
    return std::string{object.at({key.data(), key.size()}).as_string()};
}

bool flag(const json::object& object, std::string_view key)
{
    return object.at({key.data(), key.size()}).as_bool();
}

std::optional<Milliseconds> milliseconds(const json::object& object, std::string_view key)
{
    const json::value& value = object.at({key.data(), key.size()});
    return value.is_null() ? std::nullopt : std::optional{Milliseconds{value.as_int64()}};
}

} // namespace

json::value to_json(http::HandedServer server, Handover& out)
{
    json::array listeners;
    for (http::ListeningSocket& socket : server.listeners)
        listeners.push_back({{"name", socket.name}, {"fd", out.give(std::move(socket.fd))}, {"passed", socket.passed},
            {"unix_path", socket.unix_path}});
    json::array connections;
    for (http::HandedConnection& connection : server.connections) {
        const json::value linger = connection.linger ? json::value(connection.linger->count()) : json::value{};
        connections.push_back({{"fd", out.give(std::move(connection.fd))}, {"listener", connection.listener},
            {"input", connection.input}, {"output", connection.output}, {"served_any", connection.served_any},
            {"unanswered", connection.unanswered}, {"linger_ms", linger}});
    }
    return {{"listeners", std::move(listeners)}, {"connections", std::move(connections)}};
}

http::HandedServer handed_server(const json::value& document, Handover& in)
try {
    http::HandedServer server;
    for (const json::value& item : document.at("listeners").as_array()) {
        const json::object& socket = item.as_object();
        server.listeners.push_back({.name = text(socket, "name"),
            .fd = in.take(socket.at("fd")),
            .passed = flag(socket, "passed"),
            .unix_path = text(socket, "unix_path")});
    }
    for (const json::value& item : document.at("connections").as_array()) {
        const json::object& connection = item.as_object();
        server.connections.push_back({.fd = in.take(connection.at("fd")),
            .listener = text(connection, "listener"),
            .input = text(connection, "input"),
            .output = text(connection, "output"),
            .served_any = flag(connection, "served_any"),
            .unanswered = flag(connection, "unanswered"),
            .linger = milliseconds(connection, "linger_ms")});
    }
    return server;
} catch (const HandoverError&) {
    throw;
} catch (const std::exception& e) { // of Boost.JSON: another kind of value, no such key
    throw HandoverError{std::string{"hand-over: a server is garbled: "} + e.what()};
}

} // namespace belay::daemon
