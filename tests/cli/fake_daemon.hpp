#pragma once
#include "cli/program.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include <grp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <deque>
#include <filesystem>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace belay::cli {

/** A directory of the test's own. */
class TemporaryDirectory {
public:
    TemporaryDirectory()
    {
        if (::mkdtemp(path_.data()) == nullptr)
            throw std::runtime_error{"mkdtemp " + path_};
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    TemporaryDirectory(TemporaryDirectory&&) = delete;
    TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;

    [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_ = (std::filesystem::temp_directory_path() / "belay-cli-XXXXXX").string();
};

/** Answers "METHOD target" with what the test says, in that order, the last one for ever; else with 404. */
class FakeDaemon {
public:
    FakeDaemon() : thread_([this] { serve(); }) {}
    ~FakeDaemon() { stop(); }
    FakeDaemon(const FakeDaemon&) = delete;
    FakeDaemon& operator=(const FakeDaemon&) = delete;
    FakeDaemon(FakeDaemon&&) = delete;
    FakeDaemon& operator=(FakeDaemon&&) = delete;

    void answer(const std::string& request, int status, std::string body)
    {
        const std::lock_guard lock{mutex_};
        answers_[request].push_back("HTTP/1.1 " + std::to_string(status) +
                                    " X\r\nConnection: close\r\nContent-Length: " + std::to_string(body.size()) +
                                    "\r\n\r\n" + body);
    }

    [[nodiscard]] std::string socket() const { return directory_.path("s"); }

    /** Ends it; the requests it got, head and body. */
    const std::vector<std::string>& stop()
    {
        if (thread_.joinable()) {
            ::shutdown(acceptor_.native_handle(), SHUT_RDWR); // wakes accept()
            thread_.join();
        }
        return requests_;
    }

private:
    void serve()
    {
        boost::system::error_code ec;
        for (;;) {
            boost::asio::local::stream_protocol::socket peer{io_};
            acceptor_.accept(peer, ec);
            if (ec)
                return;
            std::string request;
            const auto head = boost::asio::read_until(peer, boost::asio::dynamic_buffer(request), "\r\n\r\n", ec);
            if (const auto at = request.find("Content-Length: "); at != std::string::npos) {
                const std::size_t size = head + std::stoul(request.substr(at + 16));
                if (size > request.size())
                    boost::asio::read(peer, boost::asio::dynamic_buffer(request),
                        boost::asio::transfer_exactly(size - request.size()), ec);
            }
            const std::lock_guard lock{mutex_};
            auto& answers = answers_[request.substr(0, request.find(" HTTP/"))];
            std::string answer = "HTTP/1.1 404 X\r\nContent-Length: 28\r\n\r\n{\"detail\":\"not in this test\"}";
            if (!answers.empty())
                answer = answers.front();
            if (answers.size() > 1)
                answers.pop_front();
            boost::asio::write(peer, boost::asio::buffer(answer), ec);
            requests_.push_back(std::move(request));
        }
    }

    TemporaryDirectory directory_;
    boost::asio::io_context io_;
    boost::asio::local::stream_protocol::acceptor acceptor_{io_, socket()};
    std::mutex mutex_; // guards answers_ and requests_
    std::map<std::string, std::deque<std::string>> answers_;
    std::vector<std::string> requests_;
    std::thread thread_; // last: uses the others
};

/** For a child of a test: what root may do, nobody may not. */
inline void drop_privileges()
{
    constexpr uid_t nobody = 65534;
    if (::geteuid() == 0 && (::setgroups(0, nullptr) != 0 || ::setresgid(nobody, nobody, nobody) != 0 ||
                                ::setresuid(nobody, nobody, nobody) != 0))
        std::_Exit(EXIT_FAILURE);
}

/** What a run of `belay` came to. */
struct Result {
    int exit_status;
    std::string out;
    std::string err;
};

enum class Reader : std::uint8_t { program, person };

inline Result run_belay(
    std::vector<std::string> arguments, Reader reader = Reader::program, const std::string& input = "")
{
    std::istringstream in{input};
    std::ostringstream out;
    std::ostringstream err;
    Context context{.in = in,
        .out = out,
        .err = err,
        .out_terminal = reader == Reader::person,
        .err_terminal = reader == Reader::person,
        .poll_interval = Milliseconds{1}};
    const int exit_status = run(std::move(arguments), context);
    return {.exit_status = exit_status, .out = out.str(), .err = err.str()};
}

/** The same, asking `daemon`. */
inline Result ask(const FakeDaemon& daemon, std::vector<std::string> arguments, Reader reader = Reader::program)
{
    arguments.insert(arguments.end(), {"--socket", daemon.socket()});
    return run_belay(std::move(arguments), reader);
}

inline const std::string job_id = "0193a1b2-0000-7000-8000-00000000002a";

} // namespace belay::cli
