#include "http/chunked_decoder.hpp"

#include "http/chars.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace belay::http {
namespace {

constexpr Bytes extension_bytes = 4_KiB; // nobody needs them; CVE-2023-39326
constexpr Bytes trailer_bytes = 8_KiB;
constexpr unsigned trailer_fields = 100;

/** Chunks of one byte cost six bytes on the wire: more framing than content plus this is an attack. */
constexpr Bytes free_framing = 16_KiB;

constexpr unsigned hex_value(char c) noexcept
{
    return is_digit(c) ? static_cast<unsigned>(c - '0') : static_cast<unsigned>(to_lower(c) - 'a') + 10;
}

} // namespace

ChunkedDecoder::ChunkedDecoder(Bytes body_limit) noexcept
    : body_limit_(body_limit), wire_limit_(2 * body_limit + free_framing)
{
}

ChunkedDecoder::Status ChunkedDecoder::decode(std::string_view& input, std::string& body)
{
    while (!input.empty() && state_ != State::complete) {
        const std::size_t taken =
            state_ == State::data ? static_cast<std::size_t>(std::min<Bytes>(chunk_, input.size())) : 1;
        wire_ += taken;
        if (wire_ > wire_limit_) {
            refuse(413, "The chunked body has too much framing.");
            return Status::rejected;
        }
        if (state_ == State::data) {
            body.append(input.substr(0, taken));
            chunk_ -= taken;
            if (chunk_ == 0)
                state_ = State::data_cr;
        } else if (!step(input.front())) {
            return Status::rejected;
        }
        input.remove_prefix(taken);
    }
    return state_ == State::complete ? Status::complete : Status::more;
}

bool ChunkedDecoder::step(char c)
{
    switch (state_) {
    case State::size_start:
    case State::size:
        return step_size(c);
    case State::size_lf:
        return c == '\n' ? end_of_size_line() : refuse(400, "A chunk size line ends without CR LF.");
    case State::data_cr:
        state_ = State::data_lf;
        return c == '\r' || refuse(400, "A chunk is longer than its size.");
    case State::data_lf:
        state_ = State::size_start;
        return c == '\n' || refuse(400, "A chunk ends without CR LF.");
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_lf:
    case State::end_lf:
        return step_trailer(c);
    case State::data:
    case State::complete:
        return true; // decode() does not come here with these
    default:
        return step_extension(c);
    }
}

bool ChunkedDecoder::step_size(char c)
{
    if (is_hex_digit(c)) {
        if (state_ == State::size_start) {
            state_ = State::size;
            chunk_ = 0;
            digits_ = 0;
        }
        chunk_ = chunk_ << 4 | hex_value(c);
        return ++digits_ <= 16 || refuse(400, "A chunk size has too many digits.");
    }
    if (state_ == State::size_start)
        return refuse(400, "A chunk size is missing.");
    return after_extension(c);
}

/** What may follow a size or a whole extension: another extension, or the end of the line. */
bool ChunkedDecoder::after_extension(char c)
{
    if (c == ';')
        state_ = State::extension_name_start;
    else if (c == '\r')
        state_ = State::size_lf;
    else
        return refuse(400, "A chunk size line is malformed.");
    return true;
}

/** chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ); the optional white space of RFC 9112 is refused. */
bool ChunkedDecoder::step_extension(char c)
{
    if (++extensions_ > extension_bytes)
        return refuse(400, "The chunk extensions are too large.");
    switch (state_) {
    case State::extension_name_start:
        state_ = State::extension_name;
        return is_token_char(c) || refuse(400, "A chunk extension has no name.");
    case State::extension_name:
        if (is_token_char(c))
            return true;
        if (c == '=') {
            state_ = State::extension_value_start;
            return true;
        }
        return after_extension(c);
    case State::extension_value_start:
        state_ = c == '"' ? State::extension_quoted : State::extension_token;
        return c == '"' || is_token_char(c) || refuse(400, "A chunk extension has no value.");
    case State::extension_token:
        return is_token_char(c) || after_extension(c);
    case State::extension_quoted:
        if (c == '"')
            state_ = State::extension_end;
        else if (c == '\\')
            state_ = State::extension_escaped;
        return !is_control(c) || refuse(400, "A chunk extension has a control character.");
    case State::extension_escaped:
        state_ = State::extension_quoted;
        return !is_control(c) || refuse(400, "A chunk extension has a control character.");
    default:
        return after_extension(c);
    }
}

