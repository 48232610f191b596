#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace belay::config {

/** One kind of signature within a scheme, with the secrets that it is made with. */
struct SignatureForm {
    enum class Algorithm : std::uint8_t {
        equality, ///< no signature: the secret itself is sent
        hmac_sha1,
        hmac_sha256,
        hmac_sha512,
        ed25519 ///< RFC 8032; the secret of the configuration is the sender's public key
    };
    enum class Encoding : std::uint8_t {
        plain,
        hex,      ///< lower-case
        base64,   ///< RFC 4648 §4, padded
        base64url ///< RFC 4648 §5, padded or not
    };

    Algorithm algorithm = Algorithm::hmac_sha256;
    Encoding encoding = Encoding::hex;
    std::string label;         ///< what stands before it: "sha256=", or names it: the "v1" of "v1=…" and of "v1,…"
    std::string secret_prefix; ///< which secrets are of this form, "whsec_"; it is no part of the key
    Encoding secret_encoding = Encoding::plain;
    std::size_t least_key_bytes = 1;
    std::size_t most_key_bytes = 4096;
    std::string private_prefix = {}; ///< of ed25519: as `secret_prefix`, of the private key, which only who signs has

    bool operator==(const SignatureForm&) const = default;
};

/** Where a scheme has the time at which a request was signed, and how old or early that may be. */
struct SignedTime {
    enum class Format : std::uint8_t {
        unix_seconds,
        unix_milliseconds,
        date ///< "Fri 08 Sep 2017 11:24:32 UTC"
    };

    std::string header = {}; ///< "": with the signatures, as the pair `label`
    std::string label = {};
    Format format = Format::unix_seconds;
    std::chrono::seconds tolerance{300}; ///< both ways

    bool operator==(const SignedTime&) const = default;
};

/**
 * How a sender shows that a request is its own: a row of the table of senders.
 *
 * Whatever is checked is the raw body, before anything parses it.
 */
struct Scheme {
    /** How the signature header holds them. */
    enum class Layout : std::uint8_t {
        single,      ///< LABEL SIGNATURE, nothing between
        credentials, ///< LABEL, in any case, blanks, SIGNATURE: RFC 9110 §11.4
        list,        ///< "v1,SIGNATURE v1,SIGNATURE"
        pairs        ///< "t=1492774577,v1=SIGNATURE,v1=SIGNATURE"
    };
    /** A request that is no event, but asks whether this end is what it should be. */
    enum class Challenge : std::uint8_t { none, github_ping, slack_url_verification, discord_ping };

    std::string name;
    std::string header; ///< of the signatures
    Layout layout = Layout::single;
    std::vector<SignatureForm> forms;
    std::string message = "{body}"; ///< what is signed; {body}, {timestamp} and {id} stand for those of the request
    std::optional<SignedTime> time = {};
    std::string id_header = {};        ///< of {id}
    std::string delivery_header = {};  ///< what is the same each time that a sender tries to deliver an event
    std::string delivery_pointer = {}; ///< likewise, where it is in the body: RFC 6901
    std::string event_header = {};     ///< what kind of event it is
    std::string usual_event = {};      ///< of the event header: what most hooks are for
    Challenge challenge = Challenge::none;

    bool operator==(const Scheme&) const = default;
};

/** Of a message that is signed: a text, or what the request has in its place. */
struct MessagePart {
    enum class Kind : std::uint8_t { text, body, timestamp, id } kind = Kind::text;
    std::string text; ///< of a text: at least a character

    bool operator==(const MessagePart&) const = default;
};

/** Of Scheme::message; braces of anything else are text. */
[[nodiscard]] std::vector<MessagePart> parse_message(std::string_view message);

/** The senders that have a name, in the order in which they are documented. */
[[nodiscard]] std::span<const Scheme> known_schemes();

/** @return nullptr if there is none of that name */
[[nodiscard]] const Scheme* find_scheme(std::string_view name);

} // namespace belay::config
