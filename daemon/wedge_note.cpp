#include "daemon/wedge_note.hpp"

#include "daemon/log.hpp"

#include <boost/json.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace belay::daemon {
namespace {

namespace json = boost::json;

std::string text_of(const json::value& wedge, std::string_view key)
{
    return std::string{wedge.at(key).as_string()};
}

} // namespace

void WedgeNote::write(const std::vector<Wedge>& wedges) const noexcept
try {
    if (path_.empty())
        return;
    json::array document;
    for (const Wedge& wedge : wedges)
        document.push_back({{"loop", wedge.loop}, {"since", wedge.since}, {"wait_channel", wedge.wait_channel},
            {"stack", wedge.stack}});
    const std::string unfinished = path_ + ".new";
    std::ofstream file{unfinished};
    file << json::serialize(document) << std::endl;
    if (!file)
        throw std::runtime_error{"cannot write " + unfinished};
    std::filesystem::rename(unfinished, path_);
} catch (const std::exception& e) {
    log::warning("cannot leave a note to the next start", {{"error", e.what()}});
}

void WedgeNote::remove() const noexcept
{
    std::error_code ec;
    std::filesystem::remove(path_, ec); // nothing can be done about it, and what is not there is no error
}

std::vector<Wedge> WedgeNote::take() const
try {
    std::ifstream file{path_};
    if (!file)
        return {};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    remove();
    std::vector<Wedge> wedges;
    const json::value document = json::parse(text);
    for (const json::value& wedge : document.as_array())
        wedges.push_back(
            {text_of(wedge, "loop"), text_of(wedge, "since"), text_of(wedge, "wait_channel"), text_of(wedge, "stack")});
    return wedges;
} catch (const std::exception& e) {
    log::warning("the note of the previous run is garbled", {{"path", path_}, {"error", e.what()}});
    return {};
}

} // namespace belay::daemon
