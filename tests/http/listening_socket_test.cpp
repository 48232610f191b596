#include "http/server.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

namespace belay::http {
namespace {

class UnixSocketTest : public testing::Test {
protected:
    void SetUp() override
    {
        std::string name = testing::TempDir() + "belayXXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::string path() const { return directory_ + "/x.sock"; }

    std::string directory_;
};

std::string failure(const std::string& spec)
{
    try {
        (void)open_listening_socket(spec);
    } catch (const std::exception& e) {
        return e.what();
    }
    return {};
}

TEST(OpenListeningSocket, OpensTcpThatJobsDoNotInherit)
{
    for (const std::string spec : {"127.0.0.1:0", "[::1]:0"}) {
        const ListeningSocket socket = open_listening_socket(spec);
        EXPECT_EQ(socket.name, spec);
        EXPECT_NE(::fcntl(socket.fd.get(), F_GETFD) & FD_CLOEXEC, 0);
        EXPECT_NE(::fcntl(socket.fd.get(), F_GETFL) & O_NONBLOCK, 0);
        int listens = 0;
        socklen_t size = sizeof listens;
        ::getsockopt(socket.fd.get(), SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
        EXPECT_EQ(listens, 1);
    }
}

TEST(OpenListeningSocket, ResolvesNames)
{
    addrinfo* found = nullptr;
    if (::getaddrinfo("localhost", nullptr, nullptr, &found) != 0)
        GTEST_SKIP() << "this host has no localhost in /etc/hosts";
    ::freeaddrinfo(found);
    EXPECT_EQ(open_listening_socket("localhost:0").name, "localhost:0");
}

TEST(OpenListeningSocket, NamesTheAddressThatIsTaken)
{
    const ListeningSocket first = open_listening_socket("127.0.0.1:0");
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ASSERT_EQ(::getsockname(first.fd.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    const std::string spec = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    EXPECT_NE(failure(spec).find(spec), std::string::npos);
    EXPECT_NE(failure(spec).find("ss -ltnp"), std::string::npos);
}

TEST(OpenListeningSocket, RefusesMalformedAddresses)
{
    for (const std::string spec : {"", "9080", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:80x",
             "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "unix:"})
        EXPECT_THROW((void)open_listening_socket(spec), std::invalid_argument) << spec;
    EXPECT_THROW((void)open_listening_socket("unix:/" + std::string(107, 'x')), std::invalid_argument);
    EXPECT_THROW((void)open_listening_socket("192.0.2.1:0"), std::system_error);
    EXPECT_THROW((void)open_listening_socket("unix:/nowhere/at/all"), std::system_error);
}

TEST_F(UnixSocketTest, GetsItsMode)
{
    const ListeningSocket socket = open_listening_socket("unix:" + path(), 10, 0600);
    EXPECT_EQ(socket.unix_path, path());
    struct stat file{};
    ASSERT_EQ(::stat(path().c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777U, 0600U);
}

TEST_F(UnixSocketTest, ReplacesAStaleOneAndNoOther)
{
    {
        const ListeningSocket alive = open_listening_socket("unix:" + path());
        EXPECT_NE(failure("unix:" + path()).find("another process listens there"), std::string::npos);
    }
    EXPECT_EQ(failure("unix:" + path()), ""); // closed and left behind
    std::filesystem::remove(path());
    std::ofstream{path()} << "precious";
    EXPECT_NE(failure("unix:" + path()), "");
    EXPECT_EQ(std::filesystem::file_size(path()), 8U);
}

} // namespace
} // namespace belay::http
