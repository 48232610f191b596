#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay {

/**
 * Where a request stands in a distributed trace: W3C Trace Context, `traceparent` version 00.
 * https://www.w3.org/TR/trace-context/
 */
struct TraceContext {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{}; ///< "parent-id" on the wire
    std::uint8_t flags = 0;                ///< bit 0: sampled
};

/**
 * Reads a `traceparent` header.  Invalid text (wrong length, upper case, all-zero ids, version ff) is nothing: the
 * caller starts a new trace.  Of higher versions the first 55 characters count, as the specification says.
 */
[[nodiscard]] std::optional<TraceContext> parse_traceparent(std::string_view text);

/** "00-<trace id>-<span id>-<flags>" */
[[nodiscard]] std::string to_traceparent(const TraceContext& context);

/** The 32 hexadecimal digits of the trace id. */
[[nodiscard]] std::string trace_id_text(const TraceContext& context);

/** A new trace with a random id.  Thread-safe. */
[[nodiscard]] TraceContext make_trace();

/** The same trace with a span id of its own: what belay hands on.  Thread-safe. */
[[nodiscard]] TraceContext make_child_span(const TraceContext& parent);

} // namespace belay
