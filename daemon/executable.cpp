#include "daemon/executable.hpp"

#include "base/build_id.hpp"

#include <sys/auxv.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

constexpr const char* running_file = "/proc/self/exe"; // also once it is deleted or replaced

/** What the kernel was asked to execute (execve(2)); "" if by descriptor (execveat(2)). */
std::string executed_path()
{
    const unsigned long address = ::getauxval(AT_EXECFN); // unlike argv[0] it cannot lie, and PATH was already searched
    const char* const path = reinterpret_cast<const char*>(address); // NOLINT(performance-no-int-to-ptr): its contract
    if (path == nullptr || std::string_view{path}.starts_with("/dev/fd/"))
        return {};
    return path;
}

/** Where the file lay when it was executed, all symbolic links followed. */
std::string resolved_path()
{
    constexpr std::string_view deleted = " (deleted)"; // proc_pid_exe(5)
    std::string path = std::filesystem::read_symlink(running_file);
    if (path.ends_with(deleted))
        path.resize(path.size() - deleted.size());
    return path;
}

} // namespace

Executable::Executable(std::string path, std::optional<std::string> running) noexcept
    : path_(std::move(path)), running_(std::move(running))
{
}

Executable Executable::of_this_process()
{
    const std::string executed = executed_path();
    return {
        executed.empty() ? resolved_path() : std::filesystem::absolute(executed).string(), read_build_id(running_file)};
}

bool Executable::changed() const
{
    if (!running_)
        throw std::runtime_error{"the running executable has no build-id"};
    const auto found = read_build_id(path_);
    if (!found)
        throw std::runtime_error{path_ + ": no executable with a build-id"};
    return *found != *running_;
}

Executable::File Executable::file() const
{
    struct stat status{};
    if (::stat(path_.c_str(), &status) != 0)
        throw std::system_error{errno, std::generic_category(), path_};
    return {status.st_dev, status.st_ino, status.st_size,
        std::chrono::seconds{status.st_mtim.tv_sec} + std::chrono::nanoseconds{status.st_mtim.tv_nsec}};
}

} // namespace belay::daemon
