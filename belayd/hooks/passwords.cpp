#include "belayd/hooks/passwords.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <crypt.h>

#include <algorithm>
#include <array>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>

namespace belay::hooks {
namespace {

/**
 * crypt(5): those that are meant for passwords and not broken.  Some half a second is the most that one may take: an
 * upgrade waits for it, and beyond some seconds the thread would seem wedged.
 */
struct Method {
    std::string_view prefix;
    std::size_t hash_characters; ///< after the last '$'
    std::size_t cost_at;         ///< of what follows, whose characters are in the order of their values
    std::string_view most_cost;
};
constexpr auto methods = std::to_array<Method>({{"$y$", 43, 4, "C"}, {"$7$", 43, 3, "D"}, {"$2b$", 53, 4, "13"},
    {"$2y$", 53, 4, "13"}, {"$2a$", 53, 4, "13"}, {"$6$", 86, 3, "s"}});

constexpr std::string_view rounds_name = "rounds="; // of sha512crypt: 5,000 where it is not there
constexpr unsigned long most_rounds = 1'000'000;

bool takes_too_long(const std::string& hash, const Method& method)
{
    const std::string_view cost = std::string_view{hash}.substr(method.cost_at);
    if (cost.starts_with(rounds_name))
        return std::stoul(std::string{cost.substr(rounds_name.size(), 9)}) > most_rounds;
    return method.prefix != "$6$" && cost.substr(0, method.most_cost.size()) > method.most_cost;
}

/** Of a hash, "" for none. */
std::string fault_in_hash(const std::string& hash)
{
    constexpr const char* remedy = "make one with mkpasswd -m yescrypt";
    const auto* const method =
        std::ranges::find_if(methods, [&](const Method& it) { return hash.starts_with(it.prefix); });
    if (method == methods.end())
        return fmt::format("has no hash of yescrypt, bcrypt, scrypt or sha512crypt: {}", remedy);
    if (hash.size() - hash.rfind('$') - 1 != method->hash_characters ||
        ::crypt_checksalt(hash.c_str()) != CRYPT_SALT_OK)
        return fmt::format("has no whole hash: {}", remedy);
    if (takes_too_long(hash, *method))
        return fmt::format("has a hash that takes more than half a second: {}", remedy);
    return {};
}

bool is_hash_of(const std::string& hash, const std::string& password)
{
    const auto data = std::make_unique<crypt_data>(); // 32 KiB
    const char* const made = ::crypt_r(password.c_str(), hash.c_str(), data.get());
    const std::string_view text = made == nullptr ? "" : made;
    const bool right = text.size() == hash.size() && CRYPTO_memcmp(text.data(), hash.data(), hash.size()) == 0;
    OPENSSL_cleanse(data.get(), sizeof(crypt_data));
    return right;
}

} // namespace

PasswordFile::PasswordFile(std::string_view text)
{
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.starts_with('#'))
            continue;
        const auto refuse = [number](std::string_view why) {
            return std::invalid_argument{fmt::format("line {} {}", number, why)};
        };
        const auto colon = line.find(':');
        if (colon == 0 || colon == std::string_view::npos || has_control(line))
            throw refuse("is not USER:HASH");
        const std::string hash{line.substr(colon + 1)};
        if (const auto fault = fault_in_hash(hash); !fault.empty())
            throw refuse(fault);
        if (!hashes_.emplace(line.substr(0, colon), hash).second)
            throw refuse("has a user for the second time");
    }
    if (hashes_.empty())
        throw std::invalid_argument{"has no user: write lines USER:HASH, with the HASH of mkpasswd -m yescrypt"};
}

bool PasswordFile::accepts(const Credentials& credentials) const
{
    const auto user = hashes_.find(credentials.user);
    const bool is_known = user != hashes_.end();
    const auto stand_in = std::hash<std::string>{}(credentials.user) % hashes_.size(); // hashes may differ in cost
    const auto& hash =
        is_known ? user->second : std::next(hashes_.begin(), static_cast<std::ptrdiff_t>(stand_in))->second;
    return is_hash_of(hash, credentials.password) && is_known;
}

std::optional<std::size_t> Passwords::find(const Credentials& credentials, std::chrono::sys_seconds now) const
{
    std::optional<std::size_t> good;
    std::optional<std::size_t> ended;
    for (std::size_t i = 0; i < files_.size(); ++i) { // each, whatever the one before said
        std::optional<std::size_t>& found = has_ended(i, now) ? ended : good;
        if (files_[i].users.accepts(credentials) && !found)
            found = i;
    }
    if (!good)
        return ended;
    known_->add(credentials, *good, PasswordCache::Clock::now());
    return good;
}

} // namespace belay::hooks
