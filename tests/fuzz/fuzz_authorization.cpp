// What an Authorization header may hold, a JSON Web Token or a user with a password, and the files of keys and of users
// that it is held against: nobody who has no key is taken for who has one, and what is read can be used.
#include "belayd/config/jwt_rules.hpp"
#include "belayd/hooks/credentials.hpp"
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/passwords.hpp"
#include "belayd/hooks/token_verifier.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <chrono>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace belay::fuzz {
namespace {

using namespace std::chrono_literals;
using hooks::JwtKey;
using hooks::TokenVerifier;

constexpr std::chrono::sys_seconds now{1'700'000'000s};
constexpr std::chrono::sys_seconds much_later{2'000'000'000s};
constexpr std::string_view secret = "0123456789abcdef0123456789abcdef";

// RFC 7515 A.3, RFC 8037 A.2
constexpr std::string_view public_keys =
    R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
    R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},)"
    R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})";

TokenVerifier make_verifier(const char* issuer)
{
    config::JwtRules rules;
    rules.issuer = issuer;
    rules.audience = {"a"};
    std::vector<TokenVerifier::Key> keys;
    keys.push_back({JwtKey::from_secret(secret), 0, {}});
    for (JwtKey& key : hooks::parse_key_set(public_keys))
        keys.push_back({std::move(key), 1, {}});
    return {std::move(rules), std::move(keys)};
}

hooks::Verdict verify(
    const TokenVerifier& verifier, const std::string& authorization, std::chrono::sys_seconds when = now)
{
    const http::Field field{"Authorization", authorization};
    http::Request request;
    request.fields = {&field, 1};
    return verifier.verify(request, when);
}

std::string encode(std::string_view bytes)
{
    return hooks::to_base64url(hooks::bytes_of(bytes));
}

/** With the secret, whatever the header and the claims are. */
void sign(std::string_view header, std::string_view claims)
{
    static const TokenVerifier ours = make_verifier("i");
    static const TokenVerifier of_another = make_verifier("j");
    static const hooks::Mac mac{"SHA256", secret};
    const std::string message = encode(header) + "." + encode(claims);
    const std::string_view view = message;
    const hooks::Digest digest = mac.digest({&view, 1});
    std::string token =
        "Bearer " + message + "." + encode({reinterpret_cast<const char*>(digest.bytes.data()), digest.size});
    const bool authentic = verify(ours, token).authentic;
    if (!authentic)
        return;
    expect(header.find("HS256") != std::string_view::npos || header.find('\\') != std::string_view::npos,
        "another algorithm than the key's", token);
    expect(!verify(of_another, token).authentic, "a token of two issuers", token);
    expect(!verify(ours, token, much_later).authentic || claims.find("exp") != std::string_view::npos,
        "a token without an end", token);
    const auto dot = token.rfind('.');
    token[dot + 1] = token[dot + 1] == 'A' ? 'B' : 'A';
    expect(!verify(ours, token).key, "a signature that was changed", token);
}

/** By somebody who has no key. */
void forge(const std::string& authorization)
{
    static const TokenVerifier ours = make_verifier("i");
    expect(!verify(ours, authorization).key, "a token that nobody has signed", authorization);
    (void)hooks::parse_credentials(authorization);
}

void read_keys(std::string_view text)
{
    std::vector<std::string> skipped;
    try {
        for (const JwtKey& key : hooks::parse_key_set(text, &skipped)) {
            expect(key.algorithm() != JwtKey::Algorithm::hs256, "a secret in a set of public keys");
            for (const std::size_t size : {0U, 1U, 64U, 256U})
                expect(!key.accepts("message", std::string(size, 'x')), "a signature that is none");
        }
    } catch (const std::invalid_argument&) {
    }
    for (const auto read : {JwtKey::from_pem, JwtKey::from_secret})
        try {
            (void)read(text);
        } catch (const std::invalid_argument&) {
        }
}

void read_users(std::string_view text)
{
    try {
        const hooks::PasswordFile users{text};
    } catch (const std::invalid_argument&) {
    }
}

} // namespace
} // namespace belay::fuzz

/** "sign", then a token's header and its claims; or "keys" or "users" and a file; else an Authorization field. */
int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay::fuzz;
    std::string_view text = text_of(data, size);
    const std::string whole{text};
    const std::string_view what = take_line(text);
    if (what == "sign") {
        const std::string_view header = take_line(text);
        sign(header, text);
    } else if (what == "keys") {
        read_keys(text);
    } else if (what == "users") {
        read_users(text);
    } else {
        forge(whole);
    }
    return 0;
}
