#include "daemon/access_log.hpp"

#include "daemon/log.hpp"

namespace belay::daemon {
namespace {

constexpr std::size_t shown_path_bytes = 256; // what a sender may make each record cost

log::Level level_of(int status) noexcept
{
    if (status >= 500)
        return log::Level::warning;
    return status >= 400 ? log::Level::info : log::Level::debug;
}

void write_record(std::string_view server, const http::Exchange& exchange)
{
    const auto level = level_of(exchange.response.status);
    if (!log::enabled(level))
        return;
    const auto& request = exchange.request;
    const std::string_view peer = request.peer != nullptr ? std::string_view{request.peer->address} : "";
    log::write(level, "request answered",
        {{"server", server}, {"method", request.method.substr(0, shown_path_bytes)},
            {"path", request.path.substr(0, shown_path_bytes)}, {"status", exchange.response.status},
            {"duration_seconds", std::chrono::duration<double>(exchange.duration).count()},
            {"request_bytes", request.body.size() + request.released_body},
            {"response_bytes", exchange.response.body.size()}, {"peer", peer},
            {"client", request.client.empty() ? peer : std::string_view{request.client}},
            {"reason", exchange.response.reason}, {"request_id", request.id},
            {"trace_id", trace_id_text(request.trace)}});
}

} // namespace

http::Observer access_log(std::string server)
{
    return [server = std::move(server)](const http::Exchange& exchange) { write_record(server, exchange); };
}

} // namespace belay::daemon
