#include "belayd/hooks/signature.hpp"

#include "base/unique_fd.hpp"

#include <fmt/format.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <vector>

namespace belay::hooks {
namespace {

constexpr std::size_t max_secret_bytes = 4096;
constexpr std::string_view prefix = "sha256=";

using Digest = SigningKey::Digest;
using SignatureText = std::array<char, prefix.size() + 2 * std::tuple_size_v<Digest>>;

[[noreturn]] void refuse(const config::SecretSource& source, std::string_view why)
{
    throw std::runtime_error{fmt::format("{} {}", describe(source), why)};
}

[[noreturn]] void refuse(const config::SecretSource& source, const char* why, int error)
{
    throw std::system_error{error, std::generic_category(), fmt::format("{} {}", describe(source), why)};
}

/** Reads at most one byte more than a secret may have. */
std::string read_limited(int fd, const config::SecretSource& source)
{
    std::string text(max_secret_bytes + 2, '\0'); // with its newline
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(fd, text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            refuse(source, "cannot be read", errno);
        if (got == 0)
            break;
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

std::string read_file(const std::string& path, const config::SecretSource& source)
{
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        refuse(source, "cannot be opened", errno);
    const UniqueFd fd{opened};
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0)
        refuse(source, "cannot be examined", errno);
    if (!S_ISREG(status.st_mode))
        refuse(source, "is not a regular file");
    if ((status.st_mode & S_IRWXO) != 0)
        refuse(source, fmt::format("is open to every user of this host: chmod o= {}", path));
    return read_limited(fd.get(), source);
}

std::string read_source(const config::SecretSource& source, const std::string& config_directory)
{
    switch (source.kind) {
    case config::SecretSource::Kind::file:
        return read_file((std::filesystem::path{config_directory} / source.name).string(), source);
    case config::SecretSource::Kind::credential: {
        const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
        if (directory == nullptr || *directory == '\0')
            refuse(source, "cannot be had: $CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit");
        return read_file((std::filesystem::path{directory} / source.name).string(), source);
    }
    case config::SecretSource::Kind::environment:
        break;
    }
    const char* value = std::getenv(source.name.c_str());
    if (value == nullptr)
        refuse(source, "is not set");
    return value;
}

using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMacContext>;

/** HMAC-SHA256 without a key. */
MacContext make_context()
{
    const std::unique_ptr<EVP_MAC, decltype(&EVP_MAC_free)> mac{
        EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr), &EVP_MAC_free};
    MacContext context{mac ? EVP_MAC_CTX_new(mac.get()) : nullptr};
    std::string digest = "SHA256";
    const std::array parameters{
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest.data(), 0), OSSL_PARAM_construct_end()};
    if (!context || EVP_MAC_CTX_set_params(context.get(), parameters.data()) != 1)
        throw std::runtime_error{"OpenSSL has no HMAC-SHA256"};
    return context;
}

const unsigned char* bytes_of(std::string_view text) noexcept
{
    return reinterpret_cast<const unsigned char*>(text.data());
}

SignatureText to_text(const Digest& digest) noexcept
{
    constexpr std::string_view digits = "0123456789abcdef";
    SignatureText text{};
    auto out = std::copy(prefix.begin(), prefix.end(), text.begin());
    for (const unsigned char byte : digest) {
        *out++ = digits[byte >> 4U];
        *out++ = digits[byte & 0xfU];
    }
    return text;
}

} // namespace

void FreeMacContext::operator()(EVP_MAC_CTX* context) const noexcept
{
    EVP_MAC_CTX_free(context); // overwrites the key
}

std::string describe(const config::SecretSource& source)
{
    const std::string_view kind = source.kind == config::SecretSource::Kind::file         ? "file"
                                  : source.kind == config::SecretSource::Kind::credential ? "credential"
                                                                                          : "environment variable";
    return fmt::format("secret {} \"{}\"", kind, source.name);
}

std::string load_secret(const config::SecretSource& source, const std::string& config_directory)
{
    std::string secret = read_source(source, config_directory);
    if (secret.ends_with('\n'))
        secret.pop_back();
    if (secret.empty())
        refuse(source, "is empty");
    if (secret.size() > max_secret_bytes)
        refuse(source, fmt::format("is over {} bytes", max_secret_bytes));
    return secret;
}

SigningKey::SigningKey(std::string_view secret) : keyed_(make_context())
{
    if (EVP_MAC_init(keyed_.get(), bytes_of(secret), secret.size(), nullptr) != 1)
        throw std::runtime_error{"OpenSSL refuses the secret as an HMAC key"};
}

SigningKey::Digest SigningKey::digest(std::string_view body) const
{
    const MacContext context{EVP_MAC_CTX_dup(keyed_.get())}; // a third of the cost of keying anew
    Digest digest{};
    std::size_t size = 0;
    if (!context || EVP_MAC_update(context.get(), bytes_of(body), body.size()) != 1 ||
        EVP_MAC_final(context.get(), digest.data(), &size, digest.size()) != 1 || size != digest.size())
        throw std::runtime_error{"OpenSSL failed to compute an HMAC"};
    return digest;
}

std::string github_signature(std::string_view secret, std::string_view body)
{
    const SignatureText text = to_text(SigningKey{secret}.digest(body));
    return {text.begin(), text.end()};
}

bool verify_github_signature(std::span<const SigningKey> keys, std::string_view header, std::string_view body)
{
    SignatureText given{}; // zeros match nothing, and take as long to compare
    const bool fits = header.size() == given.size();
    if (fits)
        std::copy(header.begin(), header.end(), given.begin());
    unsigned matches = 0;
    for (const auto& key : keys) { // each, whatever the one before said
        const SignatureText expected = to_text(key.digest(body));
        matches += CRYPTO_memcmp(expected.data(), given.data(), given.size()) == 0 ? 1 : 0;
    }
    return fits && matches != 0;
}

bool verify_github_signature(std::span<const std::string> secrets, std::string_view header, std::string_view body)
{
    const std::vector<SigningKey> keys(secrets.begin(), secrets.end());
    return verify_github_signature(std::span{keys}, header, body);
}

} // namespace belay::hooks
