// Asks a server on loopback for the same thing again and again, and prints as JSON how fast that was.  Of its CPU nine
// tenths are the kernel's for one send() and one recv(), so that the server is what is measured.
//
//     bench_client --port N [--target /x] [--method GET] [--header 'Name: value']… [--body FILE]
//                  [--connections 64] [--pipeline 1] [--seconds 1 | --requests N] [--rate PER_SECOND] [--unique NAME]
//
// --pipeline  so many requests are sent at once, and the next when all are answered
// --requests  stops after so many instead of after a time
// --rate      so many begin in a second, whenever answers come; else each connection asks again once it is answered
// --unique    a field whose value is another one in each request: a delivery id
// --idle      asks once on each connection, prints, and keeps them open until stdin ends
#include "answers.hpp"
#include "latency.hpp"
#include "loopback.hpp"

#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace belay::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
    std::uint16_t port = 0;
    std::string target = "/";
    std::string method = "GET";
    std::string fields;
    std::string body;
    std::size_t connections = 64;
    std::size_t pipeline = 1;
    double seconds = 1;
    std::size_t requests = 0; ///< 0: seconds count
    double rate = 0;          ///< 0: closed loop
    std::string unique;
    bool idle = false;
};

constexpr std::size_t unique_digits = 32;

/** What is sent, `pipeline` requests at once, and where in it the digits of unique values are. */
class Message {
public:
    explicit Message(const Options& options)
    {
        std::string request =
            options.method + ' ' + options.target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + options.fields;
        if (!options.body.empty())
            request += "Content-Length: " + std::to_string(options.body.size()) + "\r\n";
        std::size_t digits = 0;
        if (!options.unique.empty()) {
            request += options.unique + ": ";
            digits = request.size();
            request += std::string(unique_digits, '0') + "\r\n";
        }
        request += "\r\n" + options.body;
        for (std::size_t i = 0; i < options.pipeline; ++i) {
            if (digits > 0)
                digits_.push_back(text_.size() + digits);
            text_ += request;
        }
    }

    /** For one connection after the other: what is sent is copied by the kernel at once, or is left to its Sender. */
    [[nodiscard]] std::string_view next()
    {
        for (const std::size_t at : digits_) {
            // A Weyl sequence, mixed: as random as a sender's ids, so that an index sees no order.
            std::uint64_t value = (count_ += 0x9e3779b97f4a7c15);
            value = (value ^ (value >> 31)) * 0xbf58476d1ce4e5b9;
            for (std::size_t i = 0; i < 16; ++i)
                text_[at + 16 + i] = "0123456789abcdef"[(value >> (4 * i)) & 15];
        }
        return text_;
    }

    /** Values differ from those of other runs. */
    void set_run(std::uint64_t run)
    {
        for (const std::size_t at : digits_)
            for (std::size_t i = 0; i < 16; ++i)
                text_[at + i] = "0123456789abcdef"[(run >> (4 * i)) & 15];
        count_ = run;
    }

private:
    std::string text_;
    std::vector<std::size_t> digits_;
    std::uint64_t count_ = 0;
};

struct Connection {
    UniqueFd fd;
    Answers answers;
    std::string unsent; ///< what the socket did not take yet
    std::size_t awaited = 0;
    Clock::time_point sent{};
};

class Load {
public:
    Load(const Options& options, Message message) : options_(options), message_(std::move(message)) {}

    void connect()
    {
        for (std::size_t i = 0; i < options_.connections; ++i) {
            auto connection = std::make_unique<Connection>();
            connection->fd = UniqueFd{checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")};
            const int fd = connection->fd.get();
            const sockaddr_in address = loopback(options_.port);
            checked(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), "connect");
            set_option(fd, IPPROTO_TCP, TCP_NODELAY);
            // Reset at the end: thousands in TIME_WAIT would use up the ports of loopback.
            const linger reset{1, 0};
            checked(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), "setsockopt");
            checked(::fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
            poll_.add(fd, connection.get());
            connections_.push_back(std::move(connection));
        }
    }

