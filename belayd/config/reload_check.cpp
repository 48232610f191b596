#include "belayd/config/load.hpp"
#include "belayd/config/settings.hpp"

#include <fmt/format.h>

#include <array>

namespace belay::config {
namespace {

struct Fixed {
    std::string_view section;
    std::string_view key;
};

/** What threads, files and sinks were made from at the start. */
constexpr std::array<Fixed, 4> fixed_keys{
    {{"daemon", "state_dir"}, {"daemon", "http_threads"}, {"log", "format"}, {"store", "url"}}};

} // namespace

std::vector<Diagnostic> unreloadable_changes(const Config& current, const Config& next)
{
    std::vector<Diagnostic> changes;
    for (const auto& [section_name, key] : fixed_keys) {
        for (const auto& section : sections()) {
            for (const auto& setting : section.settings) {
                if (section.name != section_name || setting.name != key)
                    continue;
                const auto before = setting.write(current);
                const auto after = setting.write(next);
                if (before == after)
                    continue;
                const auto name = fmt::format("{}.{}", section_name, key);
                const auto found = next.origins.find(name);
                changes.push_back(make_diagnostic(found == next.origins.end() ? Origin{next.file} : found->second,
                    fmt::format("{} is {} and cannot become {} by a reload: restart belayd", name, before, after)));
            }
        }
    }
    return changes;
}

} // namespace belay::config
