#pragma once
#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string_view>

struct evp_mac_ctx_st; // OpenSSL's EVP_MAC_CTX

namespace belay::hooks {

struct FreeMacContext {
    void operator()(evp_mac_ctx_st* context) const noexcept;
};
using MacContext = std::unique_ptr<evp_mac_ctx_st, FreeMacContext>;

/** Room for one context that is used again and again.  Threads: take() and put() any; moving none beside. */
class SpareMacContext {
public:
    SpareMacContext() noexcept = default;
    SpareMacContext(SpareMacContext&& other) noexcept;
    SpareMacContext& operator=(SpareMacContext&& other) noexcept;
    SpareMacContext(const SpareMacContext&) = delete;
    SpareMacContext& operator=(const SpareMacContext&) = delete;
    ~SpareMacContext() { (void)take(); }

    /** Null while another thread has it. */
    [[nodiscard]] MacContext take() noexcept;
    void put(MacContext context) noexcept;

private:
    std::atomic<evp_mac_ctx_st*> context_ = nullptr;
};

/** What an HMAC says of a message: as long as its hash, up to 64 bytes. */
struct Digest {
    std::array<unsigned char, 64> bytes{};
    std::size_t size = 0;

    [[nodiscard]] std::span<const unsigned char> view() const noexcept { return {bytes.data(), size}; }
};

/** RFC 2104's HMAC, keyed once: a digest costs little more than hashing the message.  Thread-safe. */
class Mac {
public:
    /** @param hash "SHA1", "SHA256" or "SHA512" */
    Mac(std::string_view hash, std::string_view key);

    /** @param message in parts, so that none is copied */
    [[nodiscard]] Digest digest(std::span<const std::string_view> message) const;

private:
    MacContext keyed_;              // only ever duplicated
    mutable SpareMacContext spare_; // a duplicate, ready for the next message: to make one costs as much as a short one
};

} // namespace belay::hooks
