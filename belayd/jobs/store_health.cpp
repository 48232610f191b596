#include "belayd/jobs/store_health.hpp"

#include <sys/statvfs.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace belay::jobs {

Bytes free_bytes(const std::string& path)
{
    struct statvfs file_system{};
    if (::statvfs(path.c_str(), &file_system) != 0)
        throw std::system_error{errno, std::generic_category(), "statvfs " + path};
    return Bytes{file_system.f_bavail} * file_system.f_frsize;
}

std::string StoreHealth::reason() const
{
    const std::scoped_lock lock{mutex_};
    return reason_;
}

void StoreHealth::set_short_of_space(std::string reason)
{
    const std::scoped_lock lock{mutex_};
    if (state_ == State::failed)
        return;
    reason_ = std::move(reason);
    state_ = State::short_of_space;
}

void StoreHealth::clear_short_of_space()
{
    const std::scoped_lock lock{mutex_};
    if (state_ != State::short_of_space)
        return;
    reason_.clear();
    state_ = State::well;
}

bool StoreHealth::fail(std::string reason)
{
    const std::scoped_lock lock{mutex_};
    if (state_ == State::failed)
        return false;
    reason_ = std::move(reason);
    state_ = State::failed;
    return true;
}

} // namespace belay::jobs
