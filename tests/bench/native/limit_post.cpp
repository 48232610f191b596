// The limit of a durable signed POST: HMAC-SHA256 of the body is checked, and all bodies that wait are put into a
// preallocated file with one pwritev() and one fdatasync(), then answered.
//
//     limit_post PORT SECRET [FILE]             without a file nothing is stored
//
// Two threads, as where a store has one of its own: while the disk is waited for, signatures are checked.  It takes
// what tests/bench/native/client.cpp sends, and only that: exact field names, one request at a time on a connection.
#include "loopback.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace belay::bench {
namespace {

constexpr std::size_t log_bytes = std::size_t{256} << 20; // then it begins anew
constexpr std::string_view accepted_answer =
    "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\r\n"
    R"({"state":"queued"})";
constexpr std::string_view refused_answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";

/** HMAC-SHA256 by one key, whose schedule is kept. */
class Mac {
public:
    explicit Mac(std::string_view key)
    {
        EVP_MAC* const mac = ::EVP_MAC_fetch(nullptr, "HMAC", nullptr);
        context_.reset(::EVP_MAC_CTX_new(mac));
        ::EVP_MAC_free(mac);
        std::string hash = "SHA256";
        const std::array<OSSL_PARAM, 2> parameters{
            ::OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, hash.data(), 0), ::OSSL_PARAM_construct_end()};
        if (::EVP_MAC_init(
                context_.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), parameters.data()) != 1)
            give_up("EVP_MAC_init");
    }

    [[nodiscard]] bool accepts(std::string_view body, std::string_view hex)
    {
        std::array<unsigned char, 32> digest{};
        std::size_t size = 0;
        ::EVP_MAC_init(context_.get(), nullptr, 0, nullptr);
        ::EVP_MAC_update(context_.get(), reinterpret_cast<const unsigned char*>(body.data()), body.size());
        ::EVP_MAC_final(context_.get(), digest.data(), &size, digest.size());
        std::array<char, 64> expected{};
        constexpr std::string_view digits = "0123456789abcdef";
        for (std::size_t i = 0; i < digest.size(); ++i) {
            expected[2 * i] = digits[digest[i] >> 4];
            expected[2 * i + 1] = digits[digest[i] & 15];
        }
        return hex.size() == expected.size() && ::CRYPTO_memcmp(hex.data(), expected.data(), hex.size()) == 0;
    }

private:
    struct Free {
        void operator()(EVP_MAC_CTX* context) const noexcept { ::EVP_MAC_CTX_free(context); }
    };
    std::unique_ptr<EVP_MAC_CTX, Free> context_;
};

struct Connection {
    UniqueFd fd;
    std::vector<char> input = std::vector<char>(32'768);
    std::size_t filled = 0;
    std::string_view body;             // of the request that is being stored; in `input`
    std::atomic<bool> waiting = false; // until the log has it: hands off
};

void answer(Connection& connection, std::string_view text)
{
    (void)::send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL); // who left is told by recv()
    connection.filled = 0;
    connection.waiting.store(false, std::memory_order_release); // last: from now on it may be gone
}

/** Writes and syncs what has come meanwhile as one batch, on a thread of its own, and answers it. */
class Log {
public:
    explicit Log(const char* path) : file_{checked(::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), path)}
    {
        const std::vector<char> zeros(std::size_t{1} << 20);
        for (std::size_t at = 0; at < log_bytes; at += zeros.size()) // written once: no extent is converted later
            if (::pwrite(file_.get(), zeros.data(), zeros.size(), static_cast<off_t>(at)) != ssize_t(zeros.size()))
                give_up(path);
        checked(::fsync(file_.get()), "fsync");
        std::thread{[this] { run(); }}.detach(); // as long as the process
    }

    void append(std::vector<Connection*>& batch)
    {
        const std::scoped_lock lock{mutex_};
        waiting_.insert(waiting_.end(), batch.begin(), batch.end());
        batch.clear();
        some_wait_.notify_one();
    }

