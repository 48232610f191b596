#include "cli/sender.hpp"

#include "base/uuid.hpp"
#include "belayd/config/config.hpp"
#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/secret_key.hpp"
#include "belayd/hooks/signed_time.hpp"
#include "belayd/hooks/signer.hpp"
#include "cli/context.hpp"
#include "cli/trial.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <sysexits.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace belay::cli {
namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

const config::Scheme& scheme_of(const Sender& sender)
{
    const std::string name = sender.scheme.value_or("github");
    const config::Scheme* const scheme = config::find_scheme(name);
    if (scheme == nullptr) {
        std::vector<std::string_view> names;
        for (const config::Scheme& known : config::known_schemes())
            names.push_back(known.name);
        throw Failure{EX_USAGE, fmt::format("--scheme {}: this is none of {}", name, fmt::join(names, ", "))};
    }
    return *scheme;
}

hooks::Signer load_signer(const config::Scheme& scheme, const std::string& file)
{
    config::SecretSource source;
    source.name = std::filesystem::absolute(file).string();
    try {
        std::string secret = hooks::load_secret(source, "");
        const hooks::Wiped wiped{secret};
        return {scheme, secret};
    } catch (const std::invalid_argument& e) {
        throw Failure{EX_USAGE, fmt::format("--secret-file {} {}", file, e.what())};
    } catch (const std::runtime_error& e) {
        throw Failure{EX_USAGE, fmt::format("--secret-file: {}", e.what())};
    }
}

void add_event(const config::Scheme& scheme, const std::optional<std::string>& event, Fields& fields)
{
    if (!scheme.event_header.empty())
        fields.emplace_back(scheme.event_header, event.value_or(scheme.usual_event));
    else if (event)
        throw Failure{
            EX_USAGE, fmt::format("--event {}: {} has no header for that; what kind of event it is stands in the body",
                          *event, scheme.name)};
}

/** @param id of the message that is signed: with those that have one, it is also that of the delivery */
void add_delivery(
    const config::Scheme& scheme, const std::optional<std::string>& delivery, const std::string& id, Fields& fields)
{
    if (!scheme.delivery_header.empty() && scheme.delivery_header != scheme.id_header)
        fields.emplace_back(scheme.delivery_header, id);
    else if (delivery && !scheme.delivery_pointer.empty())
        throw Failure{EX_USAGE, fmt::format("--delivery {}: {} has it in the body, at {}", *delivery, scheme.name,
                                    scheme.delivery_pointer)};
    else if (delivery && scheme.id_header.empty())
        fields.emplace_back("Idempotency-Key", id); // what belayd takes of any sender
}

/** As belayd wants it: any other it refuses, or takes for another id. */
void check_delivery(const std::optional<std::string>& delivery)
{
    const auto is_visible = [](char c) { return c > 0x20 && c < 0x7f; };
    if (delivery && (delivery->empty() || delivery->size() > 255 || !std::ranges::all_of(*delivery, is_visible)))
        throw Failure{EX_USAGE, fmt::format("--delivery \"{}\": an id is 1 to 255 bytes of visible ASCII", *delivery)};
}

} // namespace

Fields make_sender_fields(const Sender& sender, std::string_view body)
{
    check_delivery(sender.delivery);
    const config::Scheme& scheme = scheme_of(sender);
    const std::string id = sender.delivery.value_or(to_string(make_uuid_v7()));
    Fields fields;
    add_event(scheme, sender.event, fields);
    add_delivery(scheme, sender.delivery, id, fields);
    if (sender.secret_file.empty()) {
        if (sender.scheme)
            throw Failure{EX_USAGE, fmt::format("--scheme {} signs: name its secret with --secret-file", scheme.name)};
        return fields;
    }
    const std::string time = scheme.time ? hooks::format_signed_time(scheme.time->format, now()) : "";
    for (auto& field : load_signer(scheme, sender.secret_file).make_fields({.body = body, .timestamp = time, .id = id}))
        fields.push_back(std::move(field));
    return fields;
}

} // namespace belay::cli
