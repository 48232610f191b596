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
     * Hashes the password: some 50 to 500 ms of a processor, as the file has it.  As long for a user that there is not,
     * who is measured with the hash of one that there is.
     */
    [[nodiscard]] bool accepts(const Credentials& credentials) const;

private:
    std::map<std::string, std::string, std::less<>> hashes_; // by user; at least one
};

/** The password files of one hook, at least one, any of which will do.  Thread-safe. */
class Passwords {
public:
    struct File {
        PasswordFile users;
        std::optional<std::chrono::sys_seconds> not_after;
    };

    explicit Passwords(std::vector<File> files) : files_(std::move(files)) {}

    [[nodiscard]] std::size_t size() const noexcept { return files_.size(); }

    /** Hashes, see PasswordFile::accepts(). */
    [[nodiscard]] bool accepts(std::size_t file, const Credentials& credentials) const
    {
        return files_.at(file).users.accepts(credentials);
    }

    [[nodiscard]] bool has_ended(std::size_t file, std::chrono::sys_seconds now) const
    {
        return files_.at(file).not_after && now > *files_.at(file).not_after;
    }

    /** What a PasswordSearch through all files finds. */
    [[nodiscard]] std::optional<std::size_t> find(const Credentials& credentials, std::chrono::sys_seconds now) const;

    /** What was found lately. */
    [[nodiscard]] PasswordCache& known() const noexcept { return *known_; }

private:
    std::vector<File> files_;
    std::unique_ptr<PasswordCache> known_ = std::make_unique<PasswordCache>();
};

/** Looks for the file by which credentials are right; takes the time of all files.  Borrows the passwords. */
class PasswordSearch {
public:
    PasswordSearch(const Passwords& passwords, Credentials credentials, std::chrono::sys_seconds now);

    /** Tries one file.  @return whether there is another, to be tried whatever this one said */
    bool try_next();

    /** The first, a good one before one that has ended. */
    [[nodiscard]] std::optional<std::size_t> found() const noexcept { return good_ ? good_ : ended_; }

private:
    const Passwords& passwords_;
    const Credentials credentials_;
    const std::chrono::sys_seconds now_;
    std::size_t next_ = 0;
    std::optional<std::size_t> good_;
    std::optional<std::size_t> ended_;
};

} // namespace belay::hooks