private:
    [[noreturn]] void run()
    {
        std::vector<Connection*> batch;
        for (;;) {
            {
                std::unique_lock lock{mutex_};
                some_wait_.wait(lock, [this] { return !waiting_.empty(); });
                std::swap(batch, waiting_);
            }
            write(batch);
            checked(::fdatasync(file_.get()), "fdatasync");
            for (Connection* const connection : batch)
                answer(*connection, accepted_answer);
            batch.clear();
        }
    }

    void write(const std::vector<Connection*>& batch)
    {
        std::vector<std::uint64_t> sizes(batch.size());
        std::vector<iovec> parts;
        std::size_t bytes = 0;
        for (std::size_t i = 0; i < batch.size(); ++i) {
            sizes[i] = batch[i]->body.size();
            parts.push_back({&sizes[i], sizeof sizes[i]});
            parts.push_back({const_cast<char*>(batch[i]->body.data()), batch[i]->body.size()});
            bytes += sizeof sizes[i] + sizes[i];
        }
        if (end_ + bytes > log_bytes)
            end_ = 0;
        for (std::size_t first = 0; first < parts.size(); first += IOV_MAX) {
            const auto count = std::min<std::size_t>(IOV_MAX, parts.size() - first);
            const ssize_t n = ::pwritev(file_.get(), &parts[first], static_cast<int>(count), static_cast<off_t>(end_));
            if (n < 0)
                give_up("pwritev");
            end_ += static_cast<std::size_t>(n);
        }
    }

    UniqueFd file_;
    std::size_t end_ = 0;
    std::mutex mutex_; // guards waiting_
    std::condition_variable some_wait_;
    std::vector<Connection*> waiting_;
};

std::string_view field(std::string_view head, std::string_view name)
{
    const auto at = head.find(name);
    if (at == std::string_view::npos)
        return {};
    const auto begin = at + name.size();
    return head.substr(begin, head.find('\r', begin) - begin);
}

enum class Progress : std::uint8_t { gone, incomplete, refused, accepted };

/** Reads what there is; a whole request is judged. */
Progress receive(Connection& connection, Mac& mac)
{
    if (connection.filled == connection.input.size())
        connection.input.resize(2 * connection.input.size());
    const ssize_t n = ::recv(connection.fd.get(), connection.input.data() + connection.filled,
        connection.input.size() - connection.filled, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? Progress::incomplete : Progress::gone;
    connection.filled += static_cast<std::size_t>(n);
    const std::string_view input{connection.input.data(), connection.filled};
    const auto head_end = input.find("\r\n\r\n");
    if (head_end == std::string_view::npos)
        return Progress::incomplete;
    const std::string_view head = input.substr(0, head_end + 2);
    const std::string_view length = field(head, "Content-Length: ");
    const auto size = length.empty() ? 0 : std::strtoull(length.data(), nullptr, 10); // a '\r' follows
    if (input.size() < head_end + 4 + size)
        return Progress::incomplete;
    connection.body = input.substr(head_end + 4, size);
    return mac.accepts(connection.body, field(head, "X-Hub-Signature-256: sha256=")) ? Progress::accepted
                                                                                     : Progress::refused;
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

[[noreturn]] void run(std::uint16_t port, std::string_view secret, const char* path)
{
    Mac mac{secret};
    std::optional<Log> log;
    if (path != nullptr)
        log.emplace(path);
    const UniqueFd listener = listen_on(port);
    Poll poll;
    poll.add(listener.get(), nullptr);
    std::vector<Connection*> batch;
    for (;;) {
        for (const epoll_event& event : poll.wait()) {
            auto* const connection = static_cast<Connection*>(event.data.ptr);
            if (connection == nullptr) {
                accept_all(listener.get(), poll);
                continue;
            }
            if (connection->waiting.load(std::memory_order_acquire))
                continue;
            const Progress progress = receive(*connection, mac);
            if (progress == Progress::gone)
                std::default_delete<Connection>{}(connection);
            else if (progress == Progress::refused)
                answer(*connection, refused_answer);
            else if (progress == Progress::accepted && !log)
                answer(*connection, accepted_answer);
            else if (progress == Progress::accepted) {
                connection->waiting.store(true, std::memory_order_release);
                batch.push_back(connection);
            }
        }
        if (!batch.empty())
            log->append(batch);
    }
}

} // namespace
} // namespace belay::bench

int main(int argc, char** argv)
{
    if (argc != 3 && argc != 4) {
        std::fprintf(stderr, "usage: limit_post PORT SECRET [FILE]\n");
        return 64;
    }
    belay::bench::run(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2], argc == 4 ? argv[3] : nullptr);
}
