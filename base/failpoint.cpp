#include "base/failpoint.hpp"

#if BELAY_FAILPOINTS
#include <fmt/format.h>

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

namespace belay {
namespace {

void fail_as(std::string_view action, const std::string& reached)
{
    if (action == "kill")
        ::raise(SIGKILL);
    if (action == "segfault") {
        std::signal(SIGSEGV, SIG_DFL); // not a sanitizer's: it is no finding
        ::raise(SIGSEGV);
    }
    if (action == "exit")
        ::_exit(1);
    while (action == "wedge" && ::access(reached.c_str(), F_OK) == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
}

} // namespace

void failpoint(std::string_view name, std::string_view suffix) noexcept
{
    const char* const directory = std::getenv("BELAY_FAILPOINTS"); // NOLINT(concurrency-mt-unsafe): nobody changes it
    if (directory == nullptr)
        return;
    const std::string armed = fmt::format("{}/{}{}", directory, name, suffix);
    const std::string reached = armed + ".reached";
    if (std::rename(armed.c_str(), reached.c_str()) != 0)
        return;
    std::string action;
    std::ifstream{reached} >> action;
    fail_as(action, reached);
}

} // namespace belay
#endif
