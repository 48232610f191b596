#include "base/unique_fd.hpp"
#include "belayd/config/values.hpp"
#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/import/conversion.hpp"
#include "cli/import/template.hpp"
#include "cli/json.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <fcntl.h>
#include <sysexits.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <ostream>
#include <sstream>
#include <system_error>

namespace belay::cli {
namespace {

namespace fs = std::filesystem;

constexpr int exit_with_warnings = 3;
constexpr int exit_with_losses = 4;

struct ImportOptions {
    std::vector<std::string> files;
    std::string output;
    std::string compat;
    std::string secrets_directory;
    bool is_template = false;
    bool force = false;
};

std::string reason(int error)
{
    return std::generic_category().message(error);
}

/** No more of it than tells that it is too long: some files have no end. */
std::string read_text(const std::string& file)
{
    std::string text(webhook::max_file_bytes + 1, '\0');
    std::ifstream in{file, std::ios::binary};
    if (in && (in.read(text.data(), std::ssize(text)) || !in.bad())) { // bad e.g. for a directory
        text.resize(static_cast<std::size_t>(in.gcount()));
        return text;
    }
    throw Failure{EX_NOINPUT, fmt::format("cannot read {}: {}", file, reason(errno))};
}

std::optional<std::string> find_variable(const std::string& name)
{
    const char* const value = std::getenv(name.c_str());
    return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
}

webhook::HooksFile read_hooks_file(const std::string& name, bool expands)
{
    webhook::HooksFile file{.name = name, .hooks = {}, .remarks = {}};
    const std::string text = read_text(name);
    try {
        file.hooks =
            expands ? webhook::read_hooks(webhook::expand_template(text, find_variable, file.remarks), file.remarks)
                    : webhook::read_hooks(text, file.remarks);
    } catch (const webhook::FileError& e) {
        const auto where = e.line() == 0 ? name : fmt::format("{}:{}", name, e.line());
        const bool is_template = !expands && text.find("{{") != std::string::npos;
        throw Failure{EX_NOINPUT, fmt::format("{}: {}{}", where, e.what(),
                                      is_template ? " (a template, for webhook's -template? Then --template)" : "")};
    }
    return file;
}

/** Writes a file that only its owner can read, whole or not at all. */
class NewFile {
public:
    NewFile(std::string path, const std::string& text) : path_(std::move(path)), draft_(path_ + ".XXXXXX")
    {
        const int opened = ::mkostemp(draft_.data(), O_CLOEXEC);
        if (opened < 0)
            throw Failure{EX_CANTCREAT, fmt::format("cannot write {}: {}", path_, reason(errno))};
        const UniqueFd fd{opened};
        for (std::string_view rest = text; !rest.empty();) {
            const auto written = ::write(fd.get(), rest.data(), rest.size());
            if (written < 0 && errno != EINTR)
                give_up(errno);
            rest.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
        }
        if (::fsync(fd.get()) != 0)
            give_up(errno);
    }
    ~NewFile()
    {
        if (!draft_.empty())
            (void)::unlink(draft_.c_str());
    }
    NewFile(NewFile&& other) noexcept : path_(std::move(other.path_)), draft_(std::exchange(other.draft_, {})) {}
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;
    NewFile& operator=(NewFile&&) = delete;

    void put_in_place(bool force)
    {
        if ((force ? ::rename(draft_.c_str(), path_.c_str()) : ::link(draft_.c_str(), path_.c_str())) != 0)
            give_up(errno);
        if (force)
            draft_.clear();
    }

private:
    [[noreturn]] void give_up(int error)
    {
        (void)::unlink(draft_.c_str());
        draft_.clear();
        throw Failure{EX_CANTCREAT,
            fmt::format("cannot write {}: {}{}", path_, reason(error), error == EEXIST ? "; --force replaces it" : "")};
    }

