#include "belayd/hooks/signer.hpp"

#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret_key.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace belay::hooks {
namespace {

using config::SignatureForm;
using Algorithm = SignatureForm::Algorithm;
using Layout = config::Scheme::Layout;
using PrivateKey = std::unique_ptr<EVP_PKEY, FreePrivateKey>;
using SentText = std::unique_ptr<std::string, WipeText>;
using SecretKey = std::variant<Mac, PrivateKey, SentText>;

std::string_view prefix_of(const SignatureForm& form) noexcept
{
    return form.algorithm == Algorithm::ed25519 ? form.private_prefix : form.secret_prefix;
}

std::string words_for_private_key(const SignatureForm& form)
{
    return fmt::format("{}{} of {} bytes", form.private_prefix.empty() ? "" : "\"" + form.private_prefix + "\" and ",
        words_for(form.secret_encoding), ed25519_key_bytes);
}

const SignatureForm& form_of(const config::Scheme& scheme, std::string_view secret)
{
    for (const SignatureForm& form : scheme.forms)
        if (form.algorithm == Algorithm::ed25519 && !form.secret_prefix.empty() &&
            secret.starts_with(form.secret_prefix))
            throw std::invalid_argument{
                fmt::format("is a public key, which only verifies: sign with the private one, {}", //
                    words_for_private_key(form))};
    const auto found = std::ranges::find_if(
        scheme.forms, [secret](const SignatureForm& form) { return secret.starts_with(prefix_of(form)); });
    if (found == scheme.forms.end())
        throw std::invalid_argument{fmt::format("is no secret of {}: it begins otherwise", scheme.name)};
    return *found;
}

std::string public_key_of(EVP_PKEY* key)
{
    std::string bytes(ed25519_key_bytes, '\0');
    std::size_t size = bytes.size();
    if (EVP_PKEY_get_raw_public_key(key, reinterpret_cast<unsigned char*>(bytes.data()), &size) != 1)
        throw std::runtime_error{"OpenSSL has no Ed25519"};
    return bytes;
}

PrivateKey make_private_key(const config::Scheme& scheme, const SignatureForm& form, std::string_view secret)
{
    auto bytes = decode(form.secret_encoding, secret.substr(form.private_prefix.size()));
    if (!bytes || (bytes->size() != ed25519_key_bytes && bytes->size() != 2 * ed25519_key_bytes))
        throw std::invalid_argument{
            fmt::format("is no private key of {}, {}", scheme.name, words_for_private_key(form))};
    const Wiped wiped{*bytes};
    PrivateKey key{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(*bytes).data(), ed25519_key_bytes)};
    if (!key)
        throw std::runtime_error{"OpenSSL refuses the secret as an Ed25519 key"};
    if (bytes->size() > ed25519_key_bytes && bytes->substr(ed25519_key_bytes) != public_key_of(key.get()))
        throw std::invalid_argument{"is no private key: its second half is not the public key of the first"};
    return key;
}

SecretKey make_key(const config::Scheme& scheme, const SignatureForm& form, std::string_view secret)
{
    if (form.algorithm == Algorithm::ed25519)
        return make_private_key(scheme, form, secret);
    std::string key = key_of(scheme, form, secret);
    const Wiped wiped{key};
    if (form.algorithm == Algorithm::equality)
        return SentText{new std::string{key}};
    return Mac{hash_of(form.algorithm), key};
}

std::string sign_with(EVP_PKEY* key, const std::vector<std::string_view>& message)
{
    std::string whole; // OpenSSL takes it in one piece
    for (const std::string_view part : message)
        whole += part;
    std::array<unsigned char, 2 * ed25519_key_bytes> signature{};
    std::size_t size = signature.size();
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
    if (!context || EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key) != 1 ||
        EVP_DigestSign(context.get(), signature.data(), &size, bytes_of(whole).data(), whole.size()) != 1)
        throw std::runtime_error{"OpenSSL has no Ed25519"};
    return {signature.begin(), signature.end()};
}

/** Between the label and the signature: what find_signatures() reads. */
std::string_view separator_of(Layout layout) noexcept
{
    switch (layout) {
    case Layout::single:
        break;
    case Layout::credentials:
        return " ";
    case Layout::list:
        return ",";
    case Layout::pairs:
        return "=";
    }
    return "";
}

} // namespace

void FreePrivateKey::operator()(EVP_PKEY* key) const noexcept
{
    EVP_PKEY_free(key); // overwrites it
}

void WipeText::operator()(std::string* text) const noexcept
{
    const std::unique_ptr<std::string> owned{text};
    const Wiped wiped{*owned};
}

Signer::Signer(const config::Scheme& scheme, std::string_view secret)
    : scheme_(scheme), message_(config::parse_message(scheme.message)), form_(form_of(scheme, secret)),
      key_(make_key(scheme, form_, secret))
{
}

std::string Signer::sign(const SignedParts& parts) const
{
    if (const auto* const itself = std::get_if<SentText>(&key_))
        return **itself;
    const auto message = fill_message(message_, parts);
    if (const auto* const mac = std::get_if<Mac>(&key_))
        return encode(form_.encoding, mac->digest(message).view());
    return encode(form_.encoding, bytes_of(sign_with(std::get<PrivateKey>(key_).get(), message)));
}

Signer::Fields Signer::make_fields(const SignedParts& parts, std::string_view signature) const
{
    std::string header = fmt::format("{}{}{}", form_.label, separator_of(scheme_.layout), signature);
    Fields fields;
    if (scheme_.time && scheme_.time->header.empty())
        header = fmt::format("{}={},{}", scheme_.time->label, parts.timestamp, header);
    else if (scheme_.time)
        fields.emplace_back(scheme_.time->header, parts.timestamp);
    if (!scheme_.id_header.empty())
        fields.emplace_back(scheme_.id_header, parts.id);
    fields.emplace_back(scheme_.header, std::move(header));
    return fields;
}

Signer::Fields Signer::make_fields(const SignedParts& parts) const
{
    return make_fields(parts, sign(parts));
}

} // namespace belay::hooks
