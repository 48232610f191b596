#include "belayd/hooks/verifier.hpp"

#include "belayd/hooks/signature_header.hpp"
#include "belayd/hooks/signed_time.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <utility>

namespace belay::hooks {
namespace {

using std::chrono::seconds;

/** The same words for every way not to be authentic: they must not tell which. */
constexpr const char* not_authentic = "the request is not signed with a secret of this hook";

/** The value of the one header of that name; twice is as good as not at all, since others may read the other one. */
std::optional<std::string_view> only_field(const http::Request& request, const std::string& name)
{
    return request.count(name) == 1 ? request.field(name) : std::nullopt;
}

/** "" within the tolerance.  Told to who could sign: what to mend is a clock, or what keeps a request this long. */
std::string fault_in_age(seconds age, seconds tolerance)
{
    if (age > tolerance)
        return fmt::format("the request was signed {} s ago, {} s are allowed", age.count(), tolerance.count());
    if (-age > tolerance)
        return fmt::format("the request was signed {} s from now, {} s are allowed: one of the clocks is wrong",
            -age.count(), tolerance.count());
    return {};
}

} // namespace

Verifier::Verifier(config::Scheme scheme, std::vector<SenderKey> keys)
    : scheme_(std::move(scheme)), message_(parse_message(scheme_.message)), keys_(std::move(keys))
{
}

std::vector<Verifier::Part> Verifier::parse_message(std::string_view text)
{
    constexpr std::array<std::pair<std::string_view, Part::Kind>, 3> places{
        {{"{body}", Part::Kind::body}, {"{timestamp}", Part::Kind::timestamp}, {"{id}", Part::Kind::id}}};
    std::vector<Part> parts;
    while (!text.empty()) {
        std::size_t taken = 0;
        for (const auto& [place, kind] : places)
            if (text.starts_with(place)) {
                parts.push_back({kind, {}});
                taken = place.size();
            }
        if (taken == 0) {
            taken = std::min(text.find('{', 1), text.size());
            parts.push_back({Part::Kind::text, std::string{text.substr(0, taken)}});
        }
        text.remove_prefix(taken);
    }
    return parts;
}

std::optional<std::string_view> Verifier::timestamp(const http::Request& request, std::string_view signatures) const
{
    if (!scheme_.time)
        return std::string_view{};
    return scheme_.time->header.empty() ? find_pair(scheme_.time->label, signatures)
                                        : only_field(request, scheme_.time->header);
}

Verifier::Verdict Verifier::verify(const http::Request& request, std::chrono::sys_seconds now) const
{
    const auto header = only_field(request, scheme_.header);
    const auto id = scheme_.id_header.empty() ? std::string_view{} : only_field(request, scheme_.id_header);
    const auto time = header ? timestamp(request, *header) : std::nullopt;
    if (!header || !id || !time)
        return {std::nullopt, not_authentic};

    std::vector<std::string_view> message;
    for (const Part& part : message_)
        message.push_back(part.kind == Part::Kind::body        ? request.body
                          : part.kind == Part::Kind::timestamp ? *time
                          : part.kind == Part::Kind::id        ? *id
                                                               : std::string_view{part.text});
    Verdict verdict;
    for (std::size_t i = 0; i < keys_.size(); ++i) { // each, whatever the one before said
        const auto signatures = find_signatures(scheme_.layout, keys_[i].form(), *header);
        if (keys_[i].accepts(message, signatures) && !verdict.key)
            verdict.key = i;
    }
    if (!verdict.key) {
        verdict.why_not = not_authentic;
    } else if (scheme_.time) {
        const auto signed_at = parse_signed_time(scheme_.time->format, *time);
        verdict.why_not = signed_at ? fault_in_age(now - *signed_at, scheme_.time->tolerance)
                                    : "the time at which the request was signed is malformed";
        if (!verdict.why_not.empty())
            verdict.key.reset();
    }
    return verdict;
}

} // namespace belay::hooks
