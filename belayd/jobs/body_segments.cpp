#include "belayd/jobs/body_segments.hpp"

#include "base/failpoint.hpp"
#include "belayd/jobs/schema.hpp"
#include "daemon/log.hpp"
#include "daemon/service.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#define XXH_INLINE_ALL
#include <climits>

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

namespace belay::jobs {
namespace {

constexpr std::int64_t segment_bytes = 16 << 20; // then the next begins; a commit's bodies are never torn apart
constexpr std::int64_t block = 4096;             // what file systems give back

std::int64_t checksum_of(std::string_view body)
{
    return std::bit_cast<std::int64_t>(XXH3_64bits(body.data(), body.size()));
}

std::string file_of(const std::string& directory, std::int64_t segment)
{
    return fmt::format("{}/{:010}", directory, segment);
}

/** As SQLite says it, for who handles errors does not care whose file it was. */
[[noreturn]] void refuse(int code, const std::string& what, const std::string& file)
{
    const int error = errno;
    throw sqlite::Error{
        code, error, fmt::format("cannot {} {}: {}", what, file, std::generic_category().message(error))};
}

/** A want of descriptors or memory is the failure of one operation, not of the store. */
[[noreturn]] void fail_to_begin(const std::string& file)
{
    if (is_shortage(errno))
        throw std::system_error{errno, std::generic_category(), file};
    refuse(SQLITE_IOERR_WRITE, "create", file);
}

[[noreturn]] void refuse_body(const std::string& file, const BodyPlace& place, const std::string& why)
{
    throw BodyDamaged{
        fmt::format("the body of {} bytes at {} in {} is damaged: {}", place.size, place.offset, file, why)};
}

/** A body is given up for what no other try will mend; a permission, say, can be given. */
[[noreturn]] void fail_to_read(const std::string& file, const BodyPlace& place, int error)
{
    if (error == ENOENT || error == EIO || error == EBADMSG || error == EUCLEAN)
        refuse_body(file, place, std::generic_category().message(error));
    throw std::system_error{error, std::generic_category(), file};
}

/** The numbers of the files in `directory`, which need not be there. */
std::set<std::int64_t> files_in(const std::string& directory)
{
    std::set<std::int64_t> numbers;
    std::error_code ec;
    for (std::filesystem::directory_iterator entry{directory, ec}, end; !ec && entry != end; entry.increment(ec)) {
        const std::string name = entry->path().filename().string();
        std::int64_t number = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), number);
        if (parsed.ec == std::errc{} && file_of(directory, number) == entry->path().string())
            numbers.insert(number);
    }
    return numbers;
}

} // namespace

std::string segments_directory(const std::string& path)
{
    return path + "-bodies";
}

bool has_segments(const std::string& path)
{
    return !files_in(segments_directory(path)).empty();
}

std::string read_body(const std::string& directory, const BodyPlace& place)
{
    const std::string file = file_of(directory, place.segment);
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail_to_read(file, place, errno);
    const UniqueFd opened{fd};
    std::string body(static_cast<std::size_t>(place.size), '\0');
    for (std::size_t done = 0; done < body.size();) {
        const auto count = ::pread(
            opened.get(), body.data() + done, body.size() - done, place.offset + static_cast<std::int64_t>(done));
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            fail_to_read(file, place, errno);
        if (count == 0)
            refuse_body(file, place, "the file ends before it does");
        done += static_cast<std::size_t>(count);
    }
    if (checksum_of(body) != place.checksum)
        refuse_body(file, place, "its checksum differs");
    return body;
}

std::optional<BodyPlace> place_of(sqlite::Execution& row, int first)
{
    if (row.is_null(first))
        return std::nullopt;
    return BodyPlace{row.integer(first), row.integer(first + 1), row.integer(first + 2), row.integer(first + 3)};
}

BodySegments::BodySegments(sqlite::Database& database)
    : directory_(segments_directory(::sqlite3_db_filename(database.handle(), "main"))),
      insert_(database.prepare("INSERT INTO segments (number, bodies) VALUES (?1, ?2)")),
      change_(database.prepare("UPDATE segments SET bodies = bodies + ?2 WHERE number = ?1")),
      forget_(database.prepare("DELETE FROM segments WHERE number = ?1"))
{
    auto stored = database.prepare("SELECT number, bodies FROM segments");
    for (auto row = stored(); row.step();)
        bodies_.emplace(row.integer(0), row.integer(1));
    if (!bodies_.empty())
        last_ = bodies_.rbegin()->first;
    check_files(files_in(directory_));
    for (const auto& [number, bodies] : bodies_)
        if (bodies == 0)
            changes_[number] = 0; // the first commit forgets it
}

/** Deletes what a crash left behind.  A file of a database that is not this one is not ours to delete. */
void BodySegments::check_files(const std::set<std::int64_t>& files)
{
    for (const auto& [number, bodies] : bodies_) {
        if (bodies == 0)
            continue;
        if (!files.contains(number))
            throw daemon::StartError{daemon::ExitCode::unavailable,
                fmt::format("{} is missing, and with it the bodies of {} events; restore it from the backup that the "
                            "database is of, or create it empty: the jobs of those events fail then",
                    file(number), bodies)};
        if (::access(file(number).c_str(), R_OK) != 0)
            throw daemon::StartError{
                daemon::ExitCode::unavailable, fmt::format("cannot read {}, which has the bodies of {} events: {}",
                                                   file(number), bodies, std::generic_category().message(errno))};
    }
    if (!files.empty() && *files.rbegin() > last_ + 1)
        throw daemon::StartError{daemon::ExitCode::unavailable,
            fmt::format("{} is of a newer database than the one beside it; restore both from one backup, or move away "
                        "the files that are numbered above {}",
                file(*files.rbegin()), last_)};
    for (const auto number : files)
        if (const auto known = bodies_.find(number); known == bodies_.end() || known->second == 0)
            (void)::unlink(file(number).c_str());
}

