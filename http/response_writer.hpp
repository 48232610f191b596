#pragma once
#include "http/response.hpp"

#include <string>
#include <string_view>

namespace belay::http {

/** What of an answer the connection decides. */
struct ResponseFraming {
    bool head_only = false;      ///< to a HEAD request: Content-Length of what GET would have got, but no content
    bool close = false;          ///< say `Connection: close`
    bool keep_alive_1_0 = false; ///< say `Connection: keep-alive`, which an HTTP/1.0 client waits for
    std::string_view date{};     ///< IMF-fixdate, RFC 9110 §5.6.7
    std::string_view request_id{};
};

/** Appends the answer as it goes on the wire.  CR, LF and NUL in a field become spaces: nobody splits an answer. */
void append_response(std::string& out, const Response& response, const ResponseFraming& framing);

} // namespace belay::http
