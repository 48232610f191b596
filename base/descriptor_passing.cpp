#include "base/descriptor_passing.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace belay {
namespace {

/** Descriptors of one message, beside the one byte that a stream socket wants with them. */
struct Message {
    Message()
    {
        content.iov_base = &byte;
        content.iov_len = sizeof byte;
        header.msg_iov = &content;
        header.msg_iovlen = 1;
        header.msg_control = control.data();
        header.msg_controllen = control.size();
    }
    ~Message() = default;
    Message(const Message&) = delete;
    Message& operator=(const Message&) = delete;
    Message(Message&&) = delete;
    Message& operator=(Message&&) = delete;

    char byte = 0;
    iovec content{};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(descriptors_per_message * sizeof(int))> control{};
    msghdr header{};
};

void send_message(int socket, std::span<const int> descriptors)
{
    Message message;
    message.header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* const rights = CMSG_FIRSTHDR(&message.header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(rights), descriptors.data(), descriptors.size_bytes());
    while (::sendmsg(socket, &message.header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            throw std::system_error{errno, std::system_category(), "cannot pass descriptors on"};
}

} // namespace

void send_descriptors(int socket, std::span<const int> descriptors)
{
    while (!descriptors.empty()) {
        const std::size_t count = std::min(descriptors.size(), descriptors_per_message);
        send_message(socket, descriptors.first(count));
        descriptors = descriptors.subspan(count);
    }
}

std::vector<UniqueFd> receive_descriptors(int socket)
{
    std::vector<UniqueFd> received;
    for (;;) {
        Message message;
        const ssize_t size = ::recvmsg(socket, &message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (size == 0 || (size < 0 && errno == EAGAIN))
            return received;
        if (size < 0 && errno != EINTR)
            throw std::system_error{errno, std::system_category(), "cannot receive descriptors"};
        cmsghdr* const rights = size < 0 ? nullptr : CMSG_FIRSTHDR(&message.header);
        if (rights == nullptr || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS)
            continue;
        std::array<int, descriptors_per_message> numbers{};
        const std::size_t bytes = rights->cmsg_len - CMSG_LEN(0);
        std::memcpy(numbers.data(), CMSG_DATA(rights), bytes);
        for (std::size_t i = 0; i < bytes / sizeof(int); ++i)
            received.emplace_back(numbers.at(i));
        if ((message.header.msg_flags & MSG_CTRUNC) != 0) // this process may open no more: the rest of them is closed
            throw std::system_error{EMFILE, std::system_category(), "cannot receive descriptors"};
    }
}

} // namespace belay
