// hooks.json and hooks.yaml of adnanh/webhook: are refused, or become TOML.
#include "belayd/config/load.hpp"
#include "belayd/config/toml_document.hpp"
#include "cli/import/conversion.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <string>
#include <vector>

namespace belay::fuzz {
namespace {

void convert(const webhook::HooksFile& file, webhook::Mode mode)
{
    std::vector<webhook::HooksFile> files{file};
    const auto conversion = webhook::convert(files,
        {.mode = mode, .secrets_prefix = "secrets/", .working_directory = "/", .search_path = "/nonexistent:/bin"});
    try {
        (void)config::parse_document(conversion.toml, "belay.toml");
    } catch (const config::ConfigError& error) {
        expect(false, "what was written is not TOML", conversion.toml + error.what());
    }
    for (const auto& secret : conversion.secrets)
        expect(!secret.file_name.empty() && secret.file_name.find('/') == std::string::npos, "a secret in no place",
            secret.file_name);
}

} // namespace
} // namespace belay::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay;
    webhook::HooksFile file{.name = "hooks.yaml", .hooks = {}, .remarks = {}};
    try {
        file.hooks = webhook::read_hooks(std::string{fuzz::text_of(data, size)}, file.remarks);
    } catch (const webhook::FileError& error) {
        fuzz::expect(*error.what() != '\0', "a refusal that says nothing");
        return 0;
    }
    fuzz::convert(file, webhook::Mode::native);
    fuzz::convert(file, webhook::Mode::strict);
    return 0;
}
