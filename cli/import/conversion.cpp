#include "cli/import/conversion.hpp"

#include "base/utf8.hpp"
#include "belayd/config/checks.hpp"
#include "belayd/config/values.hpp"
#include "cli/import/command_lookup.hpp"

#include <boost/beast/core/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <set>

namespace belay::webhook {
namespace {

using config::to_toml;

constexpr const char* native_heading = R"(# Written by belay import from {}.
#
# What differs from adnanh/webhook for every hook: a request is answered 202 once its job is on disk, and the job is run
# after that, at most 10 minutes (timeout) and as many at once as there are cores; only POST is answered; a request that
# is not authentic gets 401, and a body that cannot be read 400; commands get PATH, HOME, LANG and a few more of belayd's
# environment and no others (runner.pass_environment), and the request's body on standard input.
)";

constexpr const char* strict_heading = R"(# Written by belay import --compat strict from {}.
#
# Requests are read, judged and answered as adnanh/webhook 2.8 does.  What differs all the same: a job is on disk before
# the answer, and is run at most 10 minutes (timeout) and as many at once as there are cores; bodies over 1 MiB
# (max_body) are refused, as is JSON nested more than 512 deep, and XML by hooks that want something of it; output that is answered is
# at most 1 MiB (output_limit), and is waited for an hour at most (wait); commands get
# PATH, HOME, LANG and a few more of belayd's environment and no others (runner.pass_environment), and the request's
# body on standard input.
)";

std::string quote(std::string_view text)
{
    return to_toml(text);
}

/** A hook name made of an id that is none. */
std::string make_name(const std::string& id)
{
    std::string name;
    for (const char c : id)
        if (config::fault_in_hook_name("a" + std::string(1, c)).empty())
            name += c;
        else if (!name.empty() && name.back() != '-')
            name += '-';
    constexpr std::size_t most = 56; // leaves room for a number
    name = "hook-" + name;
    return name.substr(0, most);
}

/** A variable's name made of one that shells cannot read. */
std::string make_variable(std::string name)
{
    for (char& c : name)
        if (!config::fault_in_variable_name("A" + std::string(1, c)).empty())
            c = '_';
    return name;
}

/** One hook as a table of belay.toml. */
class HookWriter {
public:
    HookWriter(const Scope& scope, const ConversionOptions& options)
        : scope_(scope), hook_(scope.hook), options_(options)
    {
    }

    std::string write()
    {
        if (scope_.mode == Mode::strict)
            text_ += "compat = \"webhook\"\n";
        text_ += rule_lines(scope_);
        write_command();
        write_environment();
        write_files();
        write_directory();
        write_answers();
        if (scope_.mode == Mode::strict)
            write_compatible();
        else
            note_incompatible();
        return std::move(text_);
    }

private:
    void write_command()
    {
        const auto command =
            find_command(hook_.command, hook_.directory, {options_.working_directory, options_.search_path});
        const auto fault = !command.starts_with('/') ? "is not in $PATH" : config::fault_in_command(command);
        std::string remark;
        if (!fault.empty()) {
            remark = fmt::format(" # {} {}", quote(command), fault);
            scope_.notes.warn(hook_.line, fmt::format("execute-command {} {}", quote(command), fault));
        }
        std::vector<std::string> words{quote(command)};
        for (const Argument& argument : hook_.arguments)
            words.push_back(write_argument(argument));
        text_ += fmt::format("run = [{}]{}\n", fmt::join(words, ", "), remark);
        if (scope_.mode == Mode::native && asks_request_)
            scope_.notes.warn(hook_.line, "a value that begins with \"-\" is refused as an argument; allow_dash = true "
                                          "beside it lets it through");
    }

    /** A missing one is "", so that what follows keeps its place. */
    std::string write_argument(const Argument& argument)
    {
        const auto source = request_source(argument, scope_);
        if (!source)
            return quote(argument.source == "string" ? argument.name : "");
        asks_request_ = true;
        return fmt::format("{{ {}{} }}", *source, scope_.mode == Mode::strict ? "" : ", default = \"\"");
    }

    void write_environment()
    {
        std::vector<std::string> members;
        for (const Argument& argument : hook_.environment) {
            const auto name = argument.environment_name.empty() ? "HOOK_" + argument.name : argument.environment_name;
            const auto source = request_source(argument, scope_);
            if (!source && argument.source != "string")
                continue;
            if (const auto variable = check_variable(name, argument, source.has_value()); !variable.empty())
                members.push_back(
                    fmt::format("{} = {}", variable, source ? fmt::format("{{ {} }}", *source) : quote(argument.name)));
        }
        write_table("env", members);
    }

