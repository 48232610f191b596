// belay.toml: is refused with its mistakes, or loads; and what loads says itself again in effective_config().
#include "belayd/config/load.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace belay::fuzz {
namespace {

std::optional<config::Config> parse(const std::string& text)
{
    try {
        return config::parse_config(text, "belay.toml");
    } catch (const config::ConfigError& error) {
        expect(!error.diagnostics().empty(), "a refusal that says nothing", text);
        for (const auto& diagnostic : error.diagnostics())
            expect(!diagnostic.message.empty(), "a diagnostic that says nothing", error.what());
        return std::nullopt;
    }
}

/** What a text does not show if it is left out of it. */
bool is_same(const config::Auth& a, const config::Auth& b)
{
    const auto is_same_secret = [](const config::SecretSource& x, const config::SecretSource& y) {
        return x.kind == y.kind && x.name == y.name && x.not_after == y.not_after;
    };
    return a.anybody == b.anybody && a.scheme == b.scheme && std::ranges::equal(a.secrets, b.secrets, is_same_secret);
}

/** Without the comments at the ends of the lines: where the values were written. */
std::string values(const std::string& effective)
{
    std::string text;
    for (std::size_t start = 0; start < effective.size();) {
        const auto end = effective.find('\n', start);
        const std::string line = effective.substr(start, end - start);
        text += line.substr(0, line.rfind("  # ")) + '\n';
        start = end + 1;
    }
    return text;
}

} // namespace
} // namespace belay::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    using namespace belay;
    const auto config = fuzz::parse(std::string{fuzz::text_of(data, size)});
    if (!config)
        return 0;
    const std::string effective = config::effective_config(*config);
    const auto again = fuzz::parse(effective);
    fuzz::expect(again.has_value(), "the effective configuration does not load", effective);
    const std::string twice = config::effective_config(*again);
    fuzz::expect(fuzz::values(twice) == fuzz::values(effective), "the effective configuration is another one",
        effective + "--- and then\n" + twice);
    for (const auto& [name, hook] : config->hooks)
        fuzz::expect(
            fuzz::is_same(hook.auth, again->hooks.at(name).auth), "the effective auth is another one", effective);
    return 0;
}
