#pragma once
#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/secret_key.hpp"

#include <openssl/evp.h>

#include <memory>
#include <stdexcept>
#include <string>

namespace belay::hooks {

/** A secret as who signs is given it, and as who verifies is: the same, but where the key is public. */
struct KeyPair {
    std::string to_sign;
    std::string to_verify;
};

/** @param bytes 32, at random */
inline KeyPair make_key_pair(const config::SignatureForm& form, const std::string& bytes)
{
    using Form = config::SignatureForm;
    const auto encoded = [&form](const std::string& key) { return encode(form.secret_encoding, bytes_of(key)); };
    if (form.algorithm != Form::Algorithm::ed25519) {
        const bool is_text = form.secret_encoding == Form::Encoding::plain;
        const std::string secret = form.secret_prefix + (is_text ? to_hex(bytes_of(bytes)) : encoded(bytes));
        return {secret, secret};
    }
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(bytes).data(), bytes.size()), &EVP_PKEY_free};
    std::string public_key(ed25519_key_bytes, '\0');
    std::size_t size = public_key.size();
    if (!key || EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(public_key.data()), &size) != 1)
        throw std::runtime_error{"OpenSSL has no Ed25519"};
    return {form.private_prefix + encoded(bytes), form.secret_prefix + encoded(public_key)};
}

} // namespace belay::hooks
