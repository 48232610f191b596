#include "belayd/hooks/password_cache.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <array>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace belay::hooks {
namespace {

Mac make_mac()
{
    std::array<char, 32> key{};
    if (RAND_bytes(reinterpret_cast<unsigned char*>(key.data()), static_cast<int>(key.size())) != 1)
        throw std::runtime_error{"OpenSSL has no random bytes"};
    Mac mac{"SHA256", {key.data(), key.size()}};
    OPENSSL_cleanse(key.data(), key.size());
    return mac;
}

} // namespace

PasswordCache::PasswordCache() : mac_(make_mac()) {}

std::string PasswordCache::digest(const Credentials& credentials) const
{
    const std::array<std::string_view, 3> message{credentials.user, ":", credentials.password};
    const Digest digest = mac_.digest(message);
    return {reinterpret_cast<const char*>(digest.bytes.data()), digest.size};
}

std::optional<PasswordCache::Known> PasswordCache::find(const Credentials& credentials, Clock::time_point now) const
{
    const std::string key = digest(credentials);
    const std::scoped_lock lock{mutex_};
    const auto found = entries_.find(key);
    return found != entries_.end() && now < found->second.end ? std::optional{found->second.known} : std::nullopt;
}

void PasswordCache::add(const Credentials& credentials, Known known, Clock::time_point now)
{
    std::string key = digest(credentials);
    const std::scoped_lock lock{mutex_};
    std::erase_if(entries_, [now](const auto& entry) { return entry.second.end <= now; });
    if (entries_.size() >= most_entries)
        entries_.erase(entries_.begin());
    entries_.insert_or_assign(std::move(key), Entry{known, now + lifetime});
}

} // namespace belay::hooks
