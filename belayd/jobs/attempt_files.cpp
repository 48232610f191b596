#include "belayd/jobs/attempt_files.hpp"

#include "daemon/heartbeat.hpp"
#include "daemon/log.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <vector>

namespace belay::jobs {
namespace {

constexpr mode_t directory_mode = 0700;
constexpr mode_t file_mode = 0600;

[[noreturn]] void fail(std::string_view what, const std::string& path)
{
    throw FilesNotWritten{fmt::format("cannot {} {}: {}", what, path, std::generic_category().message(errno))};
}

bool make_directory(const std::string& path)
{
    return ::mkdir(path.c_str(), directory_mode) == 0;
}

void remove_all(const std::string& path) noexcept
try {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error)
        log::warning("files of an attempt cannot be removed, ignoring", {{"path", path}, {"error", error.message()}});
} catch (const std::exception& e) {
    log::warning("files of an attempt cannot be removed, ignoring", {{"path", path}, {"error", e.what()}});
}

} // namespace

std::string files_directory(const std::string& root, const Uuid& job, unsigned attempt)
{
    return fmt::format("{}/{}-{}", root, to_string(job), attempt);
}

void AttemptFiles::remove() noexcept
{
    if (directory_.empty())
        return;
    const daemon::Heartbeat::DiskWait wait;
    remove_all(directory_);
    directory_.clear();
}

FileWriter::FileWriter(const std::string& directory, const JobFiles& files, std::string_view body, Bytes floor)
    : directory_(directory), body_(body), next_(files.begin()), end_(files.end())
{
    const daemon::Heartbeat::DiskWait wait;
    const auto root = std::filesystem::path{directory}.parent_path().string();
    if (!make_directory(root) && errno != EEXIST)
        fail("create", root);
    if (!make_directory(directory)) {
        if (errno != EEXIST)
            fail("create", directory);
        remove_all(directory); // a queue that was restored from a backup counts its attempts again
        if (!make_directory(directory))
            fail("create", directory);
    }
    check_space(floor);
}

std::string_view FileWriter::text_of(const JobFiles::value_type& file) const
{
    return file.second ? std::string_view{*file.second} : body_;
}

/** Before anything is written: what fills the disk to the brim would stop the store. */
void FileWriter::check_space(Bytes floor) const
{
    Bytes needed = 0;
    for (auto file = next_; file != end_; ++file)
        needed += text_of(*file).size();
    struct statvfs disk{};
    if (::statvfs(directory_.c_str(), &disk) != 0)
        fail("look at the disk of", directory_);
    const auto available = static_cast<Bytes>(disk.f_bavail) * disk.f_frsize;
    if (needed + floor > available)
        throw FilesNotWritten{fmt::format("cannot write {} bytes to {}: {} bytes of the disk are free, of which "
                                          "store.free_space_floor keeps {}",
            needed, directory_, available, floor)};
}

bool FileWriter::write_piece()
{
    const daemon::Heartbeat::DiskWait wait;
    for (Bytes left = piece; left > 0;) {
        if (!file_) {
            if (next_ == end_)
                return false;
            open_next();
        }
        const auto some = rest_.substr(0, std::min<Bytes>(rest_.size(), left));
        const auto written = some.empty() ? 0 : ::write(file_.get(), some.data(), some.size());
        if (written < 0) {
            if (errno == EINTR)
                continue;
            fail("write", path_);
        }
        rest_.remove_prefix(static_cast<std::size_t>(written));
        left -= static_cast<Bytes>(written);
        if (rest_.empty())
            file_.reset();
    }
    return file_ || next_ != end_;
}

void FileWriter::open_next()
{
    path_ = directory_ + "/" + next_->first;
    const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file_mode);
    if (fd < 0)
        fail("create", path_);
    file_ = UniqueFd{fd};
    rest_ = text_of(*next_);
    ++next_;
}

void remove_left_files(const std::string& root, const std::set<std::pair<Uuid, unsigned>>& keep)
{
    std::set<std::string> kept;
    for (const auto& [job, attempt] : keep)
        kept.insert(files_directory(root, job, attempt));
    std::vector<std::string> left;
    std::error_code none; // there is no such directory before the first file
    for (std::filesystem::directory_iterator entry{root, none}, end; !none && entry != end; entry.increment(none))
        if (std::string path = entry->path().string(); !kept.contains(path))
            left.push_back(std::move(path));
    for (const auto& path : left)
        remove_all(path);
}

} // namespace belay::jobs
