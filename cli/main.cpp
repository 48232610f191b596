#include "cli/program.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

int main(int argc, char** argv)
{
    const auto variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string_view{value == nullptr ? "" : value};
    };
    const bool terminal = ::isatty(STDOUT_FILENO) == 1;
    const bool colours = terminal && variable("NO_COLOR").empty() && variable("TERM") != "dumb"; // no-color.org
    belay::cli::Context context{.in = std::cin,
        .out = std::cout,
        .err = std::cerr,
        .out_terminal = terminal,
        .err_terminal = ::isatty(STDERR_FILENO) == 1,
        .colours = colours};
    return belay::cli::run({argv + 1, argv + argc}, context);
}
