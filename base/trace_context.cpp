#include "base/trace_context.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <span>

namespace belay {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::size_t traceparent_size = 55;

void append_hex(std::string& text, std::span<const std::uint8_t> bytes)
{
    for (const std::uint8_t byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 0x0f];
    }
}

/** Lower-case hexadecimal only, as the specification demands. */
bool read_hex(std::string_view text, std::span<std::uint8_t> out)
{
    for (std::size_t i = 0; i < out.size(); ++i) {
        const auto high = digits.find(text[2 * i]);
        const auto low = digits.find(text[2 * i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos)
            return false;
        out[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return true;
}

bool is_zero(std::span<const std::uint8_t> bytes)
{
    return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

} // namespace

std::optional<TraceContext> parse_traceparent(std::string_view text)
{
    std::array<std::uint8_t, 1> version{};
    std::array<std::uint8_t, 1> flags{};
    TraceContext context;
    if (text.size() < traceparent_size || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return std::nullopt;
    if (!read_hex(text, version) || !read_hex(text.substr(3), context.trace_id) ||
        !read_hex(text.substr(36), context.span_id) || !read_hex(text.substr(53), flags))
        return std::nullopt;
    if (version[0] == 0xff || is_zero(context.trace_id) || is_zero(context.span_id))
        return std::nullopt;
    if (text.size() > traceparent_size && (version[0] == 0 || text[traceparent_size] != '-'))
        return std::nullopt;
    context.flags = flags[0];
    return context;
}

std::string to_traceparent(const TraceContext& context)
{
    std::string text = "00-";
    text.reserve(traceparent_size);
    append_hex(text, context.trace_id);
    text += '-';
    append_hex(text, context.span_id);
    text += '-';
    append_hex(text, {&context.flags, 1});
    return text;
}

std::string trace_id_text(const TraceContext& context)
{
    std::string text;
    append_hex(text, context.trace_id);
    return text;
}

TraceContext make_trace()
{
    TraceContext context;
    fill_random(context.trace_id);
    context.flags = 0x02; // the trace id is random (level 2); nobody asked for sampling
    return make_child_span(context);
}

TraceContext make_child_span(const TraceContext& parent)
{
    TraceContext child = parent;
    do {
        fill_random(child.span_id);
    } while (is_zero(child.span_id));
    return child;
}

} // namespace belay
