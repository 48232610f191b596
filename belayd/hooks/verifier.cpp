#include "belayd/hooks/verifier.hpp"

#include "belayd/hooks/signature_header.hpp"
#include "belayd/hooks/signed_message.hpp"
#include "belayd/hooks/signed_time.hpp"

#include <fmt/format.h>

#include <utility>

namespace belay::hooks {
namespace {

using config::MessagePart;
using std::chrono::seconds;

/** The same words for every way not to be authentic: they must not tell which. */
constexpr const char* not_authentic = "the request is not signed with a secret of this hook";

/** The value of the one header of that name; twice is as good as not at all, since others may read the other one. */
std::optional<std::string_view> only_field(const http::Request& request, const std::string& name)
{
    return request.count(name) == 1 ? request.field(name) : std::nullopt;
}

std::string in_seconds(std::chrono::milliseconds time)
{
    const auto whole = std::chrono::floor<seconds>(time);
    const auto rest = time - whole;
    return rest.count() == 0 ? fmt::format("{} s", whole.count())
                             : fmt::format("{}.{:03} s", whole.count(), rest.count());
}

/** "" within the tolerance.  Told of what is soundly signed: to mend is a clock, or what keeps a request this long. */
std::string fault_in_time(const config::SignedTime& time, std::string_view text, Timestamp now)
{
    const auto signed_at = parse_signed_time(time.format, text);
    if (!signed_at)
        return "the time at which the request was signed is malformed";
    using std::chrono::milliseconds;
    const bool is_exact = time.format == config::SignedTime::Format::unix_milliseconds;
    const Timestamp known = is_exact ? std::chrono::floor<milliseconds>(now) : std::chrono::floor<seconds>(now);
    const auto age = std::chrono::floor<milliseconds>(known - *signed_at); // both are whole ones
    if (age > time.tolerance)
        return fmt::format("the request was signed {} ago, {} s are allowed", in_seconds(age), time.tolerance.count());
    if (-age > time.tolerance)
        return fmt::format("the request was signed {} from now, {} s are allowed: one of the clocks is wrong",
            in_seconds(-age), time.tolerance.count());
    return {};
}

bool is_after(std::chrono::sys_seconds now, const std::optional<std::chrono::sys_seconds>& end) noexcept
{
    return end && now > *end;
}

} // namespace

Verifier::Verifier(config::Scheme scheme, std::vector<Key> keys)
    : scheme_(std::move(scheme)), message_(config::parse_message(scheme_.message)), keys_(std::move(keys))
{
}

std::optional<std::string_view> Verifier::timestamp(const http::Request& request, std::string_view signatures) const
{
    if (!scheme_.time)
        return std::string_view{};
    return scheme_.time->header.empty() ? find_pair(scheme_.time->label, signatures)
                                        : only_field(request, scheme_.time->header);
}

/** Else "a" + "." + "1" + "." + body could be sent again as "a.1" + "." + what begins the body. */
bool Verifier::ends_where_it_seems_to(std::string_view id) const
{
    const std::string text{id};
    for (std::size_t i = 0; i < message_.size(); ++i) {
        if (message_[i].kind != MessagePart::Kind::id)
            continue;
        const std::string before = i > 0 ? message_[i - 1].text : "";
        const std::string after = i + 1 < message_.size() ? message_[i + 1].text : "";
        if ((!before.empty() && (before + text).rfind(before) != 0) ||
            (!after.empty() && (text + after).find(after) != text.size()))
            return false;
    }
    return true;
}

/** The first of those that fit, a good one before one that has ended. */
std::optional<std::size_t> Verifier::find_key(
    const std::vector<std::string_view>& message, std::string_view header, std::chrono::sys_seconds now) const
{
    std::optional<std::size_t> good;
    std::optional<std::size_t> ended;
    for (std::size_t i = 0; i < keys_.size(); ++i) { // each, whatever the one before said
        const auto& [key, not_after] = keys_[i];
        std::optional<std::size_t>& found = is_after(now, not_after) ? ended : good;
        if (key.accepts(message, find_signatures(scheme_.layout, key.form(), header)) && !found)
            found = i;
    }
    return good ? good : ended;
}

Verdict Verifier::verify(const http::Request& request, Timestamp now) const
{
    const auto header = only_field(request, scheme_.header);
    const auto id = scheme_.id_header.empty() ? std::string_view{} : only_field(request, scheme_.id_header);
    const auto time = header ? timestamp(request, *header) : std::nullopt;
    if (!header || !id || !time)
        return {.why_not = not_authentic};

    if (!ends_where_it_seems_to(*id))
        return {.why_not = scheme_.id_header + " contains what separates it from what is signed beside it"};
    const auto message = fill_message(message_, {.body = request.body, .timestamp = *time, .id = *id});
    const auto second = std::chrono::floor<seconds>(now);
    Verdict verdict{.key = find_key(message, *header, second)};
    if (!verdict.key || is_after(second, keys_[*verdict.key].not_after))
        verdict.why_not = not_authentic;
    else if (scheme_.time)
        verdict.why_not = fault_in_time(*scheme_.time, *time, now);
    verdict.authentic = verdict.why_not.empty();
    return verdict;
}

} // namespace belay::hooks
