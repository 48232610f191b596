// The limit of a small GET: epoll and a fixed answer.  Nothing of a request is looked at but where its head ends; all
// that one recv() brought is answered with one send().
//
//     limit_get PORT
#include "loopback.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace belay::bench {
namespace {

constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"
                                    R"({"status":"ok"})";
constexpr std::string_view head_end = "\r\n\r\n";

struct Connection {
    UniqueFd fd;
    std::array<char, 16'384> input{};
    std::size_t filled = 0;
};

/** Answers every whole head in the input, and keeps the rest. */
void answer_heads(Connection& connection, std::string& out)
{
    const std::string_view input{connection.input.data(), connection.filled};
    std::size_t consumed = 0;
    for (std::size_t end = 0; (end = input.find(head_end, consumed)) != std::string_view::npos;) {
        out += answer;
        consumed = end + head_end.size();
    }
    connection.filled -= consumed;
    if (consumed > 0 && connection.filled > 0)
        std::memmove(connection.input.data(), connection.input.data() + consumed, connection.filled);
}

/** @return whether the connection lives on */
bool serve(Connection& connection, std::string& out)
{
    const ssize_t n = ::recv(connection.fd.get(), connection.input.data() + connection.filled,
        connection.input.size() - connection.filled, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    connection.filled += static_cast<std::size_t>(n);
    out.clear();
    answer_heads(connection, out);
    return out.empty() || ::send(connection.fd.get(), out.data(), out.size(), MSG_NOSIGNAL) == ssize_t(out.size());
}

void accept_all(int listener, Poll& poll)
{
    for (int fd = 0; (fd = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY);
        auto connection = std::make_unique<Connection>();
        connection->fd = UniqueFd{fd};
        poll.add(fd, connection.release()); // owned by its events
    }
}

[[noreturn]] void run(std::uint16_t port)
{
    const UniqueFd listener = listen_on(port);
    Poll poll;
    poll.add(listener.get(), nullptr);
    std::string out;
    for (;;)
        for (const epoll_event& event : poll.wait()) {
            auto* const connection = static_cast<Connection*>(event.data.ptr);
            if (connection == nullptr)
                accept_all(listener.get(), poll);
            else if (!serve(*connection, out))
                std::default_delete<Connection>{}(connection);
        }
}

} // namespace
} // namespace belay::bench

int main(int argc, char** argv)
{
    if (argc != 2) {
        std::fprintf(stderr, "usage: limit_get PORT\n");
        return 64;
    }
    belay::bench::run(static_cast<std::uint16_t>(std::atoi(argv[1])));
}
