#pragma once
#include "daemon/log_record.hpp"
#include "daemon/log_thread.hpp"

#include <functional>
#include <memory>

namespace belay::daemon {

/** Where records are written.  Threads: one at a time. */
class LogOutput {
public:
    /** Asked about every 100 ms while the other end does not take more: whether to go on waiting. */
    using KeepWaiting = std::function<bool()>;

    LogOutput() = default;
    virtual ~LogOutput() = default;
    LogOutput(const LogOutput&) = delete;
    LogOutput& operator=(const LogOutput&) = delete;
    LogOutput(LogOutput&&) = delete;
    LogOutput& operator=(LogOutput&&) = delete;

    /** @return whether the record was written, whole */
    [[nodiscard]] virtual bool write(const log::Record& record, const KeepWaiting& keep_waiting) = 0;
};

/**
 * What `automatic` means for that descriptor: the journal if it is its stream ($JOURNAL_STREAM, systemd.exec(5)), the
 * console if it is a terminal, JSON lines otherwise.
 * @param journal_stream value of $JOURNAL_STREAM, null if it is not set
 */
[[nodiscard]] LogFormat choose_format(const char* journal_stream, int descriptor) noexcept;

[[nodiscard]] std::unique_ptr<LogOutput> open_log_output(const LogOptions& options);

} // namespace belay::daemon
