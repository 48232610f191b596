#pragma once
#include "base/duration.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::http {

/** What a client sends. */
struct ClientRequest {
    std::string method = "GET";
    std::string target = "/";
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
};

/** What it gets; field names in lower case. */
struct ClientResponse {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;

    /** The first field of that lower-case name, or "". */
    [[nodiscard]] std::string_view field(std::string_view name) const noexcept;
};

/**
 * One request over one connection, blocking: for command-line tools and tests.
 *
 * @param endpoint "host:port", "[v6]:port" or "unix:/path"
 * @param timeout of the whole exchange
 * @throws std::system_error whose text names the endpoint and what failed (connect, send, receive, timeout)
 */
[[nodiscard]] ClientResponse fetch(const std::string& endpoint, const ClientRequest& request, Milliseconds timeout);

} // namespace belay::http
