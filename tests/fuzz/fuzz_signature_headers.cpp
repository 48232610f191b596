// Signatures of every sender, and of custom ones: nobody who has no key forges one, what is signed with the key is
// taken for what it is, and for nothing else.
#include "belayd/config/load.hpp"
#include "belayd/hooks/signer.hpp"
#include "belayd/hooks/verifier.hpp"
#include "tests/belayd/hooks/key_pair.hpp"
#include "tests/fuzz/custom_schemes.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <openssl/rand.h>

#include <array>
#include <cctype>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace belay::fuzz {
namespace {

using config::MessagePart;
using config::Scheme;

constexpr std::chrono::sys_seconds now{std::chrono::seconds{1'700'000'000}};

/** One sender with one key, from both ends. */
struct Sender {
    std::string name; ///< "svix", and "svix1" with its second form of signatures
    Scheme scheme;
    hooks::Signer signer;
    hooks::Verifier verifier;
};

Sender make_sender(std::string name, const Scheme& scheme, const config::SignatureForm& form)
{
    std::array<unsigned char, 32> bytes{};
    expect(RAND_bytes(bytes.data(), bytes.size()) == 1, "no random bytes");
    const auto secrets = hooks::make_key_pair(form, {bytes.begin(), bytes.end()});
    std::vector<hooks::Verifier::Key> keys;
    keys.push_back({hooks::SenderKey{scheme, secrets.to_verify}, std::nullopt});
    return {std::move(name), scheme, hooks::Signer{scheme, secrets.to_sign}, {scheme, std::move(keys)}};
}

bool signs(const Sender& sender)
{
    return sender.signer.form().algorithm != config::SignatureForm::Algorithm::equality;
}

std::deque<Sender> make_senders()
{
    std::vector<Scheme> schemes(config::known_schemes().begin(), config::known_schemes().end());
    for (const auto& [name, hook] : config::parse_config(custom_schemes, "custom.toml").hooks) {
        schemes.push_back(hook.auth.scheme);
        schemes.back().name = name;
    }
    std::deque<Sender> senders;
    for (const Scheme& scheme : schemes) {
        for (std::size_t i = 0; i < scheme.forms.size(); ++i)
            senders.push_back(make_sender(scheme.name + (i > 0 ? std::to_string(i) : ""), scheme, scheme.forms[i]));
    }
    return senders;
}

/** What a header can have in the end: visible ASCII, blanks within, what is above ASCII. */
std::string field_value(std::string_view text)
{
    std::string value;
    for (const char c : text)
        if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f))
            value += c;
    const auto begin = std::min(value.find_first_not_of(" \t"), value.size());
    return value.substr(begin, value.find_last_not_of(" \t") + 1 - begin);
}

/** What a sender signs. */
struct Parts {
    std::string id;
    std::string timestamp;
    std::string body;

    bool operator==(const Parts&) const = default;
    [[nodiscard]] hooks::SignedParts view() const { return {.body = body, .timestamp = timestamp, .id = id}; }
};

std::string message_of(const Scheme& scheme, const Parts& parts)
{
    std::string message;
    for (const auto& part : config::parse_message(scheme.message))
        message += part.kind == MessagePart::Kind::body        ? parts.body
                   : part.kind == MessagePart::Kind::timestamp ? parts.timestamp
                   : part.kind == MessagePart::Kind::id        ? parts.id
                                                               : part.text;
    return message;
}

/** What a sender sends.  Its views point into itself and into `parts`. */
struct Sent {
    Sent(const Sender& sender, const Parts& parts, std::string_view signature)
        : texts(sender.signer.make_fields(parts.view(), signature))
    {
        for (const auto& [name, value] : texts)
            fields.push_back({name, value});
        request.body = parts.body;
    }

    hooks::Signer::Fields texts;
    std::vector<http::Field> fields;
    http::Request request;
};

hooks::Verdict verify(const Sender& sender, const Parts& parts, std::string_view signature)
{
    Sent sent{sender, parts, signature};
    sent.request.fields = sent.fields;
    return sender.verifier.verify(sent.request, now);
}

/** Others may read the other one. */
void say_twice(const Sender& sender, const Parts& parts, std::string_view signature)
{
    Sent sent{sender, parts, signature};
    for (const http::Field field : std::vector{sent.fields}) {
        sent.fields.push_back({field.name, "another"});
        sent.request.fields = sent.fields;
        expect(!sender.verifier.verify(sent.request, now).authentic, "a header that is there twice", sender.name);
        sent.fields.pop_back();
    }
}

/** @param unit how many there are in a second */
bool is_number_in_time(const std::string& text, long long unit)
{
    for (const char c : text)
        if (std::isdigit(static_cast<unsigned char>(c)) == 0)
            return false;
    const auto count = text.empty() || text.size() > 15 ? 0 : std::stoll(text);
    return std::abs(count - unit * now.time_since_epoch().count()) <= 300 * unit;
}

/** Every other reading of a signed message, from part `i` on: each must be refused, or it could be sent instead. */
class Readings {
public:
    Readings(const Sender& sender, const Parts& signed_parts, std::string_view signature)
        : sender_(sender), signed_(signed_parts), signature_(signature), //
          parts_(config::parse_message(sender.scheme.message))
    {
    }

