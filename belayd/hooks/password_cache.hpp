#pragma once
#include "belayd/hooks/credentials.hpp"
#include "belayd/hooks/mac.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace belay::hooks {

/**
 * The credentials that were found right lately, so that not every request costs a hash.
 *
 * Holds no password, but digests under a key that is made here and told to nobody.  Thread-safe.
 */
class PasswordCache {
public:
    using Clock = std::chrono::steady_clock;

    /** What is found right is believed for so long. */
    static constexpr std::chrono::minutes lifetime{5};
    static constexpr std::size_t most_entries = 256;

    PasswordCache();

    /** The file by which they are right. */
    [[nodiscard]] std::optional<std::size_t> find(const Credentials& credentials, Clock::time_point now) const;

    void add(const Credentials& credentials, std::size_t file, Clock::time_point now);

private:
    struct Entry {
        std::size_t file;
        Clock::time_point end;
    };

    [[nodiscard]] std::string digest(const Credentials& credentials) const;

    const Mac mac_;
    mutable std::mutex mutex_;             // guards entries_
    std::map<std::string, Entry> entries_; // by digest, which nobody can choose
};

} // namespace belay::hooks
