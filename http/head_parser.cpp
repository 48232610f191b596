#include "http/head_parser.hpp"

#include "http/chars.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace belay::http {
namespace {

namespace beast = boost::beast;

/**
 * Takes views instead of filling Beast's containers: no allocation, and nothing that throws on a long value as
 * beast::http::fields of 1.81 does.
 */
class HeadParser final : public beast::http::basic_parser<true> {
public:
    HeadParser(Head& head, std::vector<Field>& fields) : head_(head), fields_(fields)
    {
        body_limit(boost::none); // the route's limit is asked for later
    }

private:
    static std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

    void on_request_impl(beast::http::verb, beast::string_view method, beast::string_view target, int version,
        beast::error_code&) override
    {
        head_.method = view(method);
        head_.target = view(target);
        head_.http_1_0 = version < 11;
    }
    void on_field_impl(
        beast::http::field, beast::string_view name, beast::string_view value, beast::error_code&) override
    {
        fields_.push_back({.name = view(name), .value = view(value)});
    }

    // The rest is never reached: only a head is put in.
    void on_response_impl(int, beast::string_view, int, beast::error_code&) override {}
    void on_header_impl(beast::error_code&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, beast::error_code&) override {}
    std::size_t on_body_impl(beast::string_view body, beast::error_code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, beast::error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, beast::error_code&) override
    {
        return body.size();
    }
    void on_finish_impl(beast::error_code&) override {}

    Head& head_;
    std::vector<Field>& fields_;
};

/** Whether the request line ends in a version that is not spoken here. */
bool names_another_version(std::string_view raw)
{
    const std::string_view line = raw.substr(0, raw.find('\r'));
    const std::size_t space = line.rfind(' ');
    const std::string_view version = space == line.npos ? std::string_view{} : line.substr(space + 1);
    return version.size() == 8 && version.starts_with("HTTP/") && is_digit(version[5]) && version[6] == '.' &&
           is_digit(version[7]) && version != "HTTP/1.1" && version != "HTTP/1.0";
}

} // namespace

std::optional<Rejection> parse_head(std::string_view raw, Head& head, std::vector<Field>& fields)
{
    fields.clear();
    beast::error_code ec;
    HeadParser parser{head, fields};
    parser.header_limit(static_cast<std::uint32_t>(raw.size() + 1)); // bounded by HeadScanner already
    parser.put(boost::asio::buffer(raw.data(), raw.size()), ec);
    if (ec == beast::http::error::bad_version && names_another_version(raw))
        return Rejection{.status = 505, .detail = "Only HTTP/1.1 and HTTP/1.0 are spoken here.", .fields = {}};
    if (ec)
        return Rejection{.status = 400, .detail = "The request header is malformed.", .fields = {}};
    head.fields = fields;
    return std::nullopt;
}

} // namespace belay::http
