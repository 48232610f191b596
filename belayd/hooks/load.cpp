#include "belayd/hooks/load.hpp"

#include "belayd/hooks/secret.hpp"
#include "belayd/hooks/sender_key.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace belay::hooks {
namespace {

std::string fault_in_secret(const config::Scheme& scheme, const config::SecretSource& source,
    const std::string& directory, std::vector<config::Diagnostic>* unchecked)
{
    if (unchecked != nullptr && source.kind != config::SecretSource::Kind::file) {
        unchecked->push_back({source.origin, describe(source), {}});
        return {};
    }
    try {
        (void)load_key(scheme, source, directory);
    } catch (const std::system_error& e) {
        if (unchecked == nullptr || e.code() != std::errc::permission_denied)
            return e.what();
        unchecked->push_back({source.origin, e.what(), {}});
    } catch (const std::runtime_error& e) {
        return e.what();
    }
    return {};
}

} // namespace

config::Config load_config(const std::string& path, std::vector<config::Diagnostic>* unchecked)
{
    const std::string directory = std::filesystem::path{path}.parent_path().string();
    return config::load_config(
        path, [&directory, unchecked](const config::Scheme& scheme, const config::SecretSource& source) {
            return fault_in_secret(scheme, source, directory, unchecked);
        });
}

} // namespace belay::hooks
