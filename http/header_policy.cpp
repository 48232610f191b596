#include "http/header_policy.hpp"

#include "http/chars.hpp"
#include "http/server.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace belay::http {
namespace {

using MaybeRejection = std::optional<Rejection>;

Rejection refuse(int status, const char* detail, std::vector<std::pair<std::string, std::string>> fields = {})
{
    return {.status = status, .detail = detail, .fields = std::move(fields)};
}

/** The fields that decide something, each with how often it occurs; of a repeated one the first. */
struct Decisive {
    struct Counted {
        std::string_view value;
        std::size_t count = 0;
    };
    Counted host, content_length, transfer_encoding, content_encoding, expect;
    bool close = false;
    bool keep_alive = false;
    bool disguised = false;
};

bool has_token(std::string_view list, std::string_view lower)
{
    while (!list.empty()) {
        const std::size_t comma = std::min(list.find(','), list.size());
        if (equals_ignoring_case(trimmed(list.substr(0, comma)), lower))
            return true;
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return false;
}

/** Whether a gateway that turns '_' into '-' (CGI, WSGI) would take `name` for a field that frames or routes. */
bool is_disguised(std::string_view name)
{
    if (name.find('_') == name.npos)
        return false;
    std::string mapped{name};
    std::ranges::replace(mapped, '_', '-');
    return equals_ignoring_case(mapped, "content-length") || equals_ignoring_case(mapped, "transfer-encoding");
}

Decisive pick(std::span<const Field> fields)
{
    Decisive found;
    const auto take = [](Decisive::Counted& counted, std::string_view value) {
        if (counted.count++ == 0)
            counted.value = value;
    };
    for (const Field& field : fields) {
        if (equals_ignoring_case(field.name, "host"))
            take(found.host, field.value);
        else if (equals_ignoring_case(field.name, "content-length"))
            take(found.content_length, field.value);
        else if (equals_ignoring_case(field.name, "transfer-encoding"))
            take(found.transfer_encoding, field.value);
        else if (equals_ignoring_case(field.name, "content-encoding"))
            take(found.content_encoding, field.value);
        else if (equals_ignoring_case(field.name, "expect"))
            take(found.expect, field.value);
        else if (equals_ignoring_case(field.name, "connection")) {
            found.close = found.close || has_token(field.value, "close");
            found.keep_alive = found.keep_alive || has_token(field.value, "keep-alive");
        } else
            found.disguised = found.disguised || is_disguised(field.name);
    }
    return found;
}

/** RFC 9112 §6.1: only a lone "chunked" is implemented here. */
MaybeRejection check_transfer_encoding(std::string_view value)
{
    constexpr std::array known{"chunked", "gzip", "x-gzip", "deflate", "compress", "x-compress", "identity"};
    if (equals_ignoring_case(value, "chunked"))
        return std::nullopt;
    std::size_t chunked = 0;
    bool last_is_chunked = false;
    bool last_is_known = false;
    for (std::size_t start = 0; start <= value.size();) {
        const std::size_t comma = std::min(value.find(',', start), value.size());
        const std::string_view coding = trimmed(value.substr(start, comma - start));
        if (coding.empty() || !std::ranges::all_of(coding, is_token_char))
            return refuse(400, "Transfer-Encoding is malformed.");
        last_is_chunked = equals_ignoring_case(coding, "chunked");
        last_is_known = std::ranges::any_of(known, [&](const char* k) { return equals_ignoring_case(coding, k); });
        chunked += last_is_chunked ? 1 : 0;
        start = comma + 1;
    }
    if (chunked > 1 || (!last_is_chunked && (chunked > 0 || last_is_known)))
        return refuse(400, "Transfer-Encoding does not end in a single \"chunked\"."); // RFC 9112 §6.3
    return refuse(501, "Of transfer codings only \"chunked\" is implemented.");
}

MaybeRejection check_framing(const Decisive& fields, const Head& head, HeadVerdict& verdict)
{
    if (fields.disguised)
        return refuse(400, "A header field spells a framing field with an underscore.");
    if (fields.transfer_encoding.count > 0) {
        if (fields.content_length.count > 0)
            return refuse(400, "Content-Length and Transfer-Encoding exclude each other.");
        if (head.http_1_0)
            return refuse(400, "HTTP/1.0 has no Transfer-Encoding.");
        if (fields.transfer_encoding.count > 1)
            return refuse(400, "Transfer-Encoding is given twice.");
        verdict.framing = Framing::chunked;
        return check_transfer_encoding(fields.transfer_encoding.value);
    }
    if (fields.content_length.count > 1)
        return refuse(400, "Content-Length is given twice.");
    if (fields.content_length.count == 1) {
        const std::string_view text = fields.content_length.value;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), verdict.content_length);
        if (text.empty() || !is_digit(text.front()) || parsed.ec != std::errc{} ||
            parsed.ptr != text.data() + text.size() || (text.size() > 1 && text.front() == '0'))
            return refuse(400, "Content-Length is not a plain decimal number.");
        verdict.framing = verdict.content_length > 0 ? Framing::content_length : Framing::none;
        return std::nullopt;
    }
    if (head.method == "POST" || head.method == "PUT" || head.method == "PATCH")
        return refuse(411, "A request with a body needs Content-Length or Transfer-Encoding: chunked.");
    return std::nullopt;
}

