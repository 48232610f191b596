#pragma once
#include "base/byte_size.hpp"
#include "http/request.hpp"

#include <optional>
#include <span>
#include <string_view>

namespace belay::http {

struct Limits;

/** The parts of a head; views into the connection's buffer. */
struct Head {
    std::string_view method;
    std::string_view target;
    bool http_1_0 = false;
    std::span<const Field> fields;
};

/** How the body is delimited, RFC 9112 §6.3. */
enum class Framing : std::uint8_t { none, content_length, chunked };

/** What may be done with a request. */
struct HeadVerdict {
    std::optional<Rejection> rejection; ///< set: answer with this and close; the rest means nothing
    Framing framing = Framing::none;
    Bytes content_length = 0;
    bool keep_alive = true;
    bool expects_continue = false;
    std::string_view path;  ///< begins with '/'
    std::string_view query; ///< without '?'
};

/**
 * Decides on a parsed head before any byte of the body is looked at.  Refuses whatever two parsers could read in two
 * ways (RFC 9112 §11.2, request smuggling); Beast 1.81 takes much of it.
 */
[[nodiscard]] HeadVerdict apply_header_policy(const Head& head, const Limits& limits);

} // namespace belay::http
