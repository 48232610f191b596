#include "base/utf8.hpp"
#include "belayd/config/load.hpp"
#include "belayd/config/settings.hpp"

#include <fmt/format.h>

namespace belay::config {
namespace {

std::string origin_text(const Config& config, const std::string& key)
{
    const auto found = config.origins.find(key);
    if (found == config.origins.end() || found->second.is_default())
        return "default";
    return fmt::format("{}:{}", escape_for_line(found->second.file), found->second.line);
}

/** A dot is allowed in a hook's name, but not in a bare key. */
std::string header(const std::string& hook)
{
    return "hooks." + (hook.find('.') == std::string::npos ? hook : to_toml(std::string_view{hook}));
}

template <typename Owner>
void write(std::string& text, const std::string& path, const std::vector<Setting<Owner>>& settings, const Owner& owner,
    const Config& config)
{
    for (const auto& setting : settings) {
        const bool set = !setting.is_set || setting.is_set(owner);
        text += fmt::format("{}{} = {}  # {}\n", set ? "" : "# ", setting.name, setting.write(owner),
            origin_text(config, fmt::format("{}.{}", path, setting.name)));
    }
}

} // namespace

std::string effective_config(const Config& config)
{
    std::string text;
    for (const auto& section : sections()) {
        text += fmt::format("{}[{}]\n", text.empty() ? "" : "\n", section.name);
        write(text, std::string{section.name}, section.settings, config, config);
    }
    for (const auto& [name, hook] : config.hooks) {
        text += fmt::format("\n[{}]\n", header(name));
        write(text, "hooks." + name, hook_settings(), hook, config);
    }
    return text;
}

} // namespace belay::config