/** uri-host [ ":" port ], RFC 9110 §7.2. */
bool is_host(std::string_view text)
{
    std::size_t end = 0;
    if (text.starts_with('[')) {
        end = text.find(']');
        if (end == text.npos || !std::ranges::all_of(text.substr(1, end - 1),
                                    [](char c) { return is_hex_digit(c) || c == ':' || c == '.'; }))
            return false;
        ++end;
    } else {
        end = std::min(text.find(':'), text.size());
        if (!std::ranges::all_of(text.substr(0, end), [](char c) { return is_uri_char(c) || c == '%'; }))
            return false;
    }
    if (end == text.size())
        return true;
    return text[end] == ':' && std::ranges::all_of(text.substr(end + 1), is_digit);
}

/** Whether the text is made of pchar and `more`, and its escapes are escapes, RFC 3986 §3.3. */
bool is_uri_text(std::string_view text, std::string_view more)
{
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            if (text.size() - i < 3 || !is_hex_digit(text[i + 1]) || !is_hex_digit(text[i + 2]) ||
                text.substr(i, 3) == "%00")
                return false;
            i += 2;
        } else if (!is_uri_char(c) && c != ':' && c != '@' && more.find(c) == more.npos)
            return false;
    }
    return true;
}

/** Whether a segment is "." or "..", escaped or not: nothing here means anything by it but mischief. */
bool has_dot_segment(std::string_view path)
{
    if (path.find('.') == path.npos && path.find('%') == path.npos)
        return false;
    for (std::size_t start = 1; start <= path.size();) {
        const std::size_t slash = std::min(path.find('/', start), path.size());
        std::size_t dots = 0;
        std::size_t i = start;
        for (; i < slash; ++dots) {
            if (path[i] == '.')
                ++i;
            else if (equals_ignoring_case(path.substr(i, 3), "%2e"))
                i += 3;
            else
                break;
        }
        if (i == slash && (dots == 1 || dots == 2))
            return true;
        start = slash + 1;
    }
    return false;
}

/** Origin form, or absolute form, which a server MUST accept (RFC 9112 §3.2.2). */
MaybeRejection check_target(const Head& head, const Limits& limits, HeadVerdict& verdict)
{
    std::string_view rest = head.target;
    if (rest.size() > limits.target_bytes)
        return refuse(414, "The request target is too long.");
    if (rest == "*" && head.method == "OPTIONS")
        return refuse(405, "OPTIONS is answered for a path, not for the whole server.", {{"Allow", "GET, HEAD, POST"}});
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!equals_ignoring_case(rest.substr(0, scheme.size()), scheme))
            continue;
        rest.remove_prefix(scheme.size());
        const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
        if (end == 0 || !is_host(rest.substr(0, end)))
            return refuse(400, "The request target names no valid host.");
        rest.remove_prefix(end);
        if (!rest.starts_with('/')) { // "http://host?query"
            verdict.path = "/";
            verdict.query = rest.empty() ? rest : rest.substr(1);
            return is_uri_text(verdict.query, "/?[]") ? std::nullopt
                                                      : MaybeRejection{refuse(400, "The request target is malformed.")};
        }
        break;
    }
    const std::size_t question = std::min(rest.find('?'), rest.size());
    verdict.path = rest.substr(0, question);
    verdict.query = question < rest.size() ? rest.substr(question + 1) : std::string_view{};
    if (!verdict.path.starts_with('/') || !is_uri_text(verdict.path, "/") || has_dot_segment(verdict.path) ||
        !is_uri_text(verdict.query, "/?[]")) // brackets are not RFC 3986, but many clients send them
        return refuse(400, "The request target is malformed.");
    return std::nullopt;
}

MaybeRejection check(const Head& head, const Limits& limits, HeadVerdict& verdict)
{
    constexpr std::array methods{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    const Decisive fields = pick(head.fields);
    if (fields.host.count > 1 || (fields.host.count == 0 && !head.http_1_0) || !is_host(fields.host.value))
        return refuse(400, "A request needs one valid Host field."); // RFC 9112 §3.2
    if (auto rejection = check_framing(fields, head, verdict))
        return rejection;
    if (std::ranges::find(methods, head.method) == methods.end())
        return refuse(501, "This method is not implemented.");
    if (auto rejection = check_target(head, limits, verdict))
        return rejection;
    if (fields.content_encoding.count > 1 ||
        (!fields.content_encoding.value.empty() && !equals_ignoring_case(fields.content_encoding.value, "identity")))
        return refuse(415, "Bodies are taken without Content-Encoding.", {{"Accept-Encoding", "identity"}});
    if (fields.expect.count > 0 && !head.http_1_0) { // RFC 9110 §10.1.1: not of HTTP/1.0
        if (fields.expect.count > 1 || !equals_ignoring_case(fields.expect.value, "100-continue"))
            return refuse(417, "Of expectations only \"100-continue\" can be met.");
        verdict.expects_continue = true;
    }
    verdict.keep_alive = !fields.close && (!head.http_1_0 || fields.keep_alive);
    return std::nullopt;
}

} // namespace

HeadVerdict apply_header_policy(const Head& head, const Limits& limits)
{
    HeadVerdict verdict;
    verdict.rejection = check(head, limits, verdict);
    return verdict;
}

} // namespace belay::http