bool ChunkedDecoder::end_of_size_line()
{
    if (chunk_ == 0) {
        state_ = State::trailer_start;
        return true;
    }
    if (chunk_ > body_limit_ - body_)
        return refuse(413, "The body is too large.");
    body_ += chunk_;
    state_ = State::data;
    return true;
}

bool ChunkedDecoder::step_trailer(char c)
{
    if (++trailers_ > trailer_bytes)
        return refuse(431, "The trailer section is too large.");
    switch (state_) {
    case State::trailer_start:
        if (c == '\r') {
            state_ = State::end_lf;
            return true;
        }
        if (++trailer_fields_ > trailer_fields)
            return refuse(431, "There are too many trailer fields.");
        trailer_name_.clear();
        state_ = State::trailer_name;
        if (c == ':')
            return refuse(400, "A trailer field has no name.");
        [[fallthrough]];
    case State::trailer_name:
        if (c == ':') {
            state_ = State::trailer_value;
            return (trailer_name_ != "content-length" && trailer_name_ != "transfer-encoding") ||
                   refuse(400, "A framing field is in the trailer section.");
        }
        if (trailer_name_.size() < 32)
            trailer_name_ += to_lower(c);
        return is_token_char(c) || refuse(400, "A trailer field is malformed.");
    case State::trailer_value:
        if (c == '\r') {
            state_ = State::trailer_lf;
            return true;
        }
        return !is_control(c) || refuse(400, "A trailer field has a control character.");
    case State::trailer_lf:
        state_ = State::trailer_start;
        return c == '\n' || refuse(400, "A trailer field ends without CR LF.");
    default:
        state_ = State::complete;
        return c == '\n' || refuse(400, "The body ends without CR LF.");
    }
}

std::string ChunkedDecoder::replay(std::string_view body) const
{
    // All chunks so far as one of the size they announced, then the line it is in.  Extensions mean nothing: the
    // shortest that leads to the same place stands for them; of a trailer section, the line that is not over.
    std::string bytes;
    const auto size_line = [&bytes](Bytes size, std::size_t digits) {
        std::array<char, 16> hex{};
        const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), size, 16).ptr;
        const auto length = static_cast<std::size_t>(end - hex.data());
        bytes.append(digits > length ? digits - length : 0, '0').append(hex.data(), length);
    };
    if (body_ > 0) {
        size_line(body_, 0);
        bytes.append("\r\n").append(body);
        if (state_ == State::data || state_ == State::data_cr)
            return bytes;
        bytes += state_ == State::data_lf ? "\r" : "\r\n";
    }
    if (state_ >= State::size && state_ <= State::size_lf)
        size_line(chunk_, digits_);
    else if (state_ >= State::trailer_start)
        bytes += "0\r\n";
    switch (state_) {
    case State::extension_name_start:
        return bytes + ";";
    case State::extension_name:
        return bytes + ";x";
    case State::extension_value_start:
        return bytes + ";x=";
    case State::extension_token:
        return bytes + ";x=y";
    case State::extension_quoted:
        return bytes + ";x=\"";
    case State::extension_escaped:
        return bytes + ";x=\"\\";
    case State::extension_end:
        return bytes + ";x=\"\"";
    case State::size_lf:
    case State::end_lf:
        return bytes + "\r";
    case State::trailer_name:
        return bytes + trailer_name_;
    case State::trailer_value:
        return bytes + "x:";
    case State::trailer_lf:
        return bytes + "x:\r";
    case State::complete:
        return bytes + "\r\n";
    default:
        return bytes;
    }
}

bool ChunkedDecoder::refuse(int status, const char* detail)
{
    rejection_ = Rejection{.status = status, .detail = detail, .fields = {}};
    return false;
}

} // namespace belay::http