    std::string path_;
    std::string draft_;
};

/** All or, as far as can be seen before, none. */
void write_files(const std::vector<std::pair<std::string, std::string>>& files, bool force)
{
    for (const auto& [path, text] : files)
        if (!force && fs::exists(fs::symlink_status(path)))
            throw Failure{EX_CANTCREAT, fmt::format("{} exists; --force replaces it", path)};
    std::vector<NewFile> drafts;
    for (const auto& [path, text] : files)
        drafts.emplace_back(path, text);
    for (NewFile& draft : drafts)
        draft.put_in_place(force);
}

/** The directory of secrets, and what leads there from the configuration's. */
struct SecretsPlace {
    fs::path directory;
    std::string prefix;
};

SecretsPlace place_secrets(const ImportOptions& options)
{
    const auto beside = fs::path{options.output}.parent_path();
    if (options.secrets_directory.empty())
        return {beside, ""};
    const fs::path directory{options.secrets_directory};
    return {directory, (fs::absolute(directory).lexically_normal() / "").string()};
}

bool has(const std::vector<webhook::HooksFile>& files, webhook::Remark::Kind kind)
{
    return std::ranges::any_of(files, [kind](const auto& file) {
        return std::ranges::find(file.remarks, kind, &webhook::Remark::kind) != file.remarks.end();
    });
}

json::array to_json(const std::vector<webhook::HooksFile>& files)
{
    json::array array;
    for (const auto& file : files)
        for (const auto& remark : file.remarks)
            array.push_back(json::object{{"file", file.name}, {"line", remark.line}, {"text", remark.text},
                {"mapped", remark.kind == webhook::Remark::Kind::warning}});
    return array;
}

void print_remarks(const std::vector<webhook::HooksFile>& files, Context& context)
{
    for (const auto& file : files)
        for (const auto& remark : file.remarks)
            context.err << escape_for_line(fmt::format("{}:{}: {}{}", file.name, remark.line,
                               remark.kind == webhook::Remark::Kind::loss ? "not mapped: " : "", remark.text))
                        << '\n';
}

int import(const ImportOptions& options, Context& context)
{
    std::vector<webhook::HooksFile> files;
    for (const std::string& name : options.files)
        files.push_back(read_hooks_file(name, options.is_template));
    const SecretsPlace place = place_secrets(options);
    const auto conversion =
        webhook::convert(files, {.mode = options.compat == "strict" ? webhook::Mode::strict : webhook::Mode::native,
                                    .secrets_prefix = place.prefix,
                                    .working_directory = fs::current_path().string(),
                                    .search_path = find_variable("PATH").value_or("")});

    std::vector<std::pair<std::string, std::string>> outputs;
    if (!options.output.empty() || !options.secrets_directory.empty())
        for (const auto& secret : conversion.secrets)
            outputs.emplace_back((place.directory / secret.file_name).string(), secret.text + "\n");
    json::array secrets;
    for (const auto& [path, text] : outputs)
        secrets.emplace_back(path);
    if (!options.output.empty())
        outputs.emplace_back(options.output, conversion.toml);
    write_files(outputs, options.force);

    if (context.json) {
        context.out << json::serialize(json::object{
                           {"toml", conversion.toml}, {"remarks", to_json(files)}, {"secrets", std::move(secrets)}})
                    << '\n';
    } else {
        if (options.output.empty())
            context.out << conversion.toml;
        print_remarks(files, context);
        if (outputs.empty() && !conversion.secrets.empty())
            context.err << fmt::format("{} secret{} not written: -o or --secrets-dir says where\n",
                conversion.secrets.size(), conversion.secrets.size() == 1 ? "" : "s");
    }
    return has(files, webhook::Remark::Kind::loss)      ? exit_with_losses
           : has(files, webhook::Remark::Kind::warning) ? exit_with_warnings
                                                        : EXIT_SUCCESS;
}

constexpr const char* import_footer =
    R"(Reads hooks.json and hooks.yaml as adnanh/webhook 2.8 does, and prints belay.toml, with each
change of meaning on standard error.  Secrets go into files of their own (mode 0600), beside the
output: without -o or --secrets-dir nothing is written.

Exit status: 0 all is as it was; 3 something means a little else, see what was printed; 4 something
could not be mapped; 64 usage; 66 a file cannot be read; 73 a file cannot be written, or is there.

  belay import hooks.json                                      what would it be?
  belay import hooks.json -o /etc/belay/belay.toml && belay check
  belay import --compat strict hooks.yaml -o belay.toml        statuses and quirks as they were)";

} // namespace

void add_import(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<ImportOptions>();
    CLI::App* command = app.add_subcommand("import", "Turn hooks files of adnanh/webhook into belay.toml");
    command->add_option("FILE", options->files, "hooks.json or hooks.yaml")->required()->type_name("");
    command->add_option("-o,--output", options->output, "write the configuration there")->type_name("FILE");
    command->add_option("--compat", options->compat, "strict: requests are read and answered as webhook does")
        ->check(CLI::IsMember({"strict"}))
        ->type_name("strict");
    command->add_flag("--template", options->is_template,
        "the files are templates, as for webhook -template: {{ getenv \"NAME\" }} is the variable's value now");
    command->add_option("--secrets-dir", options->secrets_directory, "where secrets go; else beside the output")
        ->type_name("DIR");
    command->add_flag("--force", options->force, "replace files that are there");
    command->footer(import_footer);
    command->callback([&, options] { chosen = [&, options] { return import(*options, context); }; });
}

} // namespace belay::cli