    void try_all()
    {
        if (const std::string message = message_of(sender_.scheme, signed_); message.size() <= longest)
            go_on(0, message);
    }

private:
    // Few of many would be found in a longer one that are not in a shorter one.
    static constexpr std::size_t longest = 512;
    static constexpr int most_tries = 200;

    void go_on(std::size_t i, const std::string& rest)
    {
        if (i == parts_.size()) {
            if (rest.empty())
                try_one();
            return;
        }
        if (parts_[i].kind == MessagePart::Kind::text) {
            if (rest.starts_with(parts_[i].text))
                go_on(i + 1, rest.substr(parts_[i].text.size()));
            return;
        }
        std::string& part = parts_[i].kind == MessagePart::Kind::body        ? reading_.body
                            : parts_[i].kind == MessagePart::Kind::timestamp ? reading_.timestamp
                                                                             : reading_.id;
        const std::size_t least = i + 1 == parts_.size() ? rest.size() : 0;
        for (std::size_t length = rest.size() + 1; length-- > least && tries_ < most_tries;) {
            part = rest.substr(0, length);
            if (parts_[i].kind == MessagePart::Kind::body || field_value(part) == part)
                go_on(i + 1, rest.substr(length));
        }
    }

    void try_one()
    {
        ++tries_;
        if (reading_ != signed_)
            expect(!verify(sender_, reading_, signature_).authentic, "what was signed can be read in two ways",
                sender_.name + "\n" + reading_.id + "\n" + reading_.timestamp + "\n" + reading_.body);
    }

    const Sender& sender_;
    const Parts& signed_;
    std::string_view signature_;
    std::vector<MessagePart> parts_;
    Parts reading_;
    int tries_ = 0;
};

/** Without a key. */
void forge(const std::deque<Sender>& senders, std::string_view head, std::string_view body)
{
    std::deque<std::string> texts;
    std::vector<http::Field> fields;
    while (!head.empty()) {
        const auto line = take_line(head);
        const auto colon = std::min(line.find(':'), line.size());
        texts.push_back(field_value(line.substr(std::min(colon + 1, line.size()))));
        fields.push_back({line.substr(0, colon), texts.back()});
    }
    http::Request request;
    request.fields = fields;
    request.body = body;
    for (const Sender& sender : senders) {
        const auto verdict = sender.verifier.verify(request, now);
        expect(!verdict.authentic && !verdict.key, "a signature without a key", sender.name);
        expect(!verdict.why_not.empty(), "a refusal that says nothing", sender.name);
    }
}

/** With the key. */
void send(const Sender& sender, Parts parts)
{
    if (sender.scheme.id_header.empty())
        parts.id.clear();
    if (!sender.scheme.time)
        parts.timestamp.clear();
    std::string signature = sender.signer.sign(parts.view());
    const auto verdict = verify(sender, parts, signature);
    using Format = config::SignedTime::Format;
    if (sender.scheme.time && sender.scheme.time->format != Format::date && verdict.authentic)
        expect(is_number_in_time(parts.timestamp, sender.scheme.time->format == Format::unix_milliseconds ? 1000 : 1),
            "what is signed too long ago", parts.timestamp);
    if (sender.scheme.id_header.empty() && !sender.scheme.time)
        expect(verdict.authentic, "what is signed is refused", sender.name + "\n" + verdict.why_not);
    if (verdict.authentic && signs(sender))
        Readings{sender, parts, signature}.try_all();
    if (verdict.authentic)
        say_twice(sender, parts, signature);
    signature.back() = signature.back() == '0' ? '1' : '0';
    expect(!verify(sender, parts, signature).key, "a signature that was changed", sender.name);
}

} // namespace
} // namespace belay::fuzz

/** The name of a sender, a message id and a time, in lines of their own; then a request: head, blank line, body. */
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay::fuzz;
    static const auto senders = make_senders();
    std::string_view text = text_of(data, size);
    const std::string_view name = take_line(text);
    const std::string id = field_value(take_line(text));
    const std::string timestamp = field_value(take_line(text));
    const auto end_of_head = std::min(text.find("\n\n"), text.size());
    const std::string_view body = text.substr(std::min(end_of_head + 2, text.size()));
    forge(senders, text.substr(0, end_of_head), body);
    for (const Sender& sender : senders)
        if (sender.name == name)
            send(sender, {id, timestamp, std::string{body}});
    return 0;
}
