#include "belayd/config/custom_scheme.hpp"

#include "belayd/config/checks.hpp"
#include "belayd/config/settings.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>

#include <algorithm>

namespace belay::config {
namespace {

using Algorithm = SignatureForm::Algorithm;
using Encoding = SignatureForm::Encoding;
using Layout = Scheme::Layout;

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

/** What stands before a signature. */
std::string fault_in_label(const std::string& label)
{
    const bool sound = std::ranges::all_of(label, [](char c) { return c >= 0x20 && c < 0x7f; });
    return sound && !label.starts_with(' ') ? "" : "is not what a header can begin with";
}

std::string fault_in_prefix(const std::string& prefix)
{
    return std::ranges::all_of(prefix, [](char c) { return c > 0x20 && c < 0x7f; }) ? "" : "is not visible ASCII";
}

std::string fault_in_message(const std::string& message)
{
    using Kind = MessagePart::Kind;
    const auto parts = parse_message(message);
    const auto is = [&parts](std::size_t i, Kind kind) { return i < parts.size() && parts[i].kind == kind; };
    bool has_body = false;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        has_body = has_body || is(i, Kind::body);
        if (parts[i].text.find_first_of("{}") != std::string::npos)
            return "has a brace that is not of {body}, {timestamp} or {id}";
        if (is(i, Kind::id) && ((i > 0 && !is(i - 1, Kind::text)) || (i + 1 < parts.size() && !is(i + 1, Kind::text))))
            return "has nothing between {id} and what is beside it: who sends it could move the one into the other";
    }
    return has_body ? "" : "has no {body}: anybody could change it";
}

std::vector<Setting<Custom>> make_custom_settings()
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
    const std::vector<std::string_view> encodings{"plain", "hex", "base64", "base64url"};
    return {
        text_setting<Custom>("header", in_scheme(&Scheme::header), fault_in_header_name),
        choice_setting<Custom>("layout", in_scheme(&Scheme::layout), {"single", "credentials", "list", "pairs"}),
        text_setting<Custom>("label", in_form(&SignatureForm::label), fault_in_label),
        choice_setting<Custom>("algorithm", in_form(&SignatureForm::algorithm),
            {"token", "hmac_sha1", "hmac_sha256", "hmac_sha512", "ed25519"}),
        choice_setting<Custom>("encoding", in_form(&SignatureForm::encoding), encodings),
        text_setting<Custom>("secret_prefix", in_form(&SignatureForm::secret_prefix), fault_in_prefix),
        choice_setting<Custom>("secret_encoding", in_form(&SignatureForm::secret_encoding), encodings),
        text_setting<Custom>("message", in_scheme(&Scheme::message), fault_in_message),
        text_setting<Custom>("timestamp_header", in_time(&SignedTime::header), fault_in_optional_header),
        text_setting<Custom>("timestamp_label", in_time(&SignedTime::label), fault_in_label),
        choice_setting<Custom>(
            "timestamp_format", in_time(&SignedTime::format), {"unix_seconds", "unix_milliseconds", "date"}),
        text_setting<Custom>("id_header", in_scheme(&Scheme::id_header), fault_in_optional_header),
        text_setting<Custom>("delivery_header", in_scheme(&Scheme::delivery_header), fault_in_optional_header),
        text_setting<Custom>("delivery_pointer", in_scheme(&Scheme::delivery_pointer), fault_in_optional_pointer),
    };
}

const std::vector<Setting<Custom>>& settings()
{
    static const auto made = make_custom_settings();
    return made;
}

/** Of an element of a header. */
bool is_name(std::string_view label)
{
    return !label.empty() && label.find_first_of(" ,;=") == std::string_view::npos;
}

void find_faults_in_layout(const Custom& custom, std::vector<std::string>& faults)
{
    const Layout layout = custom.scheme.layout;
    if (layout != Layout::single && !is_name(custom.form.label))
        faults.emplace_back("with this layout label = \"…\" is the name of the signature, without any of \" ,;=\"");
    if (custom.time.label.empty())
        return;
    if (layout != Layout::pairs)
        faults.emplace_back("timestamp_label is the name of a pair: it needs layout = \"pairs\"");
    else if (!is_name(custom.time.label) || custom.time.label == custom.form.label)
        faults.emplace_back("timestamp_label is no name, or that of the signature");
}

void find_faults_in_message(const Custom& custom, std::vector<std::string>& faults)
{
    const bool has_time = !custom.time.header.empty() || !custom.time.label.empty();
    const auto signs_part = [&](const char* part) { return custom.scheme.message.find(part) != std::string::npos; };
    if (!custom.time.header.empty() && !custom.time.label.empty())
        faults.emplace_back("timestamp_header and timestamp_label exclude each other");
    if (has_time != signs_part("{timestamp}"))
        faults.emplace_back(has_time ? "the timestamp is not signed: put {timestamp} where it is in message"
                                     : "message has a {timestamp}: say timestamp_header or timestamp_label");
    if (!has_time && custom.time.format != SignedTime::Format::unix_seconds)
        faults.emplace_back("timestamp_format means nothing without timestamp_header or timestamp_label");
    for (const std::string& header : {custom.time.header, custom.scheme.id_header})
        if (!header.empty() && boost::beast::iequals(header, custom.scheme.header))
            faults.emplace_back(header + " has the signature: it cannot sign itself");
    if (custom.scheme.id_header.empty() == signs_part("{id}"))
        faults.emplace_back("id_header and the {id} of message need each other");
}

void find_faults_in_algorithm(const Custom& custom, std::vector<std::string>& faults)
{
    const SignatureForm& form = custom.form;
    const bool sends_secret = form.algorithm == Algorithm::equality;
    const bool is_plain = form.encoding == Encoding::plain && form.secret_encoding == Encoding::plain &&
                          form.secret_prefix.empty() && custom.scheme.message == "{body}" &&
                          (custom.scheme.layout == Layout::single || custom.scheme.layout == Layout::credentials);
    if (sends_secret && !is_plain)
        faults.emplace_back(
            "a token is sent as it is: encoding = \"plain\", in no list, and nothing of how it is written or signs");
    if (!sends_secret && form.encoding == Encoding::plain)
        faults.emplace_back("a signature is not sent as it is: encoding = \"hex\", \"base64\" or \"base64url\"");
    if (form.algorithm == Algorithm::ed25519 && form.secret_encoding == Encoding::plain)
        faults.emplace_back(
            "a public key is not written as it is: secret_encoding = \"hex\", \"base64\" or \"base64url\"");
}

/** What is wrong with the whole, each with its remedy. */
std::vector<std::string> faults_in(const Custom& custom)
{
    std::vector<std::string> faults;
    find_faults_in_layout(custom, faults);
    find_faults_in_message(custom, faults);
    find_faults_in_algorithm(custom, faults);
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
    const std::size_t before = problems.count();
    for (const auto& setting : settings())
        if (const auto* const member = auth.find(setting.name))
            setting.read(member->value, custom, problems);
    if (problems.count() != before)
        return std::nullopt; // the rest would be judged by what was not meant
    auto faults = faults_in(custom);
    if (custom.scheme.header.empty())
        faults.emplace_back("a custom scheme needs header = \"…\", where the signature is");
    for (const std::string& fault : faults)
        problems.add(auth.origin, fault);
    if (!faults.empty())
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
