#include "base/byte_size.hpp"
#include "base/unique_fd.hpp"
#include "cli/doctor/checks.hpp"
#include "cli/doctor/kernel_file.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>

namespace belay::cli {
namespace {

using Clock = std::chrono::steady_clock;
using Verdict = Finding::Verdict;

constexpr double least_syncs = 50; // a second: 20 ms each, which every sender waits for its 202
constexpr int most_syncs = 100;
constexpr std::chrono::seconds longest{2};
constexpr std::size_t written = 4096; // bytes before each

/** What a directory lies on, as proc_pid_mountinfo(5) tells. */
struct Mount {
    std::string type;
    std::string source;
    std::string options; ///< of the mount and of its file system
};

/** As the kernel writes blanks: \040 is a space. */
std::string unescape(std::string_view text)
{
    std::string result;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned code = 0;
        const char* const digits = text.data() + i + 1;
        if (text[i] == '\\' && i + 3 < text.size() && std::from_chars(digits, digits + 3, code, 8).ptr == digits + 3) {
            result += static_cast<char>(code);
            i += 3;
        } else {
            result += text[i];
        }
    }
    return result;
}

/** The last that is mounted over the directory. */
std::optional<Mount> find_mount(const std::filesystem::path& mountinfo, const std::string& directory)
{
    std::ifstream file{mountinfo};
    std::optional<Mount> found;
    std::size_t depth = 0;
    for (std::string line; std::getline(file, line);) {
        std::istringstream fields{line};
        std::string skipped;
        std::string point;
        std::string options;
        fields >> skipped >> skipped >> skipped >> skipped >> point >> options;
        point = unescape(point);
        while (fields >> skipped && skipped != "-")
            ;
        Mount mount;
        std::string super_options;
        fields >> mount.type >> mount.source >> super_options;
        const bool is_root = point == "/";
        if (!is_root &&
            (!directory.starts_with(point) || (directory.size() > point.size() && directory[point.size()] != '/')))
            continue;
        if (found && point.size() < depth)
            continue;
        depth = point.size();
        mount.options = options + "," + super_options;
        found = std::move(mount);
    }
    return found;
}

bool has_option(std::string_view options, std::string_view option)
{
    return ("," + std::string{options} + ",").find("," + std::string{option} + ",") != std::string::npos;
}

Finding examine_file_system(const Subject& subject, const std::string& directory)
{
    constexpr std::array in_memory{"tmpfs", "ramfs"};
    constexpr std::array shared{"nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs"};
    const char* const needed = "a local disk, which writes in order";
    const auto mount = find_mount(subject.proc / "self/mountinfo", directory);
    if (!mount)
        return {"file-system", Verdict::unknown, "mounts cannot be read", needed, {}};
    Finding finding{"file-system", Verdict::ok, fmt::format("{} on {}", mount->type, mount->source), needed, {}};
    const auto is = [&mount](const char* type) { return mount->type == type; };
    const auto warn = [&finding](const char* remedy) {
        finding.verdict = Verdict::warning;
        finding.remedy = remedy;
    };
    if (std::ranges::any_of(in_memory, is))
        warn("what belayd acknowledges is gone with the power: let state_dir be on a disk");
    else if (std::ranges::any_of(shared, is) || mount->type.starts_with("fuse"))
        warn("SQLite's log needs shared memory, which no network file system has: let state_dir be on a local disk");
    else if (mount->type == "overlay")
        warn("a container's own layer is gone with it: let state_dir be on a volume");
    else if (has_option(mount->options, "nobarrier") || has_option(mount->options, "barrier=0")) {
        finding.found += ", without barriers";
        warn("what is synced may be lost with the power unless the cache has a battery: mount it without nobarrier");
    }
    return finding;
}

Finding examine_write_cache(const Subject& subject, const struct stat& directory)
{
    const auto device =
        subject.sys / "dev/block" / fmt::format("{}:{}", major(directory.st_dev), minor(directory.st_dev));
    std::error_code error;
    const auto disk = std::filesystem::canonical(device, error);
    auto cache = read_line(disk / "queue/write_cache");
    if (!cache) // a partition
        cache = read_line(disk.parent_path() / "queue/write_cache");
    if (!cache)
        return {"write-cache", Verdict::unknown, "its device does not tell", {}, {}};
    return {
        "write-cache", Verdict::ok, *cache, "write through, or write back, which each sync has the device flush", {}};
}

Finding examine_space(const Subject& subject, const std::string& directory)
{
    struct statvfs disk{};
    const Bytes floor = subject.config.free_space_floor;
    const std::string needed = fmt::format("free_space_floor, {}, and as much again", format_byte_size(floor));
    if (::statvfs(directory.c_str(), &disk) != 0)
        return {"free-space", Verdict::unknown, std::strerror(errno), needed, {}};
    const Bytes available = Bytes{disk.f_bavail} * disk.f_frsize;
    Finding finding{"free-space", Verdict::ok, format_byte_size(available >> 20 << 20), needed, {}};
    if (available < 2 * floor) {
        finding.verdict = Verdict::warning;
        finding.remedy = "below the floor belayd accepts and starts nothing: make room, or shorten store.retention";
    }
    return finding;
}

struct Syncs {
    int count = 0;
    Clock::duration all{};
    Clock::duration slowest{};
};

/** @throws std::system_error */
Syncs measure_syncs(const std::string& directory)
{
    const auto check = [](bool ok, const char* what) {
        if (!ok)
            throw std::system_error{errno, std::generic_category(), what};
    };
    const int opened = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600); // without a name: gone with us
    check(opened >= 0, "a file in the state directory");
    const UniqueFd file{opened};
    const std::array<char, written> block{};
    Syncs syncs;
    const auto start = Clock::now();
    while (syncs.count < most_syncs && syncs.all < longest) {
        const auto before = Clock::now();
        check(::pwrite(file.get(), block.data(), block.size(), syncs.count * static_cast<off_t>(block.size())) ==
                  static_cast<ssize_t>(block.size()),
            "write");
        check(::fdatasync(file.get()) == 0, "fdatasync");
        const auto after = Clock::now();
        syncs.slowest = std::max(syncs.slowest, after - before);
        syncs.all = after - start;
        ++syncs.count;
    }
    return syncs;
}

