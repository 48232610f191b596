#include "cli/doctor/kernel_file.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>

namespace belay::cli {

std::optional<std::string> read_line(const std::filesystem::path& file)
{
    std::ifstream stream{file};
    std::string line;
    if (!std::getline(stream, line))
        return std::nullopt;
    return line;
}

std::vector<long long> read_numbers(const std::filesystem::path& file)
{
    std::ifstream stream{file};
    std::vector<long long> numbers;
    for (long long number = 0; stream >> number;)
        numbers.push_back(number);
    return numbers;
}

bool is_listed(std::string_view list, long long number)
{
    while (!list.empty()) {
        const std::string_view range = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), range.size() + 1));
        const std::string_view last = range.substr(range.find('-') + 1);
        long long from = 0;
        long long to = -1;
        std::from_chars(range.data(), range.data() + range.size(), from);
        std::from_chars(last.data(), last.data() + last.size(), to);
        if (from <= number && number <= to)
            return true;
    }
    return false;
}

std::optional<std::string> output_of(const char* command)
{
    std::FILE* const pipe = ::popen(command, "re");
    if (pipe == nullptr)
        return std::nullopt;
    std::string output;
    std::array<char, 4096> buffer;
    for (std::size_t count = 0; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
        output.append(buffer.data(), count);
    if (::pclose(pipe) != 0)
        return std::nullopt;
    return output;
}

} // namespace belay::cli
