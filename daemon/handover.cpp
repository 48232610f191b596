#include "daemon/handover.hpp"

#include "base/asio.hpp"
#include "base/descriptor_passing.hpp"
#include "base/utf8.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace belay::daemon {
namespace {

namespace json = boost::json;

constexpr unsigned int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

// Three lines: "belay hand-over 1", the numbers of the descriptors as a JSON array, the document.  The version comes
// first, so that it can be told whatever follows.
constexpr std::string_view magic = "belay hand-over ";

/** With errno's text. */
[[noreturn]] void fail(std::string_view what)
{
    throw HandoverError{fmt::format("hand-over: {}: {}", what, std::generic_category().message(errno))};
}

[[noreturn]] void reject(std::string_view what)
{
    throw HandoverError{fmt::format("hand-over: {}", what)};
}

void write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno != EINTR)
            fail("cannot write to memfd");
        if (written > 0)
            text.remove_prefix(static_cast<std::size_t>(written));
    }
}

/** Piece by piece: outputs of jobs make a document of many MiB, which must not stand in memory once more. */
void write_json(int fd, const json::object& document)
{
    std::array<char, 1 << 16> buffer; // NOLINT(*-member-init): written before it is read
    json::serializer serializer;
    serializer.reset(&document);
    while (!serializer.done()) {
        const auto piece = serializer.read(buffer.data(), buffer.size());
        write_all(fd, {piece.data(), piece.size()});
    }
}

void set_close_on_exec(int fd, bool on)
{
    if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) != 0)
        fail(fmt::format("descriptor {}", fd));
}

/** A file in memory.  Sealed as it is, nobody can cut it off under the reader. */
class Mapping {
public:
    explicit Mapping(int memfd)
    {
        struct stat status{};
        if (::fstat(memfd, &status) != 0)
            fail(fmt::format("descriptor {}", memfd));
        if (const int found = ::fcntl(memfd, F_GET_SEALS); found < 0 || (static_cast<unsigned>(found) & seals) != seals)
            reject(fmt::format("descriptor {} is not a sealed memfd", memfd));
        size_ = static_cast<std::size_t>(status.st_size);
        if (size_ == 0)
            reject("it is empty");
        address_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, memfd, 0);
        if (address_ == MAP_FAILED)
            fail("cannot map it");
    }
    ~Mapping() { ::munmap(address_, size_); }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    Mapping(Mapping&&) = delete;
    Mapping& operator=(Mapping&&) = delete;

    [[nodiscard]] std::string_view text() const noexcept { return {static_cast<const char*>(address_), size_}; }

private:
    std::size_t size_ = 0;
    void* address_ = nullptr;
};

/** What stands before the next newline, which goes too. */
std::string_view take_line(std::string_view& text)
{
    const auto end = text.find('\n');
    if (end == std::string_view::npos)
        reject("it is cut off");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

void check_version(std::string_view first_line)
{
    if (!first_line.starts_with(magic))
        reject("it does not begin as one");
    first_line.remove_prefix(magic.size());
    if (first_line != std::to_string(handover_version))
        reject(fmt::format(
            "version {}, but this belayd reads version {}", escape_for_line(first_line, 20), handover_version));
}

json::value parse(std::string_view text)
{
    json::parse_options options;
    options.allow_invalid_utf8 = true; // what jobs print and senders send; Boost.JSON keeps every byte as it is
    options.max_depth = 1024;          // the default of 32 is for strangers
    error_code ec;
    json::value value = json::parse({text.data(), text.size()}, ec, {}, options);
    if (ec)
        reject("it is cut off or garbled: " + ec.message());
    return value;
}

/** What stands in a memfd. */
struct Content {
    std::vector<int> descriptors;
    json::object document;
};

Content read_content(int memfd)
{
    const Mapping mapping{memfd};
    std::string_view text = mapping.text();
    check_version(take_line(text));
    auto descriptors = json::try_value_to<std::vector<int>>(parse(take_line(text)));
    if (!descriptors)
        reject("its descriptors are garbled: " + descriptors.error().message());
    json::value document = parse(text);
    if (!document.is_object())
        reject("its document is garbled");
    return {std::move(*descriptors), std::move(document.get_object())};
}

UniqueFd write_sealed(const std::vector<int>& descriptors, const json::object& document)
{
    const int created = ::memfd_create("belay-hand-over", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (created < 0)
        fail("memfd_create");
    UniqueFd memfd{created};
    write_all(
        created, fmt::format("{}{}\n{}\n", magic, handover_version, json::serialize(json::value_from(descriptors))));
    write_json(created, document);
    if (::fcntl(created, F_ADD_SEALS, seals) != 0)
        fail("cannot seal memfd");
    return memfd;
}

} // namespace

std::int64_t Handover::give(UniqueFd fd)
{
    const int number = fd.get();
    descriptors_.emplace(number, std::move(fd));
    return number;
}

UniqueFd Handover::take(const json::value& descriptor)
{
    const std::int64_t* const number = descriptor.if_int64();
    const auto found = number == nullptr ? descriptors_.end() : descriptors_.find(*number);
    if (found == descriptors_.end())
        reject(fmt::format("descriptor {} is not part of it, or was taken", json::serialize(descriptor)));
    UniqueFd fd = std::move(found->second);
    descriptors_.erase(found);
    return fd;
}

std::vector<int> Handover::descriptors() const
{
    std::vector<int> numbers;
    for (const auto& [number, fd] : descriptors_)
        numbers.push_back(fd.get());
    return numbers;
}

int Handover::seal()
try {
    memfd_ = write_sealed(descriptors(), document);
    for (const auto& [number, fd] : descriptors_)
        set_close_on_exec(fd.get(), false);
    set_close_on_exec(memfd_.get(), false);
    return memfd_.get();
} catch (...) {
    unseal();
    throw;
}

void Handover::unseal() noexcept
{
    for (const auto& [number, fd] : descriptors_)
        (void)::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
    memfd_.reset();
}

Handover Handover::read(int memfd)
{
    if (memfd < 0)
        reject(fmt::format("{} is no descriptor", memfd));
    const UniqueFd file{memfd};
    Content content = read_content(memfd);
    Handover handover;
    for (const int fd : content.descriptors) {
        if (fd == memfd || handover.descriptors_.contains(fd))
            reject(fmt::format("descriptor {} is the hand-over itself, or there twice", fd));
        set_close_on_exec(fd, true); // throws where it is not open
        handover.descriptors_.emplace(fd, UniqueFd{fd});
    }
    handover.document = std::move(content.document);
    return handover;
}

void Handover::send(int socket) const
{
    const UniqueFd memfd = write_sealed(descriptors(), document);
    std::vector<int> all = descriptors();
    all.insert(all.begin(), memfd.get());
    try {
        send_descriptors(socket, all);
    } catch (const std::system_error& e) {
        reject(e.what());
    }
}

Handover Handover::receive(int socket)
{
    std::vector<UniqueFd> all;
    try {
        all = receive_descriptors(socket);
    } catch (const std::system_error& e) {
        reject(e.what());
    }
    if (all.empty())
        reject("nothing came");
    Content content = read_content(all.front().get());
    if (content.descriptors.size() != all.size() - 1)
        reject(fmt::format("it names {} descriptors, and {} came", content.descriptors.size(), all.size() - 1));
    Handover handover;
    handover.document = std::move(content.document);
    for (std::size_t i = 0; i < content.descriptors.size(); ++i) // not the numbers that they have here
        handover.descriptors_.emplace(content.descriptors[i], std::move(all[i + 1]));
    return handover;
}

} // namespace belay::daemon
