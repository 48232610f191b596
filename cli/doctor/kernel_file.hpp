#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::cli {

/** The first line of a file, if it can be read. */
[[nodiscard]] std::optional<std::string> read_line(const std::filesystem::path& file);

/** Whole numbers, separated by white space: as many as there are; empty if it cannot be read. */
[[nodiscard]] std::vector<long long> read_numbers(const std::filesystem::path& file);

/** Whether a list as the kernel writes them, "8080,9080-9090", has a number. */
[[nodiscard]] bool is_listed(std::string_view list, long long number);

/** What a command writes; none unless it ends with 0.  @param command for sh: constant text, nothing of anybody */
[[nodiscard]] std::optional<std::string> output_of(const char* command);

} // namespace belay::cli
