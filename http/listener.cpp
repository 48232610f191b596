#include "http/listener.hpp"

#include "http/handshakes.hpp"
#include "http/peer.hpp"

#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace belay::http {
namespace {

using namespace std::chrono_literals;

/** When there are no descriptors or no memory: accepting again at once would only spin. */
constexpr auto accept_pause = 100ms;

constexpr auto cap_warning_interval = 10s;

/** Of one wake-up, so that a flood of connections does not starve those that there are. */
constexpr int accept_batch = 64;

/** For handshakes that are just beginning on another processor, and for peers as near as that. */
constexpr auto handshake_grace = 5ms;

/** While handshakes are under way: how often to look, and how far away a peer may be that is waited for. */
constexpr auto handshake_check = 20ms;
constexpr auto longest_handshake = 1s;

/** Batches taken, or pauses made, before a backlog is given up that never empties. */
constexpr int shut_attempts = 100;

/** So many peers over a cap are told so in order at one time; the rest is just closed on. */
constexpr std::size_t refusals = 256;

std::string address_of(int fd)
{
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot use a listening socket"};
    if (address.ss_family == AF_UNIX) {
        sockaddr_un local{};
        std::memcpy(&local, &address, sizeof local);
        return std::string{"unix:"} + local.sun_path;
    }
    const Peer local = peer_of(address);
    return (address.ss_family == AF_INET6 ? "[" + local.address + "]" : local.address) + ":" +
           std::to_string(local.port);
}

int non_blocking(UniqueFd fd)
{
    // A passed socket may come without; the flag is shared with whoever passed it, who does not accept.
    const int flags = ::fcntl(fd.get(), F_GETFL);
    if (flags < 0 || ::fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        throw std::system_error{errno, std::generic_category(), "cannot use a listening socket"};
    return fd.release();
}

bool is_shortage(int error) noexcept
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

} // namespace

Listener::Listener(ServerContext& context, const std::vector<std::unique_ptr<ServerLoop>>& loops,
    ListeningSocket socket, ListenerTag tag)
    : context_(context), loops_(loops), tag_(std::move(tag)), passed_(socket.passed),
      unix_path_(std::move(socket.unix_path)), bound_address_(address_of(socket.fd.get())),
      socket_(loops.front()->io(), non_blocking(std::move(socket.fd))), pause_(loops.front()->io())
{
    if (passed_)
        copy_ = copy();
}

UniqueFd Listener::copy_of_passed()
{
    if (passed_ && !copy_)
        copy_ = copy();
    if (passed_ && !copy_)
        context_.warn("no descriptor to keep " + name() + " with: it cannot be listened on again before a restart");
    return std::move(copy_);
}

UniqueFd Listener::copy() noexcept
{
    const int fd = ::fcntl(socket_.native_handle(), F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? UniqueFd{} : UniqueFd{fd};
}

void Listener::start(std::shared_ptr<Listener> self)
{
    ended_ = false;
    loops_.front()->spawn("accept", accept_loop(std::move(self)));
}

asio::awaitable<void> Listener::accept_loop(std::shared_ptr<Listener> /*self*/)
{
    const Ended ended{*this}; // also when it is cancelled
    bool short_of = false;
    while (!stopping_) {
        const int error = accept_all();
        if (is_shortage(error)) {
            if (!short_of)
                warn_of_shortage(error);
            short_of = true;
            (void)co_await pause_for(accept_pause);
            continue;
        }
        short_of = false;
        if (stopping_)
            break;
        error_code ec;
        co_await socket_.async_wait(
            asio::posix::stream_descriptor::wait_read, asio::redirect_error(asio::use_awaitable, ec));
    }
}

Listener::Ended::~Ended()
{
    listener_.ended_ = true;
    listener_.pause_.cancel();
}

/** Returns EAGAIN when nothing waits any more, 0 when the batch is full, else the errno of a shortage. */
int Listener::accept_all() noexcept
try {
    for (int accepted = 0; accepted < accept_batch && socket_.is_open(); ++accepted) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        const int fd = ::accept4(socket_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
            SOCK_CLOEXEC | SOCK_NONBLOCK); // Asio's accept would set neither
        if (fd >= 0) {
            deal(UniqueFd{fd}, peer_of(address));
            continue;
        }
        if (errno == EAGAIN)
            return EAGAIN;
        if (const int error = errno; is_shortage(error)) // said before it is looked whether somebody waits
            return somebody_waits() ? error : EAGAIN;
        // ECONNABORTED, EPROTO and the network errors of accept(2) concern one connection that is no more
    }
    return 0;
} catch (const std::exception&) { // in deal(), to one connection that is closed now: the others are to be accepted
    return ENOMEM;
}

bool Listener::somebody_waits() noexcept
{
    pollfd backlog{.fd = socket_.native_handle(), .events = POLLIN, .revents = 0};
    return ::poll(&backlog, 1, 0) != 0;
}

void Listener::deal(UniqueFd fd, Peer peer)
{
    const bool admitted = context_.caps.try_acquire(peer);
    if (!admitted)
        warn_of_cap(peer);
    if (!admitted && context_.refused.fetch_add(1, std::memory_order_relaxed) >= refusals) {
        context_.refused.fetch_sub(1, std::memory_order_relaxed);
        return;
    }
    ServerLoop& loop = *loops_[next_loop_++ % loops_.size()];
    Accepted accepted{
        .fd = std::move(fd), .place = Place{context_, std::move(peer), !admitted}, .listener = tag_, .handed = nullptr};
    if (&loop == loops_.front().get())
        loop.adopt(std::move(accepted));
    else
        loop.deliver(std::move(accepted));
}

void Listener::warn_of_shortage(int error) noexcept
try {
    context_.warn(
        "accept on " + name() + " failed: " + std::generic_category().message(error) + ", pausing and retrying");
} catch (const std::exception&) { // there is no memory for that either
}

/** Once in a while: a flood of connections must not become a flood of warnings. */
void Listener::warn_of_cap(const Peer& peer)
{
    const auto now = std::chrono::steady_clock::now();
    if (now < next_cap_warning_)
        return;
    next_cap_warning_ = now + cap_warning_interval;
    context_.warn("too many connections on " + name() + ", refusing one of " + peer.address);
}

/** Drops each segment with SYN and without ACK; listen(fd, 0) would still admit one connection, to be reset. */
bool Listener::ignore_handshakes() noexcept
{
    sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13), // the flags of the TCP header
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
    };
    const sock_fprog program{.len = std::size(code), .filter = code};
    return ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

