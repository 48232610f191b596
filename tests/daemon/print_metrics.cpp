// Prints a page of metrics of every kind: what promtool_test.py has promtool judge.
#include "daemon/http_metrics.hpp"
#include "daemon/metrics.hpp"

#include <iostream>

int main()
{
    belay::daemon::Metrics metrics;
    metrics.add(belay::daemon::process_metrics());
    const auto observe = belay::daemon::http_metrics(metrics, "ingress");
    belay::http::Request request;
    const belay::http::Response response;
    for (const char* const route : {"", "/hooks/{name}"}) {
        request.route = route;
        observe({.request = request, .response = response, .duration = std::chrono::milliseconds{1}});
    }
    std::cout << metrics.text();
}
