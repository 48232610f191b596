#include "belayd/hooks/load.hpp"

#include "belayd/hooks/authenticator.hpp"
#include "belayd/hooks/secret.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace belay::hooks {
namespace {

/** Whether only belayd has it. */
bool is_elsewhere(config::SecretSource::Kind kind) noexcept
{
    return kind == config::SecretSource::Kind::credential || kind == config::SecretSource::Kind::environment;
}

std::string judge_secret(
    const config::Auth& auth, const config::SecretSource& source, const std::string& directory, SecretNotes* notes)
{
    if (notes != nullptr && is_elsewhere(source.kind)) {
        notes->unchecked.push_back({source.origin, describe(source), {}});
        return {};
    }
    std::vector<std::string> skipped;
    std::string fault;
    try {
        fault = fault_in_secret(auth, source, directory, &skipped);
    } catch (const std::system_error& e) {
        if (notes == nullptr || e.code() != std::errc::permission_denied)
            return e.what();
        notes->unchecked.push_back({source.origin, e.what(), {}});
    }
    if (notes != nullptr)
        for (const std::string& what : skipped)
            notes->warnings.push_back({source.origin, what + ", it is passed over", {}});
    return fault;
}

} // namespace

config::Config load_config(const std::string& path, SecretNotes* notes)
{
    const std::string directory = std::filesystem::path{path}.parent_path().string();
    return config::load_config(path, [&directory, notes](const config::Auth& auth, const config::SecretSource& source) {
        return judge_secret(auth, source, directory, notes);
    });
}

} // namespace belay::hooks
