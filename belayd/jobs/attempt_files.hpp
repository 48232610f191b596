#pragma once
#include "base/byte_size.hpp"
#include "base/unique_fd.hpp"
#include "belayd/jobs/job.hpp"

#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace belay::jobs {

/** Files of an attempt cannot be written: try again later.  The text names the file and the reason. */
class FilesNotWritten : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/** Of one attempt: ROOT/JOB-ATTEMPT. */
[[nodiscard]] std::string files_directory(const std::string& root, const Uuid& job, unsigned attempt);

/**
 * Sole owner of the directory in which an attempt finds its files: what it holds goes with the owner.
 *
 * Threads: as a value; destruction may wait for the disk.
 */
class AttemptFiles {
public:
    AttemptFiles() noexcept = default; // none

    /** Takes over a directory, also one that is yet to be made. */
    explicit AttemptFiles(std::string directory) noexcept : directory_(std::move(directory)) {}
    AttemptFiles(AttemptFiles&& other) noexcept : directory_(std::exchange(other.directory_, {})) {}
    AttemptFiles& operator=(AttemptFiles&& other) noexcept
    {
        if (this != &other) {
            remove();
            directory_ = std::exchange(other.directory_, {});
        }
        return *this;
    }
    AttemptFiles(const AttemptFiles&) = delete;
    AttemptFiles& operator=(const AttemptFiles&) = delete;
    ~AttemptFiles() { remove(); }

    [[nodiscard]] const std::string& directory() const noexcept { return directory_; } ///< "": none

    /** Gives up ownership. */
    [[nodiscard]] std::string release() noexcept { return std::exchange(directory_, {}); }

    void remove() noexcept;

private:
    std::string directory_;
};

/**
 * Writes the files of an attempt, some at a time: a directory of mode 0700, and in it, by the variables' names, files
 * of mode 0600.  They need not survive a crash, so nothing is synced.
 *
 * Lifetime: borrows what it is given.  Threads: confined to one.
 */
class FileWriter {
public:
    /** So much at once: a millisecond or so, in which a loop does nothing else. */
    static constexpr Bytes piece = 1_MiB;

    /**
     * Makes the directory.
     * @param directory to be removed by somebody else, whatever comes of it
     * @param body what files without a text of their own hold
     * @param floor bytes that have to stay free on that disk
     * @throws FilesNotWritten
     */
    FileWriter(const std::string& directory, const JobFiles& files, std::string_view body, Bytes floor);

    /** Writes a piece.  @return whether something is left  @throws FilesNotWritten */
    [[nodiscard]] bool write_piece();

private:
    [[nodiscard]] std::string_view text_of(const JobFiles::value_type& file) const;
    void check_space(Bytes floor) const;
    void open_next();

    const std::string& directory_;
    std::string_view body_;
    JobFiles::const_iterator next_;
    JobFiles::const_iterator end_;
    std::string path_; // of the file that is open
    UniqueFd file_;
    std::string_view rest_; // of it
};

/** Removes what attempts of a dead predecessor have left in `root`, save of those that are kept, by job and number. */
void remove_left_files(const std::string& root, const std::set<std::pair<Uuid, unsigned>>& keep);

} // namespace belay::jobs
