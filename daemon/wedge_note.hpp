#pragma once
#include <string>
#include <vector>

namespace belay::daemon {

/** A loop that made no progress. */
struct Wedge {
    std::string loop;
    std::string since;        ///< its last turn, RFC 3339
    std::string wait_channel; ///< the kernel function it slept in; "" if it ran
    std::string stack;        ///< innermost frame first; "" where it could not be had
};

/**
 * What a run leaves to the next one while loops of it are wedged: a file, since whoever ends a process that hangs gives
 * it no last words.
 *
 * Threads: write() and remove() on one; take() before that one starts to write, or after.
 */
class WedgeNote {
public:
    /** @param path of the file; "" for none */
    explicit WedgeNote(std::string path) : path_(std::move(path)) {}

    /** Replaces it; a failure is logged. */
    void write(const std::vector<Wedge>& wedges) const noexcept;
    void remove() const noexcept;

    /** What it says, empty where there is none; removes it. */
    [[nodiscard]] std::vector<Wedge> take() const;

private:
    std::string path_;
};

} // namespace belay::daemon
