#include "test_server.hpp"

#include <boost/asio/co_spawn.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>

namespace belay::http {

TestClient::TestClient(std::uint16_t port, int receive_buffer)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    const timeval deadline{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    if (receive_buffer > 0)
        ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        socket_.reset();
}

TestClient::TestClient(const std::string& unix_spec) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    const timeval deadline{.tv_sec = 10, .tv_usec = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    unix_spec.copy(address.sun_path, sizeof address.sun_path - 1, sizeof "unix:" - 1);
    if (::connect(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        socket_.reset();
}

bool TestClient::try_send(std::string_view bytes)
{
    while (socket_ && !bytes.empty()) {
        const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return bytes.empty();
}

void TestClient::send(std::string_view bytes)
{
    EXPECT_TRUE(try_send(bytes)) << "the peer does not take what is sent";
}

void TestClient::shut_down_sending()
{
    ::shutdown(socket_.get(), SHUT_WR);
}

void TestClient::reset()
{
    const linger hard{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    socket_.reset();
}

bool TestClient::receive_some()
{
    char buffer[16384];
    const ssize_t size = socket_ ? ::recv(socket_.get(), buffer, sizeof buffer, 0) : -1;
    if (size > 0)
        received_.append(buffer, static_cast<std::size_t>(size));
    return size > 0;
}

TestClient::Answer TestClient::receive(bool head_only)
{
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos)
        if (!receive_some())
            return {};
    Answer answer;
    answer.head = received_.substr(0, end + 2);
    received_.erase(0, end + 4);
    answer.status = std::atoi(answer.head.c_str() + sizeof "HTTP/1.1");
    const std::size_t field = answer.head.find("Content-Length: ");
    const std::size_t size = field == std::string::npos || head_only
                                 ? 0
                                 : static_cast<std::size_t>(std::atol(answer.head.c_str() + field + 16));
    while (received_.size() < size)
        if (!receive_some())
            return {};
    answer.body = received_.substr(0, size);
    received_.erase(0, size);
    return answer;
}

void TestClient::read_ahead_slowly(std::size_t size, std::chrono::milliseconds time)
{
    const auto start = std::chrono::steady_clock::now();
    do // what is under test is time that passes
        std::this_thread::sleep_until(start + time * received_.size() / size);
    while (receive_some() && received_.size() < size);
}

TestClient::End TestClient::receive_end()
{
    if (!received_.empty())
        return End::data;
    char byte = 0;
    const ssize_t size = ::recv(socket_.get(), &byte, 1, 0);
    if (size > 0)
        return End::data;
    if (size == 0)
        return End::eof;
    return errno == ECONNRESET ? End::reset : End::timeout;
}

TestServer::TestServer(unsigned loops, Limits limits, BodyBudget* bodies) : limits_(limits), bodies_(bodies)
{
    for (unsigned i = 0; i < loops; ++i)
        loops_.push_back(std::make_unique<asio::io_context>(1));
    router.add({.method = "GET", .pattern = "/", .handler = answer_with(200, "alive"), .admit = {}});
}

void TestServer::start()
{
    Server::Options options{.name = "test",
        .loops = {},
        .control = control_.get_executor(),
        .router = &router,
        .handler = router.dispatcher(),
        .middleware = middleware,
        .bodies = bodies_,
        .limits = limits_,
        .on_warning = [this](std::string_view what) {
            const std::lock_guard lock{mutex_};
            warnings_.emplace_back(what);
        }};
    for (const auto& loop : loops_)
        options.loops.push_back(loop.get());
    server_ = std::make_unique<Server>(std::move(options));
    server_->add_listener(open_listening_socket("127.0.0.1:0"));
    const std::string address = server_->bound_address("127.0.0.1:0");
    port_ = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
    for (const auto& loop : loops_) {
        work_.push_back(asio::make_work_guard(*loop));
        threads_.emplace_back([&io = *loop] { io.run(); });
    }
}

TestServer::~TestServer()
{
    if (!server_)
        return;
    run(server_->close());
    work_.clear();
    for (std::thread& thread : threads_)
        thread.join(); // ends because nothing is left to do: close() left no coroutine behind
}

void TestServer::run(asio::awaitable<void> task)
{
    bool done = false;
    std::exception_ptr error;
    asio::co_spawn(control_, std::move(task), [&](std::exception_ptr e) {
        done = true;
        error = std::move(e);
    });
    const Work work{control_.get_executor()};
    control_.restart();
    while (!done)
        control_.run_one();
    if (error)
        std::rethrow_exception(error);
}

int TestServer::probe() const
{
    TestClient client = connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    return client.receive().status;
}

std::vector<std::string> TestServer::warnings() const
{
    const std::lock_guard lock{mutex_};
    return warnings_;
}

std::uint16_t port_of(const ListeningSocket& socket)
{
    sockaddr_in address{};
    socklen_t size = sizeof address;
    EXPECT_EQ(::getsockname(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    return ntohs(address.sin_port);
}

const char* NoDescriptors::impossible() noexcept
{
#ifdef __SANITIZE_ADDRESS__
    return "UndefinedBehaviorSanitizer opens a pipe to look at an object"; // seen with g++ 12
#else
    return nullptr;
#endif
}

NoDescriptors::NoDescriptors()
{
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    UniqueFd lowest_free{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const rlimit none{.rlim_cur = static_cast<rlim_t>(lowest_free.get()), .rlim_max = before_.rlim_max};
    lowest_free.reset();
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
}

NoDescriptors::~NoDescriptors()
{
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0);
}

Handler answer_with(int status, std::string body)
{
    return [status, body = std::move(body)](Request&) { return text_response(status, body); };
}

} // namespace belay::http