Finding examine_syncs(const std::string& directory)
{
    const std::string needed = fmt::format("{} a second", least_syncs);
    try {
        const Syncs syncs = measure_syncs(directory);
        const double rate = syncs.count / std::chrono::duration<double>{syncs.all}.count();
        Finding finding{"sync-rate", Verdict::ok,
            fmt::format("{:.0f} a second, the slowest {:.1f} ms", rate,
                std::chrono::duration<double, std::milli>{syncs.slowest}.count()),
            needed, {}};
        if (rate < least_syncs) {
            finding.verdict = Verdict::warning;
            finding.remedy = "each 202 waits for one: let state_dir be on a faster disk, or one that is less busy";
        }
        return finding;
    } catch (const std::system_error& e) {
        return {
            "sync-rate", Verdict::unknown, fmt::format("{} (try as root, or as belayd's user)", e.what()), needed, {}};
    }
}

} // namespace

Findings examine_disk(const Subject& subject)
{
    std::error_code error;
    const std::string directory = std::filesystem::canonical(subject.config.state_dir, error);
    struct stat status{};
    if (error || ::stat(directory.c_str(), &status) != 0)
        return {{"state-directory", Verdict::unknown,
            fmt::format("{}: {}", subject.config.state_dir, error ? error.message() : std::strerror(errno)), {},
            "start belayd once, or look as root"}};
    return {examine_file_system(subject, directory), examine_write_cache(subject, status), examine_syncs(directory),
        examine_space(subject, directory)};
}

} // namespace belay::cli
