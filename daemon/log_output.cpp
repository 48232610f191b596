#include "daemon/log_output.hpp"

#include "base/unique_fd.hpp"
#include "daemon/log_format.hpp"

#include <climits>
#include <fmt/format.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

constexpr int poll_milliseconds = 100;

/** Lines of text on a descriptor, blocking or not. */
class StreamOutput final : public LogOutput {
public:
    using Format = std::function<std::string(const log::Record&)>;

    StreamOutput(int descriptor, Format format) : descriptor_(descriptor), format_(std::move(format)) {}

    bool write(const log::Record& record, const KeepWaiting& keep_waiting) override
    {
        const std::string line = (torn_ ? "\n" : "") + format_(record);
        std::string_view rest = line;
        while (!rest.empty()) {
            const auto written = write_some(rest, keep_waiting);
            if (written == 0)
                break;
            rest.remove_prefix(written);
        }
        if (rest.size() < line.size()) // else nothing of it is out
            torn_ = !rest.empty();
        return rest.empty();
    }

private:
    /** @return 0 if the descriptor failed or nobody keeps waiting */
    std::size_t write_some(std::string_view text, const KeepWaiting& keep_waiting) const
    {
        for (;;) {
            const int patience = keep_waiting() ? poll_milliseconds : 0;
            pollfd ready{descriptor_, POLLOUT, 0};
            const int count = ::poll(&ready, 1, patience);
            if (count == 0 && patience == 0)
                return 0;
            if (count <= 0) // EINTR, or not yet
                continue;
            // A pipe that is ready takes PIPE_BUF bytes without blocking (pipe(7)), more might block for ever.
            const auto written = ::write(descriptor_, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
            if (written > 0)
                return static_cast<std::size_t>(written);
            if (errno != EINTR && errno != EAGAIN)
                return 0;
        }
    }

    const int descriptor_;
    const Format format_;
    bool torn_ = false; // the last line was cut: end it before the next
};

/** Datagrams to journald.  sd_journal_sendv(3) would wait for a journald that hangs without limit. */
class JournalOutput final : public LogOutput {
public:
    JournalOutput(const std::string& path, std::string identifier)
        : identifier_(std::move(identifier)), socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
    {
        if (!socket_)
            throw std::system_error{errno, std::system_category(), "cannot open a socket for the journal"};
        path.copy(address_.sun_path, sizeof address_.sun_path - 1);
        const timeval patience{.tv_sec = 0, .tv_usec = poll_milliseconds * 1000};
        (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        constexpr int longest_record = 8 << 20; // as libsystemd does; the kernel gives what it may
        (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &longest_record, sizeof longest_record);
    }

    bool write(const log::Record& record, const KeepWaiting& keep_waiting) override
    {
        const auto datagram = log::to_datagram(log::to_journal(record, identifier_));
        for (;;) {
            const int flags = MSG_NOSIGNAL | (keep_waiting() ? 0 : MSG_DONTWAIT);
            if (::sendto(socket_.get(), datagram.data(), datagram.size(), flags,
                    reinterpret_cast<const sockaddr*>(&address_), sizeof address_) >= 0)
                return true;
            if ((errno != EAGAIN && errno != EINTR) || (flags & MSG_DONTWAIT) != 0)
                return false;
        }
    }

private:
    const std::string identifier_;
    const UniqueFd socket_;
    sockaddr_un address_{.sun_family = AF_UNIX, .sun_path = {}};
};

bool is_stream(std::string_view journal_stream, int descriptor) noexcept
{
    struct stat status{};
    if (::fstat(descriptor, &status) != 0)
        return false;
    char text[64];
    const auto end = fmt::format_to_n(text, sizeof text, "{}:{}", status.st_dev, status.st_ino);
    return journal_stream == std::string_view{text, end.size};
}

} // namespace

LogFormat choose_format(const char* journal_stream, int descriptor) noexcept
{
    if (journal_stream != nullptr && is_stream(journal_stream, descriptor))
        return LogFormat::journal;
    return ::isatty(descriptor) != 0 ? LogFormat::console : LogFormat::json;
}

std::unique_ptr<LogOutput> open_log_output(const LogOptions& options)
{
    const auto format = options.format != LogFormat::automatic
                            ? options.format
                            : choose_format(std::getenv("JOURNAL_STREAM"), options.descriptor);
    if (format == LogFormat::journal)
        return std::make_unique<JournalOutput>(options.journal_socket, options.identifier);
    if (format == LogFormat::json)
        return std::make_unique<StreamOutput>(options.descriptor,
            [logger = options.identifier](const log::Record& record) { return log::to_json(record, logger); });
    const bool colour = ::isatty(options.descriptor) != 0;
    return std::make_unique<StreamOutput>(
        options.descriptor, [colour](const log::Record& record) { return log::to_console(record, colour); });
}

} // namespace belay::daemon
