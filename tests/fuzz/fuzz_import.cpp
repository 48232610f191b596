// hooks.json and hooks.yaml of adnanh/webhook, templates too: are refused, or become what belayd takes.
#include "belayd/config/load.hpp"
#include "cli/import/conversion.hpp"
#include "cli/import/template.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace belay::fuzz {
namespace {

/** Only that its command or its directory is not there may be wrong with what was written. */
bool is_of_this_host(const config::Diagnostic& diagnostic)
{
    return diagnostic.message.starts_with("command \"") || diagnostic.message.starts_with("directory \"");
}

void convert(const webhook::HooksFile& file, webhook::Mode mode)
{
    std::vector<webhook::HooksFile> files{file};
    const auto conversion = webhook::convert(files,
        {.mode = mode, .secrets_prefix = "secrets/", .working_directory = "/", .search_path = "/nonexistent:/bin"});
    try {
        (void)config::parse_config(conversion.toml, "belay.toml");
    } catch (const config::ConfigError& error) {
        for (const auto& diagnostic : error.diagnostics())
            expect(is_of_this_host(diagnostic), "belayd does not take what was written",
                conversion.toml + config::format(diagnostic));
    }
    for (const auto& secret : conversion.secrets)
        expect(!secret.file_name.empty() && secret.file_name.find('/') == std::string::npos, "a secret in no place",
            secret.file_name);
}

/** @param make returns the hooks of a text */
template <typename Make>
void import(Make make)
{
    webhook::HooksFile file{.name = "hooks.yaml", .hooks = {}, .remarks = {}};
    try {
        file.hooks = make(file.remarks);
    } catch (const webhook::FileError& error) {
        expect(*error.what() != '\0', "a refusal that says nothing");
        return;
    }
    convert(file, webhook::Mode::native);
    convert(file, webhook::Mode::strict);
}

std::optional<std::string> find_variable(const std::string& name)
{
    return name.empty() ? std::nullopt : std::optional{name + "\"\n- "};
}

void import_template(const std::string& text)
{
    import([&text](std::vector<webhook::Remark>& remarks) {
        const auto expanded = webhook::expand_template(text, find_variable, remarks);
        const auto lines = static_cast<std::size_t>(std::ranges::count(expanded.text, '\n')) + 1;
        expect(expanded.lines.size() == lines, "lines that come from nowhere", expanded.text);
        return webhook::read_hooks(expanded, remarks);
    });
}

} // namespace
} // namespace belay::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay;
    const std::string text{fuzz::text_of(data, size)};
    fuzz::import([&text](std::vector<webhook::Remark>& remarks) { return webhook::read_hooks(text, remarks); });
    if (text.find("{{") != std::string::npos)
        fuzz::import_template(text);
    return 0;
}