    /** Asks until time or requests are used up. */
    void run()
    {
        const auto begin = Clock::now();
        end_ = options_.requests > 0 ? Clock::time_point::max()
                                     : begin + std::chrono::duration_cast<Clock::duration>(
                                                   std::chrono::duration<double>(options_.seconds));
        if (options_.rate > 0)
            start_timer();
        else
            for (const auto& connection : connections_)
                ask(*connection);
        now_ = begin;
        while (now_ < end_ && !(awaited_ == 0 && is_used_up()) && gone_ < connections_.size()) {
            const auto events = poll_.wait(options_.requests > 0 ? -1 : milliseconds_left());
            now_ = Clock::now();
            for (const epoll_event& event : events)
                handle(event);
        }
        seconds_ = std::chrono::duration<double>(now_ - begin).count();
    }

    /** One request on each, one after the other. */
    void ask_each_once()
    {
        const auto begin = now_ = Clock::now();
        end_ = Clock::time_point::max();
        for (const auto& connection : connections_) {
            ask(*connection);
            while (connection->awaited > 0 && gone_ == 0)
                for (const epoll_event& event : poll_.wait(-1))
                    handle(event);
        }
        seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
    }

    void print() const
    {
        const auto total = latencies_.total();
        std::printf("{\"requests\":%zu,\"seconds\":%.6f,\"rate\":%.3f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"max_ms\":%.4f,"
                    "\"late\":%zu,\"closed\":%zu,\"statuses\":{",
            total, seconds_, static_cast<double>(total) / seconds_, latencies_.quantile_ms(0.5),
            latencies_.quantile_ms(0.99), latencies_.max_ms(), late_, gone_);
        const char* separator = "";
        for (const auto& [status, count] : statuses_) {
            std::printf("%s\"%d\":%zu", separator, status, count);
            separator = ",";
        }
        std::printf("}}\n");
        std::fflush(stdout);
    }

private:
    [[nodiscard]] bool is_used_up() const { return options_.requests > 0 && asked_ >= options_.requests; }

