#include "base/build_id.hpp"

#include "base/unique_fd.hpp"

#include <fmt/format.h>

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace belay {
namespace {

// What no linker makes bigger; beyond, the file is not one that anybody runs.
constexpr std::size_t max_notes = std::size_t{64} << 10;
constexpr unsigned max_program_headers = 256;

class File {
public:
    explicit File(const std::string& path) : path_(path), fd_(open(path)) {}

    /** Less than `size` bytes where the file ends before. */
    [[nodiscard]] std::string read(std::uint64_t offset, std::size_t size) const
    {
        std::string bytes(size, '\0');
        std::size_t got = 0;
        while (got < size && offset + got <= max_offset) {
            const ssize_t n = ::pread(fd_.get(), bytes.data() + got, size - got, static_cast<off_t>(offset + got));
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                throw std::system_error{errno, std::system_category(), path_};
            if (n == 0)
                break;
            got += static_cast<std::size_t>(n);
        }
        bytes.resize(got);
        return bytes;
    }

private:
    // Beyond, pread(2) fails with EINVAL.
    static constexpr std::uint64_t max_offset = std::uint64_t{1} << 62;

    static UniqueFd open(const std::string& path)
    {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); // it may be a FIFO or a tty
        if (fd < 0)
            throw std::system_error{errno, std::system_category(), path};
        return UniqueFd{fd};
    }

    const std::string& path_;
    UniqueFd fd_;
};

/** The structure at `offset`, if the bytes reach that far. */
template <typename T>
std::optional<T> at(std::string_view bytes, std::size_t offset)
{
    static_assert(std::is_trivially_copyable_v<T>);
    if (bytes.size() < sizeof(T) || offset > bytes.size() - sizeof(T))
        return std::nullopt;
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

std::string to_hex(std::string_view bytes)
{
    std::string hex;
    for (const char byte : bytes)
        hex += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    return hex;
}

/** elf(5), "Notes": header, name and descriptor, each padded to the alignment. */
std::optional<std::string> find_build_id(std::string_view notes, std::size_t alignment)
{
    const auto padded = [alignment](std::size_t size) { return (size + alignment - 1) / alignment * alignment; };
    while (const auto note = at<Elf64_Nhdr>(notes, 0)) {
        const std::size_t name_end = sizeof *note + note->n_namesz; // 32 bits each: no sum overflows
        const std::size_t start = padded(name_end);
        if (start + note->n_descsz > notes.size())
            return std::nullopt;
        const std::string_view name = notes.substr(sizeof *note, note->n_namesz);
        if (note->n_type == NT_GNU_BUILD_ID && name == std::string_view{"GNU", 4} && note->n_descsz != 0)
            return to_hex(notes.substr(start, note->n_descsz));
        notes.remove_prefix(std::min(notes.size(), padded(start + note->n_descsz)));
    }
    return std::nullopt;
}

std::optional<Elf64_Ehdr> elf_header(const File& file)
{
    const auto header = at<Elf64_Ehdr>(file.read(0, sizeof(Elf64_Ehdr)), 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_ident[EI_CLASS] != ELFCLASS64 ||
        header->e_ident[EI_DATA] != ELFDATA2LSB || header->e_phentsize != sizeof(Elf64_Phdr) ||
        header->e_phnum > max_program_headers)
        return std::nullopt;
    return header;
}

} // namespace

std::optional<std::string> read_build_id(const std::string& path)
{
    const File file{path};
    const auto header = elf_header(file);
    if (!header)
        return std::nullopt;
    const std::string table = file.read(header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr));
    for (std::size_t i = 0; i < header->e_phnum; ++i) {
        const auto segment = at<Elf64_Phdr>(table, i * sizeof(Elf64_Phdr));
        if (!segment || segment->p_type != PT_NOTE || segment->p_filesz > max_notes)
            continue;
        const std::string notes = file.read(segment->p_offset, segment->p_filesz);
        if (auto id = find_build_id(notes, segment->p_align == 8 ? 8 : 4))
            return id;
    }
    return std::nullopt;
}

} // namespace belay