    void write_files()
    {
        std::vector<std::string> members;
        for (const Argument& argument : hook_.files) {
            auto name = argument.environment_name;
            if (name.empty()) {
                name = argument.name;
                std::ranges::transform(
                    name, name.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
                name.insert(0, "HOOK_");
            }
            const auto source = request_source(argument, scope_);
            if (!source && argument.source == "string")
                scope_.notes.lose(
                    argument.line, "a file with a text that is written here: write it, and name it in env");
            if (!source)
                continue;
            if (const auto variable = check_variable(name, argument, true); !variable.empty())
                members.push_back(fmt::format(
                    "{} = {{ {}{} }}", variable, *source, argument.base64decode ? ", decode = \"base64\"" : ""));
        }
        write_table("files", members);
    }

    /** The name for belay.toml; "" where that variable cannot be set. */
    std::string check_variable(const std::string& name, const Argument& argument, bool from_request)
    {
        std::string variable = make_variable(name);
        if (variable != name)
            scope_.notes.warn(
                argument.line, fmt::format("the variable {} is called {}, which shells can read", name, variable));
        auto fault = config::fault_in_variable_name(variable);
        if (fault.empty() && from_request)
            fault = config::fault_in_requested_variable(variable);
        if (fault.empty() && variables_.insert(variable).second)
            return variable;
        scope_.notes.lose(argument.line, fmt::format("the variable {} {}", variable,
                                             fault.empty() ? "is there already: the first one counts" : fault));
        return {};
    }

    void write_table(std::string_view key, const std::vector<std::string>& members)
    {
        if (!members.empty())
            text_ += fmt::format("{} = {{ {} }}\n", key, fmt::join(members, ", "));
    }

    void write_directory()
    {
        if (hook_.directory.empty())
            return;
        const auto directory =
            (std::filesystem::path{options_.working_directory} / hook_.directory).lexically_normal().string();
        const auto fault = config::fault_in_directory(directory);
        if (!fault.empty())
            scope_.notes.warn(hook_.line, fmt::format("command-working-directory {} {}", quote(directory), fault));
        text_ += fmt::format("directory = {}{}\n", quote(directory), fault.empty() ? "" : " # " + fault);
    }

    void write_answers()
    {
        if (scope_.mode == Mode::strict) {
            if (hook_.captures_output)
                text_ += "wait = \"1h\"\n"; // the longest there is: webhook waits as long as the command takes
            return;
        }
        if (hook_.captures_output) {
            text_ += "wait = \"30s\"\n";
            scope_.notes.warn(
                hook_.line, "who sends waits at most 30 s for the output; then it is 202 as for other hooks");
        }
        constexpr unsigned most = 499; // belayd's own answers begin beyond
        const unsigned status = status_of(hook_.mismatch_status);
        if (status > most)
            scope_.notes.warn(hook_.line, fmt::format("where rules do not match the status is 200, not {}", status));
        else if (status != 200)
            text_ += fmt::format("mismatch_status = {}\n", status);
    }

    /** What webhook answers for a number in the file: one that it does not know is 200. */
    unsigned status_of(std::int64_t number)
    {
        constexpr auto known = std::to_array<std::int16_t>(
            {200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402,
                403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425,
                426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511});
        if (std::ranges::find(known, number) != known.end())
            return static_cast<unsigned>(number);
        if (number != 0)
            scope_.notes.warn(hook_.line, fmt::format("the status {} is no final one: it is 200", number));
        return 200;
    }

    /** Strict mode: keys that only a hook with compat has. */
    void write_compatible()
    {
        std::vector<std::string> members;
        if (!hook_.methods.empty())
            members.push_back("methods = " + to_toml(methods()));
        if (!hook_.content_type.empty())
            members.push_back("content_type = " + quote(hook_.content_type));
        if (const auto parameters = json_parameters(); !parameters.empty())
            members.push_back(fmt::format("json_parameters = [{}]", fmt::join(parameters, ", ")));
        if (hook_.soft_signatures)
            members.emplace_back("soft_signatures = true");
        if (!hook_.response_message.empty())
            members.push_back("response_message = " + quote(hook_.response_message));
        if (hook_.captures_output)
            members.push_back(
                fmt::format("answer_output = \"{}\"", hook_.captures_output_on_error ? "always" : "success"));
        if (const auto headers = response_headers(); !headers.empty())
            members.push_back(fmt::format("response_headers = {{ {} }}", fmt::join(headers, ", ")));
        if (const unsigned status = status_of(hook_.success_status); status != 200)
            members.push_back(fmt::format("success_status = {}", status));
        if (const unsigned status = status_of(hook_.mismatch_status); status != 200)
            members.push_back(fmt::format("mismatch_status = {}", status));
        write_table("webhook", members);
    }

    /** Of equal names the last one counts, as it does for webhook. */
    std::vector<std::string> response_headers()
    {
        std::map<std::string, std::string, boost::beast::iless> headers;
        for (const Header& header : hook_.response_headers) {
            const bool is_line = std::ranges::none_of(
                header.value, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; });
            if (is_line && config::fault_in_response_header(header.name).empty())
                headers[header.name] = header.value;
            else
                scope_.notes.lose(
                    hook_.line, fmt::format("the response header {}: HTTP has no such field, or belayd writes it",
                                    quote(header.name)));
        }
        std::vector<std::string> members;
        for (const auto& [name, value] : headers)
            members.push_back(fmt::format("{} = {}", quote(name), quote(value)));
        return members;
    }