    [[nodiscard]] int milliseconds_left() const
    {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - now_).count();
        return static_cast<int>(std::max<std::int64_t>(0, left));
    }

    void start_timer()
    {
        timer_ = UniqueFd{checked(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), "timerfd_create")};
        const auto nanoseconds = static_cast<long>(1e9 / options_.rate);
        const timespec interval{nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000};
        const itimerspec times{interval, interval};
        checked(::timerfd_settime(timer_.get(), 0, &times, nullptr), "timerfd_settime");
        poll_.add(timer_.get(), nullptr);
    }

    void tick()
    {
        std::uint64_t times = 0;
        if (::read(timer_.get(), &times, sizeof times) != sizeof times)
            return;
        for (; times > 0; --times) {
            std::size_t looked_at = 0;
            while (looked_at < connections_.size() && connections_[turn_]->awaited > 0) {
                turn_ = (turn_ + 1) % connections_.size();
                ++looked_at;
            }
            if (looked_at == connections_.size())
                ++late_; // all of them wait: this one is not asked at all
            else
                ask(*connections_[turn_]);
            turn_ = (turn_ + 1) % connections_.size();
        }
    }

    void ask(Connection& connection)
    {
        if (is_used_up())
            return;
        connection.awaited = options_.pipeline;
        awaited_ += options_.pipeline;
        asked_ += options_.pipeline;
        connection.sent = Clock::now();
        const std::string_view text = message_.next();
        const ssize_t n = ::send(connection.fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
        const auto sent = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
        if (sent < text.size()) {
            connection.unsent = text.substr(sent);
            poll_.change(connection.fd.get(), &connection, EPOLLIN | EPOLLOUT);
        }
    }

    void handle(const epoll_event& event)
    {
        if (event.data.ptr == nullptr)
            return tick();
        auto& connection = *static_cast<Connection*>(event.data.ptr);
        if ((event.events & EPOLLOUT) != 0)
            send_rest(connection);
        if ((event.events & ~EPOLLOUT) != 0)
            receive(connection);
    }

    void send_rest(Connection& connection)
    {
        const ssize_t n = ::send(connection.fd.get(), connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
        connection.unsent.erase(0, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
        if (connection.unsent.empty())
            poll_.change(connection.fd.get(), &connection, EPOLLIN);
    }

    void receive(Connection& connection)
    {
        const ssize_t n = ::recv(connection.fd.get(), input_.data(), input_.size(), 0);
        if (n < 0 && errno == EAGAIN)
            return;
        const auto count = [this, &connection](int status) {
            if (connection.awaited == 0)
                return;
            --connection.awaited;
            --awaited_;
            latencies_.add(Clock::now() - connection.sent);
            ++statuses_[status];
        };
        if (n <= 0 || !connection.answers.receive({input_.data(), static_cast<std::size_t>(n)}, count))
            return lose(connection);
        if (connection.awaited == 0 && options_.rate == 0 && !options_.idle)
            ask(connection);
    }

    void lose(Connection& connection)
    {
        awaited_ -= connection.awaited;
        connection.awaited = 1; // never asked again
        ++gone_;
        connection.fd.reset();
    }

    const Options& options_;
    Message message_;
    Poll poll_;
    UniqueFd timer_;
    std::vector<std::unique_ptr<Connection>> connections_;
    std::array<char, 262'144> input_{};
    std::size_t turn_ = 0;
    std::size_t awaited_ = 0;
    std::size_t asked_ = 0;
    std::size_t late_ = 0;
    std::size_t gone_ = 0;
    Clock::time_point now_{};
    Clock::time_point end_{};
    double seconds_ = 0;
    Latencies latencies_;
    std::map<int, std::size_t> statuses_;
};

std::string read_file(const std::string& path)
{
    std::ifstream file{path, std::ios::binary};
    if (!file)
        give_up(path.c_str());
    return {std::istreambuf_iterator<char>{file}, {}};
}

/** @return whether the option is known */
bool set(Options& options, std::string_view name, const std::string& value)
{
    const auto number = [&value] { return static_cast<std::size_t>(std::strtoull(value.c_str(), nullptr, 10)); };
    if (name == "--port")
        options.port = static_cast<std::uint16_t>(number());
    else if (name == "--target")
        options.target = value;
    else if (name == "--method")
        options.method = value;
    else if (name == "--header")
        options.fields += value + "\r\n";
    else if (name == "--body")
        options.body = read_file(value);
    else if (name == "--connections")
        options.connections = number();
    else if (name == "--pipeline")
        options.pipeline = number();
    else if (name == "--seconds")
        options.seconds = std::atof(value.c_str());
    else if (name == "--requests")
        options.requests = number();
    else if (name == "--rate")
        options.rate = std::atof(value.c_str());
    else if (name == "--unique")
        options.unique = value;
    else
        return false;
    return true;
}

int run(std::span<char*> arguments)
{
    Options options;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string_view name = arguments[i];
        if (name == "--idle") {
            options.idle = true;
        } else if (i + 1 == arguments.size() || !set(options, name, arguments[++i])) {
            std::fprintf(stderr, "bench_client: no such option, or no value: %s\n", arguments[i]);
            return 64;
        }
    }
    Message message{options};
    message.set_run(static_cast<std::uint64_t>(std::chrono::system_clock::now().time_since_epoch().count()));
    const auto load = std::make_unique<Load>(options, std::move(message));
    load->connect();
    options.idle ? load->ask_each_once() : load->run();
    load->print();
    if (options.idle)
        while (std::getchar() != EOF) {
        }
    return 0;
}

} // namespace
} // namespace belay::bench

int main(int argc, char** argv)
{
    return belay::bench::run({argv, static_cast<std::size_t>(argc)});
}
