#include "belayd/hooks/mac.hpp"

#include "belayd/hooks/encoding.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace belay::hooks {
namespace {

MacContext make_context(std::string_view hash)
{
    const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac{
        EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr), &EVP_MAC_free};
    MacContext context{mac ? EVP_MAC_CTX_new(mac.get()) : nullptr};
    std::string name{hash};
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name.data(), 0), OSSL_PARAM_construct_end()};
    if (!context || EVP_MAC_CTX_set_params(context.get(), parameters.data()) != 1)
        throw std::runtime_error{"OpenSSL has no HMAC with " + name};
    return context;
}

} // namespace

void FreeMacContext::operator()(EVP_MAC_CTX* context) const noexcept
{
    EVP_MAC_CTX_free(context); // overwrites the key
}

SpareMacContext::SpareMacContext(SpareMacContext&& other) noexcept : context_(other.take().release()) {}

SpareMacContext& SpareMacContext::operator=(SpareMacContext&& other) noexcept
{
    put(other.take());
    return *this;
}

MacContext SpareMacContext::take() noexcept
{
    return MacContext{context_.exchange(nullptr, std::memory_order_acq_rel)};
}

void SpareMacContext::put(MacContext context) noexcept
{
    const MacContext other{context_.exchange(context.release(), std::memory_order_acq_rel)}; // of two, one is kept
}

Mac::Mac(std::string_view hash, std::string_view key) : keyed_(make_context(hash))
{
    if (EVP_MAC_init(keyed_.get(), bytes_of(key).data(), key.size(), nullptr) != 1)
        throw std::runtime_error{"OpenSSL refuses the secret as an HMAC key"};
}

Digest Mac::digest(std::span<const std::string_view> message) const
{
    MacContext context = spare_.take();
    if (!context)
        context.reset(EVP_MAC_CTX_dup(keyed_.get()));
    bool good = context != nullptr;
    for (const std::string_view part : message)
        good = good && EVP_MAC_update(context.get(), bytes_of(part).data(), part.size()) == 1;
    Digest digest;
    if (!good || EVP_MAC_final(context.get(), digest.bytes.data(), &digest.size, digest.bytes.size()) != 1)
        throw std::runtime_error{"OpenSSL failed to compute an HMAC"};
    if (EVP_MAC_init(context.get(), nullptr, 0, nullptr) == 1) // with the key that it has
        spare_.put(std::move(context));
    return digest;
}

} // namespace belay::hooks