/**
 * Who has had the answer to its SYN is connected as far as it knows, and its last segment comes with a request: once
 * the socket is closed, a reset is what it would get.  Near peers have sent it by now; for others that we know of, this
 * waits and goes on accepting.  Where there are none, as mostly, a stop is not to take longer: so no fixed time.
 */
asio::awaitable<void> Listener::complete_handshakes()
{
    const auto end = std::chrono::steady_clock::now() + longest_handshake;
    bool waited = co_await pause_for(handshake_grace);
    while (waited && std::chrono::steady_clock::now() < end && handshakes_under_way(socket_.native_handle())) {
        (void)accept_all();
        waited = co_await pause_for(handshake_check);
    }
}

/** @return false if it was cancelled */
asio::awaitable<bool> Listener::pause_for(std::chrono::steady_clock::duration duration)
{
    pause_.expires_after(duration);
    error_code ec;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    co_return !ec;
}

asio::awaitable<void> Listener::end_accepting()
{
    stopping_ = true;
    error_code ec;
    socket_.cancel(ec);
    pause_.cancel();
    while (!ended_) {
        pause_.expires_at(asio::steady_timer::time_point::max());
        co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ec));
    }
}

asio::awaitable<ListeningSocket> Listener::release()
{
    co_await end_accepting();
    UniqueFd fd{socket_.is_open() ? socket_.release() : -1};
    copy_.reset();
    co_return ListeningSocket{.name = name(), .fd = std::move(fd), .passed = passed_, .unix_path = unix_path_};
}

/** So that descriptors come free: those of connections that are to end anyway. */
void Listener::drain(const ListenerTag& leaving)
{
    for (const auto& loop : loops_)
        asio::post(loop->io(), [&loop = *loop, leaving] { loop.drain(leaving, ServerLoop::Clock::time_point::max()); });
}

asio::awaitable<void> Listener::shut(ListenerTag leaving)
{
    if (!socket_.is_open())
        co_return;
    co_await end_accepting();
    if (!passed_) {
        if (!unix_path_.empty())
            unlink_path();
        else if (ignore_handshakes())
            co_await complete_handshakes();
        bool draining = false;
        int error = accept_all();
        for (int attempts = 0; error != EAGAIN && attempts < shut_attempts; ++attempts) {
            if (error != 0) { // no descriptor: one may come free
                if (!std::exchange(draining, true))
                    drain(leaving);
                (void)co_await pause_for(accept_pause);
            }
            error = accept_all();
        }
    }
    close();
}

/** Once: what is there afterwards is the next one's. */
void Listener::unlink_path() noexcept
{
    if (!unix_path_.empty())
        (void)::unlink(unix_path_.c_str());
    unix_path_.clear();
}

void Listener::close() noexcept
{
    stopping_ = true;
    error_code ec;
    if (socket_.is_open() && !passed_)
        unlink_path();
    socket_.close(ec);
    copy_.reset();
    pause_.cancel();
}

} // namespace belay::http
