// Prints a page of metrics of every kind: what promtool_test.py has promtool judge.
#include "daemon/http_metrics.hpp"
#include "daemon/metrics.hpp"
#include "tests/http/run_handler.hpp"

#include <iostream>

namespace {

belay::asio::awaitable<belay::http::Response> say_ok(belay::http::Request&)
{
    co_return belay::http::text_response(200, "ok");
}

} // namespace

int main()
{
    belay::daemon::Metrics metrics;
    metrics.add(belay::daemon::process_metrics());
    const auto handler = belay::http::observed_by({belay::daemon::http_metrics(metrics, "ingress")})(say_ok);
    belay::http::Request request;
    belay::http::run_handler(handler, request);
    request.route = "/hooks/{name}";
    belay::http::run_handler(handler, request);
    std::cout << metrics.text();
}
