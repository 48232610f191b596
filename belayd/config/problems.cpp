#include "belayd/config/problems.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace belay::config {
namespace {

constexpr std::size_t max_diagnostics = 100; // nobody reads more, and a journal has to hold them

} // namespace

void Problems::add_source(const Document& document)
{
    sources_.push_back({document.file, document.lines});
}

void Problems::add(const Origin& where, std::string message)
{
    if (diagnostics_.size() < max_diagnostics)
        diagnostics_.push_back({where, std::move(message), {}});
    else
        ++left_off_;
}

void Problems::hide_line(const Origin& where)
{
    hidden_.emplace(where.file, where.line);
}

void Problems::throw_if_any()
{
    if (diagnostics_.empty())
        return;
    for (auto& diagnostic : diagnostics_)
        diagnostic.line = line(diagnostic.origin);
    const auto place = [this](const Diagnostic& diagnostic) {
        return std::tuple{position(diagnostic.origin.file), diagnostic.origin.line, diagnostic.origin.column};
    };
    std::stable_sort(diagnostics_.begin(), diagnostics_.end(),
        [&place](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
    if (left_off_ != 0)
        diagnostics_.push_back({{}, fmt::format("and {} more", left_off_), {}});
    throw ConfigError{std::move(diagnostics_)};
}

std::string Problems::line(const Origin& where) const
{
    const auto source = position(where.file);
    const bool known = source < sources_.size() && where.line >= 1 && where.line <= sources_[source].lines.size();
    return known && !hidden_.contains({where.file, where.line}) ? sources_[source].lines[where.line - 1] : "";
}

std::size_t Problems::position(const std::string& file) const noexcept
{
    const auto found =
        std::find_if(sources_.begin(), sources_.end(), [&file](const Source& source) { return source.file == file; });
    return static_cast<std::size_t>(found - sources_.begin());
}

} // namespace belay::config
