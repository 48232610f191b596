#pragma once
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

namespace belay::daemon {

/**
 * The executable of this process as the operator knows it: a path, not a file.  An upgrade puts another file there, or
 * switches a symbolic link on the way to it.
 *
 * Threads: immutable.
 */
class Executable {
public:
    /** @param running build-id of this process */
    Executable(std::string path, std::optional<std::string> running) noexcept;

    /** What this process was started from; to be asked for before anything changes the working directory.
     *  @throws std::system_error without /proc */
    [[nodiscard]] static Executable of_this_process();

    /** Absolute; symbolic links are as they were written. */
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

    /**
     * Whether what lies at path() now is another build than what runs.
     * @throws std::runtime_error where that cannot be said: nothing is there, or no ELF file, or one without build-id
     */
    [[nodiscard]] bool changed() const;

    /** A file as it was at some time: what replaces or rewrites it makes another of it. */
    struct File {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        std::chrono::nanoseconds modified{0};
        bool operator==(const File&) const = default;
    };

    /** What lies at path() now. @throws std::system_error with the path */
    [[nodiscard]] File file() const;

private:
    std::string path_;
    std::optional<std::string> running_;
};

} // namespace belay::daemon
