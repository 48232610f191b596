#include "http/client.hpp"

#include "base/asio.hpp"
#include "base/byte_size.hpp"

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <algorithm>
#include <stdexcept>
#include <system_error>

namespace belay::http {
namespace {

namespace beast = boost::beast;
using Socket = asio::generic::stream_protocol;
using Stream = beast::basic_stream<Socket>;

/** An answer larger than this is not for a command line: 2 × the largest output_limit that makes sense, as base64. */
constexpr Bytes body_limit = 256_MiB;

std::system_error failure(const error_code& ec, const std::string& what)
{
    return {ec == beast::error::timeout ? std::make_error_code(std::errc::timed_out) : std::error_code{ec}, what};
}

std::vector<Socket::endpoint> resolve(asio::io_context& io, const std::string& endpoint)
{
    if (endpoint.starts_with("unix:"))
        try {
            return {asio::local::stream_protocol::endpoint{endpoint.substr(5)}};
        } catch (const boost::system::system_error& e) { // longer than sun_path
            throw failure(e.code(), "cannot connect to " + endpoint);
        }
    const auto colon = endpoint.rfind(':');
    std::string host = endpoint.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    if (colon == std::string::npos || host.empty() || colon + 1 == endpoint.size())
        throw std::system_error{std::make_error_code(std::errc::invalid_argument),
            "\"" + endpoint + "\" is neither host:port nor unix:/path"};

    error_code ec;
    asio::ip::tcp::resolver resolver{io};
    std::vector<Socket::endpoint> found;
    for (const auto& entry : resolver.resolve(host, endpoint.substr(colon + 1), ec))
        found.emplace_back(entry.endpoint());
    if (ec)
        throw failure(ec, "cannot find " + endpoint);
    return found;
}

/** One connection.  Each step blocks; all of them share the deadline given at the beginning. */
class Exchanger {
public:
    Exchanger(const std::string& endpoint, Milliseconds timeout) : endpoint_(endpoint)
    {
        stream_.expires_after(timeout);
    }

    void connect()
    {
        error_code ec;
        for (const Socket::endpoint& address : resolve(io_, endpoint_)) {
            stream_.async_connect(address, [&ec](error_code result) { ec = result; });
            wait();
            if (!ec)
                return;
            if (ec == beast::error::timeout)
                break;
            stream_.socket().close();
        }
        throw failure(ec, "cannot connect to " + endpoint_);
    }

    /** What went wrong, if anything: a server that refuses an upload may answer and stop reading. */
    error_code send(beast::http::request<beast::http::string_body>& request)
    {
        error_code ec;
        beast::http::async_write(stream_, request, [&ec](error_code result, std::size_t) { ec = result; });
        wait();
        return ec;
    }

    beast::http::response<beast::http::string_body> receive(bool head, const error_code& send_error)
    {
        error_code ec;
        beast::flat_buffer buffer;
        for (;;) {
            beast::http::response_parser<beast::http::string_body> parser;
            parser.body_limit(body_limit);
            parser.skip(head);
            beast::http::async_read(stream_, buffer, parser, [&ec](error_code result, std::size_t) { ec = result; });
            wait();
            if (ec && send_error)
                throw failure(send_error, "cannot send to " + endpoint_);
            if (ec)
                throw failure(ec, "no answer from " + endpoint_);
            if (parser.get().result_int() >= 200) // 1xx answers come before the real one (RFC 9110 §15.2)
                return parser.release();
        }
    }

private:
    void wait()
    {
        io_.restart();
        io_.run();
    }

    const std::string& endpoint_;
    asio::io_context io_{1};
    Stream stream_{io_};
};

/** Whether the text can stand in a head without ending its line. */
bool fits_a_line(std::string_view text) noexcept
{
    return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

beast::http::request<beast::http::string_body> to_beast(const std::string& endpoint, const ClientRequest& from)
{
    const auto is_visible = [](char c) { return c > ' ' && c < '\x7f'; };
    bool sound = !from.target.empty() && std::ranges::all_of(from.target + from.method, is_visible);
    for (const auto& [name, value] : from.fields)
        sound = sound && !name.empty() && name.find_first_of(" \t:") == name.npos && fits_a_line(name + value);
    if (!sound)
        throw std::invalid_argument{"the method, target or a header field cannot be sent in HTTP"};

    beast::http::request<beast::http::string_body> request;
    request.version(11);
    request.method_string(from.method);
    request.target(from.target);
    request.set(beast::http::field::host, endpoint.starts_with("unix:") ? "localhost" : endpoint);
    request.set(beast::http::field::connection, "close");
    for (const auto& [name, value] : from.fields)
        if (beast::http::string_to_field(name) == beast::http::field::host)
            request.set(name, value);
        else
            request.insert(name, value);
    request.body() = from.body;
    request.prepare_payload();
    return request;
}

std::string lower_case(std::string_view text)
{
    std::string lower{text};
    for (char& c : lower)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return lower;
}

} // namespace

std::string_view ClientResponse::field(std::string_view name) const noexcept
{
    for (const auto& [field_name, value] : fields)
        if (field_name == name)
            return value;
    return {};
}

ClientResponse fetch(const std::string& endpoint, const ClientRequest& request, Milliseconds timeout)
{
    auto message = to_beast(endpoint, request);
    Exchanger exchanger{endpoint, timeout};
    exchanger.connect();
    const error_code send_error = exchanger.send(message);
    auto answer = exchanger.receive(request.method == "HEAD", send_error);

    ClientResponse response{.status = static_cast<int>(answer.result_int()), .fields = {}, .body = {}};
    for (const auto& field : answer)
        response.fields.emplace_back(lower_case(field.name_string()), field.value());
    response.body = std::move(answer.body());
    return response;
}

} // namespace belay::http
