// A command for the tests: prints what it was started with, one fact a line.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>

int main(int argc, char** argv)
{
    std::cout << "descriptors";
    for (int fd = 0; fd < 4096; ++fd)
        if (::fcntl(fd, F_GETFD) >= 0)
            std::cout << ' ' << fd;
    std::cout << '\n';

    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("SigBlk") || line.starts_with("SigIgn"))
            std::cout << line << '\n';

    char directory[4096];
    if (::getcwd(directory, sizeof directory) != nullptr)
        std::cout << "directory " << directory << '\n';
    std::cout << "leads_group " << (::getpgrp() == ::getpid()) << '\n';
    for (int i = 0; i < argc; ++i)
        std::cout << "argument " << argv[i] << '\n';
    for (char** entry = environ; *entry != nullptr; ++entry)
        std::cout << "environment " << *entry << '\n';
}
