#pragma once
#include "belayd/config/origin.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace belay::config {

/** Where a value comes from: an argument of the command, a variable, what a rule looks at. */
struct ValueSource {
    enum class Kind : std::uint8_t {
        literal,
        payload,    ///< JSON pointer (RFC 6901) into the body; a string as it is, anything else as compact JSON
        header,     ///< first field of that name
        query,      ///< first value of that name, decoded
        request,    ///< of the request as a whole: one of request_parts()
        event,      ///< of what belay makes of it
        dotted_path ///< into the body as adnanh/webhook has it, "a.b.0": of hooks with compat only
    } kind = Kind::literal;
    std::string text; ///< the literal, pointer or name
    Origin origin;

    // How it becomes an argument, a variable or a file:
    enum class Decoding : std::uint8_t { none, base64 };
    std::optional<std::string> fallback = {}; ///< stands in for a value that is missing, as it is
    Decoding decoding = Decoding::none;
    bool allow_dash = false;        ///< an argument may begin with "-"
    std::string overflow_file = {}; ///< variable that names the file of a value that no variable can hold
};

/** The key that chooses a kind in a table: "payload"; "" for a literal. */
[[nodiscard]] std::string_view key_of(ValueSource::Kind kind) noexcept;

/** What { request = … } can name: "method", "path", "remote_address", "body", "headers", "query". */
[[nodiscard]] std::span<const std::string_view> request_parts() noexcept;

/** What { event = … } can name: "id", "job", "hook", "delivery_id", "received". */
[[nodiscard]] std::span<const std::string_view> event_parts() noexcept;

/** payload "/ref": the operator's words only; "" for a literal. */
[[nodiscard]] std::string describe(const ValueSource& source);

} // namespace belay::config
