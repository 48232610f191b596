#include "belayd/hooks/passwords.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <crypt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace belay::hooks {
namespace {

// A hash of crypt(5) says itself what it costs.  Some half a second is the most that one may: an upgrade waits for it,
// and beyond some seconds the thread would seem wedged.  Each function has what follows the prefix, up to the hash.

/** "j9T$SALT": a flavour, the cost, the size of a block, as crypt_gensalt(3) makes them; more could multiply the cost.
 */
bool is_fast_yescrypt(std::string_view rest)
{
    return rest.size() > 4 && rest[0] == 'j' && rest[1] <= 'C' && rest[2] <= 'T' && rest[3] == '$';
}

/** "CU..../....SALT": the cost, the size of a block and the parallelism, five characters each. */
bool is_fast_scrypt(std::string_view rest)
{
    return rest.size() > 11 && rest[0] <= 'D' && rest[1] <= 'U' && rest.substr(2, 9) == "..../....";
}

/** "13$SALT" */
bool is_fast_bcrypt(std::string_view rest)
{
    return rest.substr(0, 3) <= "13$";
}

/** "SALT", or "rounds=5000$SALT" */
bool is_fast_sha512crypt(std::string_view rest)
{
    constexpr std::string_view name = "rounds=";
    constexpr unsigned least = 1'000;  // less, and leading zeros, crypt(3) does not take
    constexpr unsigned most = 500'000; // with the longest password
    if (!rest.starts_with(name))
        return true;
    rest.remove_prefix(name.size());
    unsigned rounds = 0;
    const auto [end, error] = std::from_chars(rest.begin(), rest.end(), rounds);
    return error == std::errc{} && !rest.starts_with('0') && rest.substr(end - rest.begin()).starts_with('$') &&
           rounds >= least && rounds <= most;
}

/** Those that are meant for passwords and not broken. */
struct Method {
    std::string_view prefix;
    std::size_t hash_characters; ///< after the last '$'
    bool (*is_fast)(std::string_view rest);
};
constexpr auto methods =
    std::to_array<Method>({{"$y$", 43, is_fast_yescrypt}, {"$7$", 43, is_fast_scrypt}, {"$2b$", 53, is_fast_bcrypt},
        {"$2y$", 53, is_fast_bcrypt}, {"$2a$", 53, is_fast_bcrypt}, {"$6$", 86, is_fast_sha512crypt}});

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
    if (!method->is_fast(std::string_view{hash}.substr(method->prefix.size())))
        return fmt::format("has a hash that may take more than half a second: {}", remedy);
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

PasswordSearch::PasswordSearch(const Passwords& passwords, Credentials credentials, std::chrono::sys_seconds now)
    : passwords_(passwords), credentials_(std::move(credentials)), now_(now)
{
}

bool PasswordSearch::try_next()
{
    const std::size_t file = next_++;
    std::optional<std::size_t>& found = passwords_.has_ended(file, now_) ? ended_ : good_;
    if (passwords_.accepts(file, credentials_) && !found)
        found = file;
    return next_ < passwords_.size();
}

std::optional<std::size_t> Passwords::find(const Credentials& credentials, std::chrono::sys_seconds now) const
{
    PasswordSearch search{*this, credentials, now};
    while (search.try_next()) {
    }
    return search.found();
}

} // namespace belay::hooks
