#include "base/build_id.hpp"
#include "base/unique_fd.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

namespace belay {
namespace {

namespace fs = std::filesystem;

/** What readelf(1) of binutils says, which reads the sections where we read the segments. */
std::string readelf_build_id(const std::string& path)
{
    FILE* const pipe = ::popen(fmt::format("readelf -n {}", path).c_str(), "re");
    std::array<char, 4096> line{};
    std::string id;
    while (std::fgets(line.data(), line.size(), pipe) != nullptr)
        if (const char* const found = std::strstr(line.data(), "Build ID: "))
            id = std::string{found}.substr(std::strlen("Build ID: "));
    ::pclose(pipe);
    return id.substr(0, id.find('\n'));
}

std::string read_file(const std::string& path)
{
    std::ifstream file{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/** Files in memory, since the tests make thousands. */
class BuildId : public ::testing::Test {
protected:
    void write(std::string_view content)
    {
        ASSERT_EQ(::ftruncate(file_.get(), 0), 0);
        ASSERT_EQ(::pwrite(file_.get(), content.data(), content.size(), 0), static_cast<ssize_t>(content.size()));
    }

    std::optional<std::string> build_id_of(std::string_view content)
    {
        write(content);
        return read_build_id(path_);
    }

    const UniqueFd file_{::memfd_create("program", MFD_CLOEXEC)};
    const std::string path_ = fmt::format("/proc/self/fd/{}", file_.get());
    const std::string self_ = read_file("/proc/self/exe"); // this program, as it lies on disk
};

/** The bytes that hex stands for. */
std::string from_hex(const std::string& hex)
{
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
    return bytes;
}

TEST_F(BuildId, OfRealProgramsIsWhatReadelfSays)
{
    for (const fs::path& path : {fs::read_symlink("/proc/self/exe"), fs::path{"/bin/sh"}, fs::path{"/bin/sleep"}}) {
        const auto id = read_build_id(path);
        ASSERT_TRUE(id) << path;
        EXPECT_EQ(*id, readelf_build_id(path));
    }
}

TEST_F(BuildId, TellsTwoBuildsApart)
{
    const std::string own = read_build_id("/proc/self/exe").value();
    EXPECT_EQ(build_id_of(self_), own);
    const auto where = self_.find(from_hex(own));
    ASSERT_NE(where, std::string::npos);
    std::string other = self_;
    other[where] = static_cast<char>(other[where] ^ 1);
    const auto id = build_id_of(other);
    ASSERT_TRUE(id);
    EXPECT_EQ(id->size(), own.size());
    EXPECT_NE(*id, own);
}

TEST_F(BuildId, OfWhatIsNoProgramIsNothing)
{
    EXPECT_EQ(build_id_of(""), std::nullopt);
    EXPECT_EQ(build_id_of("#!/bin/sh\nexit 0\n"), std::nullopt);
    EXPECT_EQ(build_id_of("\x7f"
                          "ELF"),
        std::nullopt);
    EXPECT_EQ(build_id_of(std::string(100'000, '\xff')), std::nullopt);
    std::string other_class = self_;
    other_class[EI_CLASS] = ELFCLASS32;
    EXPECT_EQ(build_id_of(other_class), std::nullopt);
}

TEST_F(BuildId, OfWhatCannotBeReadIsAnErrorWithThePath)
{
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
    const UniqueFd read_end{pipe[0]};
    const UniqueFd write_end{pipe[1]};
    const std::string fifo = fmt::format("/proc/self/fd/{}", read_end.get()); // nobody writes to it, and nobody waits
    for (const std::string& path : {std::string{"/missing/belayd"}, std::string{"/tmp"}, fifo}) {
        try {
            (void)read_build_id(path);
            ADD_FAILURE() << path;
        } catch (const std::system_error& e) {
            EXPECT_NE(std::string{e.what()}.find(path), std::string::npos);
        }
    }
}

/** The start of this program, up to the end of its notes: what is worth being damaged. */
TEST_F(BuildId, TakesAnyDamage)
{
    const std::string own = read_build_id("/proc/self/exe").value();
    const auto end = self_.find(from_hex(own)) + own.size() / 2;
    const std::string head = self_.substr(0, end);
    EXPECT_EQ(build_id_of(head), own) << "what follows is not read";
    for (std::size_t size = 0; size < end; ++size)
        EXPECT_EQ(build_id_of(head.substr(0, size)), std::nullopt) << size;
    write(head);
    for (std::size_t i = 0; i < end; ++i) {
        for (const char damage : {'\0', '\x7f', '\xff', head[i]}) {
            ASSERT_EQ(::pwrite(file_.get(), &damage, 1, static_cast<off_t>(i)), 1);
            (void)read_build_id(path_); // what comes of it is open; a sanitizer sees what is read beyond the end
        }
    }
}

TEST_F(BuildId, TakesHeadersThatPointAnywhere)
{
    Elf64_Ehdr header;
    std::memcpy(&header, self_.data(), sizeof header);
    for (const std::uint64_t offset :
        {std::uint64_t{0}, std::uint64_t{1} << 32, ~std::uint64_t{0}, ~std::uint64_t{0} >> 1}) {
        header.e_phoff = offset;
        std::string damaged = self_;
        std::memcpy(damaged.data(), &header, sizeof header);
        EXPECT_EQ(build_id_of(damaged), std::nullopt) << offset;
    }
}

} // namespace
} // namespace belay
