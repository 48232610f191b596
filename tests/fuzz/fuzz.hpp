#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/** What libFuzzer calls, https://llvm.org/docs/LibFuzzer.html: a crash is a finding, and so is a failed expect(). */
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace belay::fuzz {

/** Ends the process where something does not hold that must, with what was seen instead. */
inline void expect(bool holds, std::string_view what, const std::string& seen = {})
{
    if (holds)
        return;
    (void)std::fprintf(stderr, "FOUND: %.*s\n%s\n", static_cast<int>(what.size()), what.data(), seen.c_str());
    std::abort();
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) noexcept
{
    return {reinterpret_cast<const char*>(data), size};
}

/** The text up to the end of the line, which is taken off. */
inline std::string_view take_line(std::string_view& text) noexcept
{
    const auto end = text.find('\n');
    const auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

} // namespace belay::fuzz
