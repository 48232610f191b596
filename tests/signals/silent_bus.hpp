#pragma once
#include "base/unique_fd.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

namespace belay::testing {

/** A bus that takes connections and never says a word. */
class SilentBus {
public:
    SilentBus()
    {
        EXPECT_NE(::mkdtemp(directory_.data()), nullptr);
        path_ = std::string{directory_.data()} + "/bus";
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd_.get(), 1), 0);
        ::setenv("DBUS_SYSTEM_BUS_ADDRESS", ("unix:path=" + path_).c_str(), 1);
        ::setenv("DBUS_SESSION_BUS_ADDRESS", ("unix:path=" + path_).c_str(), 1);
    }
    ~SilentBus()
    {
        ::unsetenv("DBUS_SYSTEM_BUS_ADDRESS");
        ::unsetenv("DBUS_SESSION_BUS_ADDRESS");
        ::unlink(path_.c_str());
        ::rmdir(directory_.data());
    }
    SilentBus(const SilentBus&) = delete;
    SilentBus& operator=(const SilentBus&) = delete;
    SilentBus(SilentBus&&) = delete;
    SilentBus& operator=(SilentBus&&) = delete;

private:
    std::array<char, 32> directory_{"/tmp/belay-bus-XXXXXX"};
    std::string path_;
    UniqueFd fd_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

} // namespace belay::testing
