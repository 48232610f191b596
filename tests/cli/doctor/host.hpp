#pragma once
#include "cli/doctor/checks.hpp"
#include "tests/cli/fake_daemon.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace belay::cli {

/** A kernel that tells what the test wants. */
class Host {
public:
    [[nodiscard]] Subject& subject() { return subject_; }

    void proc(const std::string& path, std::string_view text) { write(subject_.proc / path, text); }
    void sys(const std::string& path, std::string_view text) { write(subject_.sys / path, text); }

private:
    static void write(const std::filesystem::path& file, std::string_view text)
    {
        std::filesystem::create_directories(file.parent_path());
        std::ofstream{file} << text << '\n';
    }

    TemporaryDirectory directory_;
    Subject subject_{.config = {}, .belayd = {}, .proc = directory_.path("proc"), .sys = directory_.path("sys")};
};

[[nodiscard]] inline const Finding& find(const Findings& findings, std::string_view check)
{
    for (const Finding& finding : findings)
        if (finding.check == check)
            return finding;
    throw std::runtime_error{"nothing is found of " + std::string{check}};
}

} // namespace belay::cli
