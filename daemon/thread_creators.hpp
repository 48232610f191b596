#pragma once
#include <sys/types.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

namespace belay::daemon {

/** Where a thread was created: what backtrace(3) wrote, innermost first. */
struct CreatorStack {
    std::array<void*, 16> frames;
    std::size_t size = 0;
};

/**
 * As long as it lives, the calling thread's creator is known; thread_interposer.cpp makes one in every thread that
 * anybody starts, libraries too, where it is linked.
 */
class CreatorRecord {
public:
    explicit CreatorRecord(const CreatorStack& stack);
    ~CreatorRecord();
    CreatorRecord(const CreatorRecord&) = delete;
    CreatorRecord& operator=(const CreatorRecord&) = delete;
    CreatorRecord(CreatorRecord&&) = delete;
    CreatorRecord& operator=(CreatorRecord&&) = delete;
};

/** The stack of the creator at that time, innermost first; empty if nobody recorded it.  Thread-safe. */
[[nodiscard]] std::vector<std::string> creator_of(pid_t tid);

} // namespace belay::daemon
