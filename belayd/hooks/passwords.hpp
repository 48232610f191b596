#pragma once
#include "belayd/hooks/credentials.hpp"
#include "belayd/hooks/password_cache.hpp"

#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/** Users and their hashed passwords, a line "USER:HASH" each.  Immutable, thread-safe. */
class PasswordFile {
public:
    /** @throws std::invalid_argument which line is wrong, and its remedy: a phrase that follows what names the file */
    explicit PasswordFile(std::string_view text);

    /**
     * Hashes the password: some 50 to 500 ms of a processor.  As long for a user that there is not, who is measured
     * with the hash of one that there is.
     */
    [[nodiscard]] bool accepts(const Credentials& credentials) const;

private:
    std::map<std::string, std::string, std::less<>> hashes_; // by user; at least one
};

/** The password files of one hook, any of which will do.  Thread-safe. */
class Passwords {
public:
    struct File {
        PasswordFile users;
        std::optional<std::chrono::sys_seconds> not_after;
    };

    explicit Passwords(std::vector<File> files) : files_(std::move(files)) {}

    /** The first file by which they are right, a good one before one that has ended; takes the time of all files. */
    [[nodiscard]] std::optional<std::size_t> find(const Credentials& credentials, std::chrono::sys_seconds now) const;

    /** What find() found lately, in no time. */
    [[nodiscard]] std::optional<std::size_t> find_known(const Credentials& credentials) const
    {
        return known_->find(credentials, PasswordCache::Clock::now());
    }

    [[nodiscard]] bool has_ended(std::size_t file, std::chrono::sys_seconds now) const
    {
        return files_.at(file).not_after && now > *files_.at(file).not_after;
    }

private:
    std::vector<File> files_;
    std::unique_ptr<PasswordCache> known_ = std::make_unique<PasswordCache>();
};

} // namespace belay::hooks
