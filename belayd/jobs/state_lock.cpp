#include "base/unique_fd.hpp"
#include "belayd/jobs/store.hpp"
#include "daemon/service.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace belay::jobs {
namespace {

[[noreturn]] void refuse_start(const std::string& what)
{
    throw daemon::StartError{daemon::ExitCode::unavailable, what};
}

/** What the holder wrote, its pid; "?" before it did. */
std::string read_holder(int fd)
{
    std::array<char, 16> text{};
    const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
    const std::string_view pid{text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
    const auto digits = pid.substr(0, pid.find_first_not_of("0123456789"));
    return digits.empty() ? "?" : std::string{digits};
}

} // namespace

StateLock StateLock::of_directory(const std::string& state_dir)
{
    return {state_dir + "/lock", "state directory " + state_dir};
}

StateLock StateLock::of_store(const std::string& path)
{
    std::error_code ec; // what cannot be resolved cannot be opened either, and open() says why
    const auto resolved = std::filesystem::weakly_canonical(path, ec); // as SQLite does
    return {(ec ? path : resolved.string()) + "-lock", "database " + path};
}

StateLock::StateLock(const std::string& file, const std::string& what)
{
    const int opened = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (opened < 0)
        refuse_start(fmt::format("cannot open {}: {}", file, std::generic_category().message(errno)));
    UniqueFd fd{opened};
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            refuse_start(fmt::format("{} is in use by belayd with pid {}", what, read_holder(fd.get())));
        refuse_start(fmt::format("cannot lock {}: {}", file, std::generic_category().message(errno)));
    }
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), pid.data(), pid.size(), 0) < 0)
        refuse_start(fmt::format("cannot write {}: {}", file, std::generic_category().message(errno)));
    fd_ = std::move(fd);
}

} // namespace belay::jobs
