#include "belayd/hooks/extract.hpp"

#include "belayd/config/checks.hpp"

#include <fmt/format.h>

namespace belay::hooks {
namespace {

using config::ValueSource;

/** Of all arguments and variables.  Linux passes a quarter of the stack limit, 2 MiB by default: see execve(2). */
constexpr std::size_t max_invocation_bytes = 1 << 20;

/** Thrown within this file only. */
struct Refused {
    Refusal refusal;
};

[[noreturn]] void refuse(int status, std::string detail)
{
    throw Refused{{status, std::move(detail)}};
}

/** "argument 2, payload "/ref"": all of it the operator's words. */
std::string describe(const std::string& what, const ValueSource& source)
{
    const std::string where = config::describe(source);
    return where.empty() ? what : fmt::format("{}, {}", what, where);
}

/** Refuses what execve(2) would cut or fail on.  @param size of the whole string that is passed */
void check_text(const std::string& text, std::size_t size, const std::string& what, const ValueSource& source)
{
    if (text.find('\0') != std::string::npos)
        refuse(400, fmt::format("{} contains a NUL", describe(what, source)));
    if (size >= config::max_argument_bytes)
        refuse(413, fmt::format("{} is over {} bytes: let the command read the payload from its standard input",
                        describe(what, source), config::max_argument_bytes - 1));
}

Invocation extract_all(const config::Hook& hook, Values& values)
{
    Invocation invocation;
    std::size_t total = 0;
    for (std::size_t i = 0; i < hook.run.size(); ++i) {
        const auto& source = hook.run[i];
        const std::string what = fmt::format("argument {}", i);
        auto value = values.find(source);
        if (!value)
            refuse(422, fmt::format("{} is missing", describe(what, source)));
        std::string& text = value->text;
        check_text(text, text.size(), what, source);
        if (source.kind != ValueSource::Kind::literal && text.starts_with('-'))
            refuse(422, fmt::format("{} begins with \"-\", which the command could take for an option", //
                            describe(what, source)));
        total += text.size() + 1;
        invocation.arguments.push_back(std::move(text));
    }
    for (const auto& [name, source] : hook.env) {
        auto value = values.find(source);
        if (!value)
            continue;
        std::string& text = value->text;
        const auto size = name.size() + 1 + text.size();
        check_text(text, size, "variable " + name, source);
        total += size + 1;
        invocation.environment.emplace_back(name, std::move(text));
    }
    if (total > max_invocation_bytes)
        refuse(413, fmt::format("arguments and variables are over {} bytes together", max_invocation_bytes));
    return invocation;
}

} // namespace

std::variant<Invocation, Refusal> extract(const config::Hook& hook, Values& values)
{
    try {
        return extract_all(hook, values);
    } catch (Refused& refused) {
        return std::move(refused.refusal);
    }
}

} // namespace belay::hooks