BodyPlace BodySegments::append(std::string_view body)
{
    if (pending_.empty() && (!current_ || end_ >= segment_bytes))
        begin_segment();
    const auto size = static_cast<std::int64_t>(body.size());
    const BodyPlace place{last_, pending_end_, size, checksum_of(body)};
    pending_.push_back({const_cast<char*>(body.data()), body.size()}); // NOLINT: an iovec is for reading and writing
    pending_end_ += size;
    ++changes_[last_];
    return place;
}

void BodySegments::take_back() noexcept
{
    pending_end_ -= static_cast<std::int64_t>(pending_.back().iov_len);
    pending_.pop_back();
    --changes_[last_];
}

std::string BodySegments::read(const BodyPlace& place) const
{
    if (place.segment != last_ || pending_.empty() || place.offset < end_)
        return read_body(directory_, place);
    auto offset = end_;
    const auto appended = std::ranges::find_if(pending_, [&](const iovec& body) {
        return std::exchange(offset, offset + static_cast<std::int64_t>(body.iov_len)) == place.offset;
    });
    if (appended == pending_.end())
        throw std::logic_error{"a body of this transaction is read that was not appended"};
    return {static_cast<const char*>(appended->iov_base), appended->iov_len};
}

void BodySegments::remove(const BodyPlace& place)
{
    --changes_[place.segment];
    removed_.push_back(place);
}

void BodySegments::begin_segment()
{
    if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST)
        fail_to_begin(directory_);
    if (!current_) // whoever created it may have been killed before that
        sync_directory(std::filesystem::absolute(directory_).parent_path());
    const std::string name = file(last_ + 1);
    const int fd = ::open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        fail_to_begin(name);
    UniqueFd opened{fd};
    sync_directory(directory_);
    current_ = std::move(opened);
    ++last_;
    end_ = pending_end_ = 0;
}

void BodySegments::write()
{
    if (!pending_.empty()) {
        write_pending();
        failpoint("store.bodies_written");
        for (const auto& [segment, bodies] : bodies_)
            if (bodies == 0)
                changes_.try_emplace(segment, 0); // its last body went while it was the last segment
    }
    for (const auto& [segment, change] : changes_)
        if (segment != last_ && bodies_[segment] + change == 0)
            forget_.run(segment);
        else if (change_.run(segment, change) == 0)
            insert_.run(segment, change);
}

void BodySegments::write_pending()
{
    std::int64_t offset = end_;
    for (std::size_t next = 0; next < pending_.size();) {
        const auto count = std::min<std::size_t>(pending_.size() - next, IOV_MAX);
        auto written = ::pwritev(current_.get(), &pending_[next], static_cast<int>(count), offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            give_up_writing();
        offset += written;
        for (; next < pending_.size() && static_cast<std::size_t>(written) >= pending_[next].iov_len; ++next)
            written -= static_cast<ssize_t>(pending_[next].iov_len);
        if (written > 0) {
            pending_[next].iov_base = static_cast<char*>(pending_[next].iov_base) + written;
            pending_[next].iov_len -= static_cast<std::size_t>(written);
        }
    }
    if (::fdatasync(current_.get()) != 0)
        refuse(SQLITE_IOERR_FSYNC, "sync", file(last_));
}

/** What was written of the batch would keep the last of the space from what ends jobs and deletes them. */
void BodySegments::give_up_writing()
{
    const int error = errno;
    if (::ftruncate(current_.get(), end_) != 0)
        log::warning("what was written of bodies cannot be taken back",
            {{"path", file(last_)}, {"error", std::generic_category().message(errno)}});
    errno = error;
    refuse(SQLITE_IOERR_WRITE, "write", file(last_));
}

void BodySegments::commit() noexcept
{
    pending_.clear();
    end_ = pending_end_;
    for (const auto& [segment, change] : changes_) {
        const auto bodies = bodies_[segment] += change;
        if (bodies != 0 || segment == last_)
            continue;
        bodies_.erase(segment);
        (void)::unlink(file(segment).c_str()); // else the next start does
    }
    changes_.clear();
    if (!removed_.empty())
        give_back(std::exchange(removed_, {}));
}

void BodySegments::rollback() noexcept
{
    pending_.clear();
    pending_end_ = end_;
    changes_.clear();
    removed_.clear();
}

/** Of files that remain, but for the oldest, which will soon go as a whole. */
void BodySegments::give_back(std::vector<BodyPlace> places) noexcept
{
    if (bodies_.empty())
        return;
    const auto oldest = bodies_.begin()->first;
    std::erase_if(
        places, [&](const BodyPlace& place) { return place.segment == oldest || !bodies_.contains(place.segment); });
    std::ranges::sort(places, {}, [](const BodyPlace& place) { return std::pair{place.segment, place.offset}; });
    for (std::size_t next = 0; next < places.size();) {
        const auto segment = places[next].segment;
        const int fd = ::open(file(segment).c_str(), O_WRONLY | O_CLOEXEC);
        while (next < places.size() && places[next].segment == segment) {
            const auto begin = places[next].offset;
            auto end = begin;
            for (; next < places.size() && places[next].segment == segment && places[next].offset == end; ++next)
                end += places[next].size;
            const auto from = (begin + block - 1) / block * block;
            if (const auto size = end / block * block - from; fd >= 0 && size > 0)
                (void)::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, size); // not all can
        }
        if (fd >= 0)
            (void)::close(fd);
    }
}

std::string BodySegments::file(std::int64_t segment) const
{
    return file_of(directory_, segment);
}

} // namespace belay::jobs
