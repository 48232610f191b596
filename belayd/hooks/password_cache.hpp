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
 * What was found of credentials lately, so that not every request costs a hash.  Only of those who were right
 * somewhere: strangers could fill it.
 *
 * Holds no password, but digests under a key that is made here and told to nobody.  Thread-safe.
 */
class PasswordCache {
public:
    using Clock = std::chrono::steady_clock;

    /** What is found is believed for so long. */
    static constexpr std::chrono::minutes lifetime{5};
    static constexpr std::size_t most_entries = 256;

    PasswordCache();

    struct Known {
        std::optional<std::size_t> file; ///< by which they are right; nothing: they are wrong here

        bool operator==(const Known&) const = default;
    };

    [[nodiscard]] std::optional<Known> find(const Credentials& credentials, Clock::time_point now) const;

    void add(const Credentials& credentials, Known known, Clock::time_point now);

private:
    struct Entry {
        Known known;
        Clock::time_point end;
    };

    [[nodiscard]] std::string digest(const Credentials& credentials) const;

    const Mac mac_;
    mutable std::mutex mutex_;             // guards entries_
    std::map<std::string, Entry> entries_; // by digest, which nobody can choose
};

} // namespace belay::hooks
