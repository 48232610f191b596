#include "belayd/config/custom_scheme.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using Algorithm = SignatureForm::Algorithm;
using Encoding = SignatureForm::Encoding;

/** What the keys are read into. */
struct Custom {
    Scheme scheme;
    SignatureForm form;
    SignedTime time;
};

std::string fault_in_optional_header(const std::string& name)
{
    return name.empty() ? "" : fault_in_header_name(name);
}

std::string fault_in_optional_pointer(const std::string& pointer)
{
    return pointer.empty() ? "" : fault_in_json_pointer(pointer);
}

std::string no_fault(const std::string& /*text*/)
{
    return {};
}

/** Finds what `{` begins and is none of what can stand there. */
std::string fault_in_message(const std::string& message)
{
    std::string rest = message;
    for (const std::string_view place : {"{body}", "{timestamp}", "{id}"})
        for (auto found = rest.find(place); found != std::string::npos; found = rest.find(place))
            rest.erase(found, place.size());
    if (rest.find_first_of("{}") != std::string::npos)
        return "has a brace that is not of {body}, {timestamp} or {id}";
    return message.find("{body}") == std::string::npos ? "has no {body}: anybody could change it" : "";
}

std::vector<Setting<Custom>> make_settings()
{
    const auto in_scheme = [](auto Scheme::* member) {
        return [member](auto& custom) -> auto& { return custom.scheme.*member; };
    };
    const auto in_form = [](auto SignatureForm::* member) {
        return [member](auto& custom) -> auto& { return custom.form.*member; };
    };
    const auto in_time = [](auto SignedTime::* member) {
        return [member](auto& custom) -> auto& { return custom.time.*member; };
    };
    const std::vector<std::string_view> encodings{"plain", "hex", "base64"};
    return {
        text_setting<Custom>("header", in_scheme(&Scheme::header), fault_in_header_name),
        choice_setting<Custom>("layout", in_scheme(&Scheme::layout), {"single", "credentials", "list", "pairs"}),
        text_setting<Custom>("label", in_form(&SignatureForm::label), no_fault),
        choice_setting<Custom>("algorithm", in_form(&SignatureForm::algorithm),
            {"token", "hmac_sha1", "hmac_sha256", "hmac_sha512", "ed25519"}),
        choice_setting<Custom>("encoding", in_form(&SignatureForm::encoding), encodings),
        text_setting<Custom>("secret_prefix", in_form(&SignatureForm::secret_prefix), no_fault),
        choice_setting<Custom>("secret_encoding", in_form(&SignatureForm::secret_encoding), encodings),
        text_setting<Custom>("message", in_scheme(&Scheme::message), fault_in_message),
        text_setting<Custom>("timestamp_header", in_time(&SignedTime::header), fault_in_optional_header),
        text_setting<Custom>("timestamp_label", in_time(&SignedTime::label), no_fault),
        choice_setting<Custom>("timestamp_format", in_time(&SignedTime::format), {"unix_seconds", "date"}),
        text_setting<Custom>("id_header", in_scheme(&Scheme::id_header), fault_in_optional_header),
        text_setting<Custom>("delivery_header", in_scheme(&Scheme::delivery_header), fault_in_optional_header),
        text_setting<Custom>("delivery_pointer", in_scheme(&Scheme::delivery_pointer), fault_in_optional_pointer),
    };
}

const std::vector<Setting<Custom>>& settings()
{
    static const auto made = make_settings();
    return made;
}

/** What is wrong with the whole: a phrase with its remedy. */
std::vector<std::string> faults_in(const Custom& custom)
{
    const bool signs = custom.form.algorithm != Algorithm::equality;
    const bool has_time = !custom.time.header.empty() || !custom.time.label.empty();
    const auto signs_part = [&](const char* part) { return custom.scheme.message.find(part) != std::string::npos; };
    std::vector<std::string> faults;
    if (!custom.time.header.empty() && !custom.time.label.empty())
        faults.emplace_back("timestamp_header and timestamp_label exclude each other");
    if (!custom.time.label.empty() && custom.scheme.layout != Scheme::Layout::pairs)
        faults.emplace_back("timestamp_label is the name of a pair: it needs layout = \"pairs\"");
    if (has_time != signs_part("{timestamp}"))
        faults.emplace_back(has_time ? "the timestamp is not signed: put {timestamp} where it is in message"
                                     : "message has a {timestamp}: say timestamp_header or timestamp_label");
    if (custom.scheme.id_header.empty() == signs_part("{id}"))
        faults.emplace_back("id_header and the {id} of message need each other");
    if (!signs && (custom.form.encoding != Encoding::plain || custom.scheme.message != "{body}"))
        faults.emplace_back("a token is sent as it is: encoding = \"plain\", and no message");
    if (signs && custom.form.encoding == Encoding::plain)
        faults.emplace_back("a signature is not sent as it is: encoding = \"hex\" or \"base64\"");
    if (custom.form.algorithm == Algorithm::ed25519 && custom.form.secret_encoding == Encoding::plain)
        faults.emplace_back("a public key is not written as it is: secret_encoding = \"hex\" or \"base64\"");
    return faults;
}

Custom take_apart(const Scheme& scheme)
{
    return {scheme, scheme.forms.front(), scheme.time.value_or(SignedTime{})};
}

} // namespace

std::vector<std::string_view> custom_scheme_keys()
{
    std::vector<std::string_view> keys;
    for (const auto& setting : settings())
        keys.push_back(setting.name);
    return keys;
}

std::optional<Scheme> read_custom_scheme(const Node& auth, Problems& problems)
{
    Custom custom;
    custom.scheme.name = custom_scheme_name;
    for (const auto& setting : settings())
        if (const auto* const member = auth.find(setting.name))
            setting.read(member->value, custom, problems);
    auto faults = faults_in(custom);
    if (auth.find("header") == nullptr)
        faults.emplace_back("a custom scheme needs header = \"…\", where the signature is");
    for (const std::string& fault : faults)
        problems.add(auth.origin, fault);
    if (!faults.empty() || custom.scheme.header.empty())
        return std::nullopt;
    custom.scheme.forms = {custom.form};
    if (!custom.time.header.empty() || !custom.time.label.empty())
        custom.scheme.time = custom.time;
    return custom.scheme;
}

std::string write_custom_scheme(const Scheme& scheme)
{
    const Custom custom = take_apart(scheme);
    const Custom defaults;
    std::string text;
    for (const auto& setting : settings())
        if (const std::string value = setting.write(custom); value != setting.write(defaults))
            text += fmt::format(", {} = {}", setting.name, value);
    return text;
}

} // namespace belay::config
