#include "http/head_scanner.hpp"

#include "http/chars.hpp"
#include "http/server.hpp"

namespace belay::http {
namespace {

HeadScan refuse_head(int status, const char* detail)
{
    return {.size = 0, .rejection = Rejection{.status = status, .detail = detail, .fields = {}}};
}

} // namespace

void HeadScanner::reset() noexcept
{
    line_start_ = scanned_ = fields_ = 0;
}

HeadScan HeadScanner::scan(std::string_view bytes)
{
    if (!bytes.empty() && !is_token_char(bytes.front()))
        return refuse_head(400, "This is not an HTTP/1.1 request."); // TLS, binary noise, a leading space
    for (;;) {
        const std::size_t lf = bytes.find('\n', scanned_);
        const std::size_t seen = lf == bytes.npos ? bytes.size() : lf + 1;
        if (seen > limits_.header_bytes)
            return line_start_ == 0 ? refuse_head(414, "The request line is too long.")
                                    : refuse_head(431, "The request header is too large.");
        if (lf == bytes.npos) {
            scanned_ = bytes.size();
            return {};
        }
        if (lf == line_start_ || bytes[lf - 1] != '\r')
            return refuse_head(400, "A line of the header ends without CR LF.");
        if (line_start_ != 0) {
            if (lf - line_start_ == 1)
                return {.size = seen, .rejection = {}};
            if (bytes[line_start_] == ' ' || bytes[line_start_] == '\t')
                return refuse_head(400, "A header field is folded over several lines."); // RFC 9112 §5.2
            if (++fields_ > limits_.fields)
                return refuse_head(431, "The request has too many header fields.");
        }
        line_start_ = scanned_ = seen;
    }
}

} // namespace belay::http
