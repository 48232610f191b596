#pragma once
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>

namespace belay::jobs {

/** Runs `body` in a child process, which ends without any clean-up. @return its exit status, or 128 + signal */
inline int in_child(const std::function<int()>& body)
{
    const pid_t child = ::fork();
    if (child == 0) {
        int status = 70;
        try {
            status = body();
        } catch (const std::exception& e) {
            (void)std::fprintf(stderr, "%s\n", e.what());
        }
        ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

} // namespace belay::jobs
