#pragma once
#include "base/byte_size.hpp"
#include "http/request.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace belay::http {

/**
 * Decodes one chunked body (RFC 9112 §7.1) as its bytes arrive, keeping none but the content.
 *
 * Own code, because Beast's parser cannot be asked to do it safely across the versions we build with: 1.81 takes
 * sizes with any number of leading zeros, control characters in extensions, and extensions and trailers without bound;
 * it needs a whole trailer section in one buffer; and with assertions on, "0 CR LF CR" arriving without its last LF
 * aborts the process.
 *
 * Trailer fields are checked and dropped: nothing here may be trusted that comes after the body (RFC 9110 §6.5.1).
 */
class ChunkedDecoder {
public:
    enum class Status : std::uint8_t { more, complete, rejected };

    /** @param body_limit bytes of content; more is 413, as soon as a chunk announces it */
    explicit ChunkedDecoder(Bytes body_limit) noexcept;

    /** Takes what it can from the front of `input` and appends content to `body`. */
    [[nodiscard]] Status decode(std::string_view& input, std::string& body);

    /** What another decoder must be given to be where this one is; `body` is what this one has decoded. */
    [[nodiscard]] std::string replay(std::string_view body) const;

    /** Why, after Status::rejected. */
    [[nodiscard]] const Rejection& rejection() const { return *rejection_; }

private:
    enum class State : std::uint8_t {
        size_start,
        size,
        extension_name_start,
        extension_name,
        extension_value_start,
        extension_token,
        extension_quoted,
        extension_escaped,
        extension_end,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_start,
        trailer_name,
        trailer_value,
        trailer_lf,
        end_lf,
        complete,
    };

    bool step(char c);
    bool step_size(char c);
    bool step_extension(char c);
    bool step_trailer(char c);
    bool after_extension(char c);
    bool end_of_size_line();
    bool refuse(int status, const char* detail);

    const Bytes body_limit_;
    const Bytes wire_limit_;
    Bytes wire_ = 0;       // bytes taken, framing included
    Bytes body_ = 0;       // bytes announced by chunk sizes
    Bytes chunk_ = 0;      // size of this chunk, then what is left of it
    Bytes extensions_ = 0; // bytes of all extensions
    Bytes trailers_ = 0;   // bytes of the trailer section
    unsigned digits_ = 0;  // of this chunk size
    unsigned trailer_fields_ = 0;
    std::string trailer_name_; // in lower case, cut to what the check needs
    State state_ = State::size_start;
    std::optional<Rejection> rejection_;
};

} // namespace belay::http