    std::vector<std::string> json_parameters()
    {
        std::vector<std::string> parameters;
        for (const Argument& parameter : hook_.json_parameters) {
            const auto source = parameter.source == "payload" || parameter.source == "header" ||
                                        parameter.source == "url" || parameter.source == "query"
                                    ? request_source(parameter, scope_)
                                    : std::nullopt;
            if (source)
                parameters.push_back(fmt::format("{{ {} }}", *source));
        }
        return parameters;
    }

    /** Upper-case, without what is around them. */
    std::vector<std::string> methods() const
    {
        std::vector<std::string> methods;
        for (std::string method : hook_.methods) {
            std::erase_if(method, [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); });
            std::ranges::transform(
                method, method.begin(), [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
            methods.push_back(std::move(method));
        }
        return methods;
    }

    void note_incompatible()
    {
        const auto names = methods();
        if (!names.empty() && std::ranges::find(names, "POST") == names.end())
            scope_.notes.lose(hook_.line, fmt::format("only POST is answered, not {}", fmt::join(names, ", ")));
        for (const Argument& parameter : hook_.json_parameters)
            if (parameter.source != "payload" || parameter.name != "payload")
                scope_.notes.lose(parameter.line, fmt::format("JSON within \"{}\" is not read: only a form's field "
                                                              "\"payload\" is unwrapped",
                                                      parameter.name));
            else
                scope_.notes.warn(parameter.line, "the field \"payload\" is unwrapped where it is a form's only one, "
                                                  "and the payload is what is in it");
        if (!hook_.content_type.empty())
            scope_.notes.warn(hook_.line, "incoming-payload-content-type: what the request says of its body counts");
        if (!hook_.response_message.empty())
            scope_.notes.warn(hook_.line, "response-message: the answer is JSON that names the job");
        if (!hook_.response_headers.empty())
            scope_.notes.lose(hook_.line, "response-headers: a hook has none");
        if (hook_.success_status != 0 && hook_.success_status != 202)
            scope_.notes.warn(
                hook_.line, fmt::format("the status is 202 once the job is on disk, not {}", hook_.success_status));
    }

    const Scope& scope_;
    const Hook& hook_;
    const ConversionOptions& options_;
    std::string text_;
    std::set<std::string> variables_;
    bool asks_request_ = false;
};

/** Gives each hook a name of its own. */
class Names {
public:
    /** Those of all hooks whose id is one are theirs. */
    explicit Names(const std::vector<HooksFile>& files)
    {
        for (const HooksFile& file : files)
            for (const Hook& hook : file.hooks)
                names_.insert(hook.id);
    }

    std::string add(const Hook& hook, Notes& notes)
    {
        std::string name = hook.id;
        if (const auto fault = config::fault_in_hook_name(hook.id); !fault.empty()) {
            const std::string made = make_name(hook.id);
            name = made;
            for (unsigned& number = numbers_[made]; !names_.insert(name).second;)
                name = fmt::format("{}-{}", made, ++number + 1);
            notes.lose(
                hook.line, fmt::format("id {} {}; it is {}, and its URL /hooks/{}", quote(hook.id), fault, name, name));
        }
        return name;
    }

    /** Whether an id was there before, which is noted. */
    bool is_duplicate(const Hook& hook, Notes& notes)
    {
        if (ids_.insert(hook.id).second)
            return false;
        notes.warn(hook.line, fmt::format("id {} is there already: the first one counts", quote(hook.id)));
        return true;
    }

private:
    std::set<std::string> ids_;
    std::set<std::string> names_;
    std::map<std::string, unsigned> numbers_; // the last that was tried, by what it was tried with
};

std::string file_names(const std::vector<HooksFile>& files)
{
    std::vector<std::string> names;
    for (const HooksFile& file : files)
        names.push_back(std::filesystem::path{file.name}.filename().string());
    return escape_for_line(fmt::format("{}", fmt::join(names, ", ")));
}

} // namespace

Conversion convert(std::vector<HooksFile>& files, const ConversionOptions& options)
{
    Conversion conversion;
    conversion.toml =
        fmt::format(fmt::runtime(options.mode == Mode::strict ? strict_heading : native_heading), file_names(files));
    Names names{files};
    for (HooksFile& file : files) {
        Notes notes{file.remarks, conversion.secrets};
        for (const Hook& hook : file.hooks) {
            if (names.is_duplicate(hook, notes))
                continue;
            if (hook.command.empty()) {
                notes.lose(hook.line, fmt::format("hook {} has no execute-command: it runs nothing", quote(hook.id)));
                continue;
            }
            const Scope scope{options.mode, hook, names.add(hook, notes), options.secrets_prefix, notes};
            const bool is_bare = scope.name.find('.') == std::string::npos;
            conversion.toml += fmt::format("\n# {}:{}\n[hooks.{}]\n", escape_for_line(file.name), hook.line,
                is_bare ? scope.name : quote(scope.name));
            conversion.toml += HookWriter{scope, options}.write();
        }
        std::ranges::stable_sort(file.remarks, {}, &Remark::line);
    }
    return conversion;
}

} // namespace belay::webhook
