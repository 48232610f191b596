#include "base/build_id.hpp"
#include "daemon/executable.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace belay::daemon {
namespace {

namespace fs = std::filesystem;
using ::testing::EndsWith;

/** Of what tests/daemon runs of itself elsewhere: the answer is a line on this descriptor. */
constexpr int answer_fd = 9;

void answer(const std::string& text)
{
    ASSERT_EQ(::write(answer_fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

/** Run by the tests below as another process, from another place. */
TEST(Executable, DISABLED_TellsItsPath)
{
    if (::fcntl(answer_fd, F_GETFD) < 0)
        GTEST_SKIP() << "runs as a child of another test only";
    if (const char* const gone = std::getenv("BELAY_TEST_UNLINK")) // NOLINT(concurrency-mt-unsafe): one thread
        fs::remove(gone);
    answer(Executable::of_this_process().path());
}

/** A copy of this program at releases/1/test, reached by the link "current". */
class ExecutableTest : public ::testing::Test {
protected:
    ExecutableTest()
    {
        std::string pattern = fs::temp_directory_path() / "belay-executable-XXXXXX";
        root_ = ::mkdtemp(pattern.data());
        release("1");
    }
    ~ExecutableTest() override { fs::remove_all(root_); }

    fs::path release(const std::string& name)
    {
        const fs::path file = root_ / "releases" / name / "test";
        fs::create_directories(file.parent_path());
        fs::copy_file("/proc/self/exe", file);
        fs::remove(root_ / "current");
        fs::create_directory_symlink("releases/" + name, root_ / "current");
        return file;
    }

    /** What a process tells that `start` has started, which gets the arguments; its working directory is root_. */
    template <typename Start>
    std::string path_told_by(Start start)
    {
        std::array<int, 2> pipe{};
        EXPECT_EQ(::pipe2(pipe.data(), O_CLOEXEC), 0);
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::dup2(pipe[1], answer_fd);
            std::array<char*, 5> arguments{const_cast<char*>("belayd"), const_cast<char*>("--gtest_brief=1"),
                const_cast<char*>("--gtest_also_run_disabled_tests"),
                const_cast<char*>("--gtest_filter=*DISABLED_TellsItsPath"), nullptr};
            if (::chdir(root_.c_str()) == 0)
                start(arguments.data());
            ::_exit(127);
        }
        ::close(pipe[1]);
        std::array<char, 4096> text{};
        const ssize_t size = ::read(pipe[0], text.data(), text.size());
        ::close(pipe[0]);
        int status = 0;
        ::waitpid(pid, &status, 0);
        EXPECT_EQ(status, 0);
        return {text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
    }

    fs::path root_;
};

TEST_F(ExecutableTest, KeepsTheLinksOfItsPath)
{
    const std::string link = root_ / "current/test";
    EXPECT_EQ(path_told_by([&](char** arguments) { ::execv(link.c_str(), arguments); }), link);
}

TEST_F(ExecutableTest, MakesARelativePathAbsolute)
{
    EXPECT_EQ(path_told_by([](char** arguments) { ::execv("current/test", arguments); }), root_ / "current/test");
}

TEST_F(ExecutableTest, IsFoundInPath)
{
    const std::string path = "/nowhere:" + (root_ / "current").string();
    const auto start = [&](char** arguments) {
        ::setenv("PATH", path.c_str(), 1); // NOLINT(concurrency-mt-unsafe): a child of fork
        ::execvp("test", arguments);
    };
    EXPECT_EQ(path_told_by(start), root_ / "current/test");
}

TEST_F(ExecutableTest, ExecutedByDescriptorIsWhereTheFileLay)
{
    const std::string file = root_ / "releases/1/test";
    const auto start = [&](char** arguments) {
        ::fexecve(::open(file.c_str(), O_RDONLY | O_CLOEXEC), arguments, environ);
    };
    EXPECT_EQ(path_told_by(start), file);
    const auto start_and_delete = [&](char** arguments) {
        ::setenv("BELAY_TEST_UNLINK", file.c_str(), 1); // NOLINT(concurrency-mt-unsafe): a child of fork
        start(arguments);
    };
    EXPECT_EQ(path_told_by(start_and_delete), file);
}

/** Another build of this program. */
void change_build_id(const fs::path& file)
{
    std::fstream program{file, std::ios::binary | std::ios::in | std::ios::out};
    const std::string content{std::istreambuf_iterator<char>{program}, {}};
    const std::string id = read_build_id(file).value();
    std::string bytes;
    for (std::size_t i = 0; i < id.size(); i += 2)
        bytes += static_cast<char>(std::stoi(id.substr(i, 2), nullptr, 16));
    program.seekp(static_cast<std::streamoff>(content.find(bytes)));
    program.put(static_cast<char>(bytes[0] ^ 1));
}

std::string complaint(const Executable& executable)
{
    try {
        return executable.changed() ? "changed" : "unchanged";
    } catch (const std::runtime_error& e) {
        return e.what();
    }
}

TEST_F(ExecutableTest, IsChangedWhenAnotherBuildLiesAtItsPath)
{
    const Executable executable{root_ / "current/test", read_build_id("/proc/self/exe")};
    EXPECT_FALSE(executable.changed());
    release("2");
    EXPECT_FALSE(executable.changed()) << "another file, the same build";
    change_build_id(release("3"));
    EXPECT_TRUE(executable.changed());
}

TEST_F(ExecutableTest, SaysWhyItCannotBeCompared)
{
    const Executable executable{root_ / "current/test", read_build_id("/proc/self/exe")};
    const fs::path file = release("2");
    fs::resize_file(file, 100);
    EXPECT_THAT(complaint(executable), EndsWith("current/test: no executable with a build-id"));
    std::ofstream{file} << "#!/bin/sh\n";
    EXPECT_THAT(complaint(executable), EndsWith("current/test: no executable with a build-id"));
    fs::remove(file);
    EXPECT_THAT(complaint(executable), EndsWith("current/test: No such file or directory"));
    const Executable nameless{file, std::nullopt};
    EXPECT_EQ(complaint(nameless), "the running executable has no build-id");
}

} // namespace
} // namespace belay::daemon
