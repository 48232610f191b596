#include "belayd/config/includes.hpp"

#include "base/unique_fd.hpp"
#include "belayd/config/toml_limits.hpp"
#include "belayd/config/values.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

namespace belay::config {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const std::string& path, std::string message)
{
    throw ConfigError{{Diagnostic{Origin{path}, std::move(message), {}}}};
}

/** Reads one byte more than is allowed, so that the caller sees the excess. */
std::string read_file(const std::string& path)
{
    // O_NONBLOCK: a FIFO must not hold up a reload.
    const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (opened < 0)
        refuse(path, fmt::format("cannot be opened: {}", std::generic_category().message(errno)));
    const UniqueFd fd{opened};
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
        refuse(path, "is not a regular file");
    std::string text(max_file_bytes + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const auto got = ::read(fd.get(), text.data() + size, text.size() - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            refuse(path, fmt::format("cannot be read: {}", std::generic_category().message(errno)));
        if (got == 0)
            break;
        size += static_cast<std::size_t>(got);
    }
    text.resize(size);
    return text;
}

std::string escape_pattern(const std::string& path)
{
    std::string escaped;
    for (const char c : path) {
        if (std::string_view{"*?[]\\"}.find(c) != std::string_view::npos)
            escaped += '\\';
        escaped += c;
    }
    return escaped;
}

/** The files that a pattern names, sorted by their bytes: the same in every locale. */
std::vector<std::string> expand(const Node& pattern, const fs::path& directory, Problems& problems)
{
    const std::string full =
        pattern.text.starts_with('/') ? pattern.text : escape_pattern((directory / "").string()) + pattern.text;
    glob_t matches{};
    const auto stops = [](const char*, int error) { return error == ENOENT || error == ENOTDIR ? 0 : 1; };
    const int result = ::glob(full.c_str(), GLOB_NOSORT, stops, &matches);
    std::vector<std::string> files(matches.gl_pathv, matches.gl_pathv + matches.gl_pathc);
    ::globfree(&matches);
    std::sort(files.begin(), files.end());
    const bool is_pattern = pattern.text.find_first_of("*?[") != std::string::npos;
    if (result == GLOB_NOMATCH && !is_pattern)
        problems.add(pattern.origin, fmt::format("include \"{}\" does not exist", pattern.text));
    else if (result != 0 && result != GLOB_NOMATCH)
        problems.add(pattern.origin,
            fmt::format("include \"{}\" cannot be read: {}", pattern.text, std::generic_category().message(errno)));
    return files;
}

std::string place(const Origin& origin)
{
    return fmt::format("{}:{}:{}", origin.file, origin.line, origin.column);
}

/** Adds the members of `from` to `into`: of tables that both have, unless these are to be `whole`. */
void merge(Node& into, Node from, bool whole_tables, Problems& problems)
{
    for (auto& member : from.members) {
        const auto* present = into.find(member.key);
        if (!present) {
            into.members.push_back(std::move(member));
        } else if (!whole_tables && present->value.type == Node::Type::table &&
                   member.value.type == Node::Type::table) {
            auto& target = into.members[static_cast<std::size_t>(present - into.members.data())];
            merge(target.value, std::move(member.value), /*whole_tables=*/true, problems);
        } else {
            problems.add(member.origin,
                fmt::format("\"{}\" is already defined at {}: remove one of them", member.key, place(present->origin)));
        }
    }
}

} // namespace

Node load_with_includes(const std::string& path, Problems& problems)
{
    Document main = parse_document(read_file(path), path);
    problems.add_source(main);
    std::vector<const Node*> patterns; // GCC 14 at -O2 takes value_or() of an empty vector for an invalid free
    if (const auto* include = main.root.find("include"))
        if (auto strings = read_strings(include->value, "include", problems))
            patterns = std::move(*strings);
    Node root = main.root;
    std::vector<std::string> seen{path};
    for (const Node* pattern : patterns) {
        for (const auto& file : expand(*pattern, fs::path{path}.parent_path(), problems)) {
            const auto same = [&file](const std::string& other) {
                std::error_code ignored;
                return fs::equivalent(file, other, ignored);
            };
            if (std::any_of(seen.begin(), seen.end(), same))
                continue;
            seen.push_back(file);
            Document document = parse_document(read_file(file), file);
            problems.add_source(document);
            if (const auto* nested = document.root.find("include")) {
                problems.add(nested->origin, fmt::format("include is allowed in the main file, {}, only", path));
                std::erase_if(
                    document.root.members, [](const Node::Member& member) { return member.key == "include"; });
            }
            merge(root, std::move(document.root), /*whole_tables=*/false, problems);
        }
    }
    return root;
}

} // namespace belay::config
