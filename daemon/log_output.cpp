#include "daemon/log_output.hpp"

#include "daemon/log_format.hpp"

#include <fmt/format.h>

#include <poll.h>
#include <sys/stat.h>
#define SD_JOURNAL_SUPPRESS_LOCATION // CODE_FILE and CODE_LINE would name this file
#include <climits>
#include <systemd/sd-journal.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
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

/** libsystemd opens its socket with the first record and keeps it: so that record is sent at once. */
class JournalOutput final : public LogOutput {
public:
    explicit JournalOutput(std::string identifier) : identifier_(std::move(identifier))
    {
        log::Record first{.level = log::Level::debug, .time = {}, .message = "logging to the journal", .fields = {}};
        (void)send(first);
    }

    bool write(const log::Record& record, const KeepWaiting& /*keep_waiting*/) override { return send(record); }

private:
    [[nodiscard]] bool send(const log::Record& record) const
    {
        const auto entry = log::to_journal(record, identifier_);
        const auto pieces = log::to_iovec(entry);
        return ::sd_journal_sendv(pieces.data(), static_cast<int>(pieces.size())) >= 0;
    }

    const std::string identifier_;
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
        return std::make_unique<JournalOutput>(options.identifier);
    if (format == LogFormat::json)
        return std::make_unique<StreamOutput>(options.descriptor,
            [logger = options.identifier](const log::Record& record) { return log::to_json(record, logger); });
    const bool colour = ::isatty(options.descriptor) != 0;
    return std::make_unique<StreamOutput>(
        options.descriptor, [colour](const log::Record& record) { return log::to_console(record, colour); });
}

} // namespace belay::daemon
