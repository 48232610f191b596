#include "belayd/hooks/secret.hpp"

#include "base/unique_fd.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace belay::hooks {
namespace {

constexpr std::size_t max_secret_bytes = 4096;
constexpr std::size_t max_list_bytes = 262'144; // of users, of keys

bool is_public(config::SecretSource::Kind kind) noexcept
{
    return kind == config::SecretSource::Kind::public_key || kind == config::SecretSource::Kind::key_set;
}

[[noreturn]] void refuse(const config::SecretSource& source, std::string_view why)
{
    throw std::runtime_error{fmt::format("{} {}", describe(source), why)};
}

[[noreturn]] void refuse(const config::SecretSource& source, const char* why, int error)
{
    throw std::system_error{error, std::generic_category(), fmt::format("{} {}", describe(source), why)};
}

/** Reads at most one byte more than a secret may have. */
std::string read_limited(int fd, const config::SecretSource& source, std::size_t most)
{
    std::string text(most + 2, '\0'); // with its newline
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

std::string read_file(const std::string& path, const config::SecretSource& source, std::size_t most)
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
    if (is_public(source.kind) && (status.st_mode & S_IWOTH) != 0)
        refuse(source, fmt::format("can be changed by every user of this host: chmod o-w {}", path));
    if (!is_public(source.kind) && (status.st_mode & S_IRWXO) != 0)
        refuse(source, fmt::format("is open to every user of this host: chmod o= {}", path));
    return read_limited(fd.get(), source, most);
}

std::string read_source(const config::SecretSource& source, const std::string& config_directory, std::size_t most)
{
    switch (source.kind) {
    case config::SecretSource::Kind::file:
    case config::SecretSource::Kind::public_key:
    case config::SecretSource::Kind::key_set:
        return read_file((std::filesystem::path{config_directory} / source.name).string(), source, most);
    case config::SecretSource::Kind::credential: {
        const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
        if (directory == nullptr || *directory == '\0')
            refuse(source, "cannot be had: $CREDENTIALS_DIRECTORY is not set; add LoadCredential= to the unit");
        return read_file((std::filesystem::path{directory} / source.name).string(), source, most);
    }
    case config::SecretSource::Kind::environment:
        break;
    }
    const char* value = std::getenv(source.name.c_str());
    if (value == nullptr)
        refuse(source, "is not set");
    return value;
}

} // namespace

std::string describe(const config::SecretSource& source)
{
    if (is_public(source.kind))
        return fmt::format(
            "{} \"{}\"", source.kind == config::SecretSource::Kind::public_key ? "key file" : "JWKS file", source.name);
    const std::string_view kind = source.kind == config::SecretSource::Kind::file         ? "file"
                                  : source.kind == config::SecretSource::Kind::credential ? "credential"
                                                                                          : "environment variable";
    return fmt::format("secret {} \"{}\"", kind, source.name);
}

std::string load_secret(const config::SecretSource& source, const std::string& config_directory, SecretSize size)
{
    const bool is_list = size == SecretSize::list || is_public(source.kind);
    const std::size_t most = is_list ? max_list_bytes : max_secret_bytes;
    std::string secret = read_source(source, config_directory, most);
    if (secret.ends_with('\n'))
        secret.pop_back();
    if (secret.empty())
        refuse(source, "is empty");
    if (secret.size() > most)
        refuse(source, fmt::format("is over {} bytes", most));
    return secret;
}

} // namespace belay::hooks
