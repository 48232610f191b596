#pragma once
#include "base/unique_fd.hpp"

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace belay::testing {

/** The receiving end of sd_notify: a real datagram socket in $NOTIFY_SOCKET while it stands. */
class FakeManager {
public:
    FakeManager()
    {
        std::array<char, 32> directory{"/tmp/belay-notify-XXXXXX"};
        if (::mkdtemp(directory.data()) == nullptr)
            throw std::runtime_error{"mkdtemp"};
        directory_ = directory.data();
        path_ = directory_ + "/notify";
        fd_ = UniqueFd{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            throw std::runtime_error{"bind " + path_};
        ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
    }
    ~FakeManager()
    {
        ::unsetenv("NOTIFY_SOCKET");
        ::unlink(path_.c_str());
        ::rmdir(directory_.c_str());
    }
    FakeManager(const FakeManager&) = delete;
    FakeManager& operator=(const FakeManager&) = delete;
    FakeManager(FakeManager&&) = delete;
    FakeManager& operator=(FakeManager&&) = delete;

    /** The next datagram; nothing if none comes within `timeout_ms`.  `passed`: the descriptors it carries. */
    std::optional<std::string> receive(int timeout_ms = 10'000, std::vector<UniqueFd>* passed = nullptr) const
    {
        pollfd ready{fd_.get(), POLLIN, 0};
        if (::poll(&ready, 1, timeout_ms) <= 0)
            return std::nullopt;
        std::string text(4096, '\0');
        alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int))> control{};
        iovec part{text.data(), text.size()};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t size = ::recvmsg(fd_.get(), &message, MSG_CMSG_CLOEXEC);
        if (size < 0)
            return std::nullopt;
        if (const cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr && header->cmsg_type == SCM_RIGHTS) {
            std::vector<int> fds((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            std::copy_n(CMSG_DATA(header), fds.size() * sizeof(int), reinterpret_cast<unsigned char*>(fds.data()));
            std::vector<UniqueFd> received;
            for (const int fd : fds)
                received.emplace_back(fd);
            if (passed != nullptr)
                *passed = std::move(received);
        }
        text.resize(static_cast<std::size_t>(size));
        return text;
    }

private:
    std::string directory_;
    std::string path_;
    UniqueFd fd_;
};

} // namespace belay::testing
