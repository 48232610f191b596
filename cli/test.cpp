#include "belayd/config/load.hpp"
#include "cli/commands.hpp"
#include "cli/format.hpp"
#include "cli/golden_case.hpp"
#include "cli/json.hpp"
#include "cli/trial.hpp"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <sysexits.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <ostream>

namespace belay::cli {
namespace {

struct TestOptions {
    std::vector<std::string> files;
};

struct Finding {
    std::string file;
    GoldenCase golden;
    std::vector<std::string> differences; ///< none: passed
};

std::string quote(const std::string& text)
{
    return format_command(std::vector{text});
}

void compare_arguments(const std::vector<std::string>& expected, const std::vector<std::string>& found,
    std::vector<std::string>& differences)
{
    if (expected.size() + 1 != found.size())
        differences.push_back(fmt::format("expected {} arguments, got {}", expected.size(), found.size() - 1));
    for (std::size_t i = 0; i < expected.size() && i + 1 < found.size(); ++i)
        if (expected[i] != found[i + 1])
            differences.push_back(
                fmt::format("argument {}: expected {}, got {}", i + 1, quote(expected[i]), quote(found[i + 1])));
}

void compare_environment(const std::map<std::string, std::string>& expected,
    const std::vector<std::pair<std::string, std::string>>& found, std::vector<std::string>& differences)
{
    for (const auto& [name, value] : expected) {
        const auto variable = std::ranges::find(found, name, &std::pair<std::string, std::string>::first);
        if (variable == found.end())
            differences.push_back(fmt::format("variable {}: expected {}, got none", name, quote(value)));
        else if (variable->second != value)
            differences.push_back(
                fmt::format("variable {}: expected {}, got {}", name, quote(value), quote(variable->second)));
    }
}

/** @param found without content: the body */
void compare_files(const std::map<std::string, std::string>& expected, const hooks::Invocation& found,
    const std::string& body, std::vector<std::string>& differences)
{
    constexpr std::size_t max_shown = 200; // of a terminal's lines, two or three
    const auto shown = [](const std::string& content) { return escape_for_line(content, max_shown); };
    for (const auto& [name, content] : expected) {
        const auto file = std::ranges::find(found.files, name, [](const auto& it) { return it.first; });
        if (file == found.files.end())
            differences.push_back(fmt::format("file {}: expected \"{}\", got none", name, shown(content)));
        else if (const std::string& made = file->second ? *file->second : body; made != content)
            differences.push_back(
                fmt::format("file {}: expected \"{}\", got \"{}\"", name, shown(content), shown(made)));
    }
}

std::vector<std::string> compare(const GoldenCase& golden, const config::Hook& hook, const hooks::Decision& decision)
{
    std::vector<std::string> differences;
    const std::string_view outcome = outcome_of(decision);
    const std::string reason = reason_of(decision);
    const auto status = static_cast<std::uint64_t>(status_of(decision, hook));
    if (golden.expected != outcome)
        differences.push_back(
            fmt::format("expected {}, got {}{}{}", golden.expected, outcome, reason.empty() ? "" : ": ", reason));
    else if (golden.reason && *golden.reason != reason)
        differences.push_back(fmt::format("expected the reason {}, got {}", quote(*golden.reason), quote(reason)));
    if (golden.status && *golden.status != status)
        differences.push_back(fmt::format("expected status {}, got {}", *golden.status, status));
    const auto* const event = std::get_if<hooks::Event>(&decision);
    if (event == nullptr)
        return differences;
    if (golden.arguments)
        compare_arguments(*golden.arguments, event->invocation.arguments, differences);
    compare_environment(golden.environment, event->invocation.environment, differences);
    compare_files(golden.files, event->invocation, golden.request.body, differences);
    return differences;
}

hooks::Decision decide(const GoldenCase& golden, const config::Hook& hook, const std::string& directory)
{
    const http::Request view = golden.request.view();
    const hooks::Input input{view, now(), golden.request.remote};
    if (golden.authenticates)
        return hooks::Hook{hook, directory}.decide(input).decision;
    return Trial{hook, directory, hooks::Signatures::assumed}.decide(input);
}

std::vector<std::string> try_case(
    GoldenCase& golden, const config::Config& config, const std::string& file, std::istream& in)
{
    const std::string directory = std::filesystem::path{config.file}.parent_path().string();
    try {
        const config::Hook& hook = find_hook(config, golden.hook, EX_USAGE);
        if (!golden.body_file.empty())
            golden.request.body =
                read_file((std::filesystem::path{file}.parent_path() / golden.body_file).string(), in, EX_NOINPUT);
        if (golden.request.path == "/")
            golden.request.path = "/hooks/" + hook.path;
        return compare(golden, hook, decide(golden, hook, directory));
    } catch (const Failure& e) {
        return {e.what()};
    } catch (const config::ConfigError& e) { // of a secret
        return {e.diagnostics().front().message};
    } catch (const hooks::UnknownSignature& e) {
        return {fmt::format("cannot be told: {}; signed = true has signatures checked", e.what())};
    }
}

std::vector<GoldenCase> load_cases(const std::string& file, Context& context)
{
    try {
        return parse_golden_cases(read_file(file, context.in, EX_NOINPUT), file);
    } catch (const config::ConfigError& e) {
        for (const auto& diagnostic : e.diagnostics())
            context.err << config::format(diagnostic) << '\n';
        throw Failure{EX_DATAERR, fmt::format("{} has errors", file)};
    }
}

void print(const std::vector<Finding>& findings, Context& context)
{
    std::ptrdiff_t failed = 0;
    for (const auto& [file, golden, differences] : findings) {
        const bool passed = differences.empty();
        failed += passed ? 0 : 1;
        context.out << paint(passed ? "ok  " : "FAIL", passed ? Style::good : Style::bad, context.colours) << ' '
                    << escape_for_terminal(golden.name);
        if (!passed)
            context.out << fmt::format(" ({}:{})", escape_for_terminal(file), golden.origin.line);
        context.out << '\n';
        for (const std::string& difference : differences)
            context.out << "     " << escape_for_terminal(difference) << '\n';
    }
    context.out << fmt::format("{} passed, {} failed\n", std::ssize(findings) - failed, failed);
}

json::object to_json(const std::vector<Finding>& findings)
{
    json::array cases;
    std::size_t failed = 0;
    for (const auto& [file, golden, differences] : findings) {
        json::array texts;
        for (const std::string& difference : differences)
            texts.emplace_back(replace_invalid_utf8(difference));
        failed += differences.empty() ? 0 : 1;
        cases.push_back(json::object{{"name", golden.name}, {"file", file}, {"line", golden.origin.line},
            {"passed", differences.empty()}, {"differences", std::move(texts)}});
    }
    return {{"passed", findings.size() - failed}, {"failed", failed}, {"cases", std::move(cases)}};
}

int test(const TestOptions& options, Context& context)
{
    const config::Config config = load_for_trial(context);
    std::vector<Finding> findings;
    for (const std::string& file : options.files)
        for (GoldenCase& golden : load_cases(file, context)) {
            auto differences = try_case(golden, config, file, context.in);
            findings.push_back({file, std::move(golden), std::move(differences)});
        }
    if (context.json)
        context.out << json::serialize(to_json(findings)) << '\n';
    else
        print(findings, context);
    const bool good = std::ranges::all_of(findings, [](const Finding& finding) { return finding.differences.empty(); });
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}

constexpr const char* test_footer =
    R"(A file has cases, whose requests need no signature, neither for auth nor for a rule, unless they say signed = true:
  [[case]]
  name = "a push to main deploys it"
  hook = "deploy"
  request = { headers = { X-GitHub-Event = "push" }, body = '{"ref": "refs/heads/main"}' }
  expect = "event"      # or "ignored", "refused", "answered" (a sender's challenge)
  arguments = ["main"]  # without the command; also: environment = {…}, files = {…}, status, reason
A request may have method, path, query, headers, from (an address), and body or body_file.

Exit status: 0 all passed; 1 some did not; 64 usage; 65, 66 a file; 78 the configuration.)";

} // namespace

void add_test(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<TestOptions>();
    CLI::App* command = app.add_subcommand("test", "Check what hooks make of written-down requests; runs nothing");
    command->add_option("FILE", options->files, "files of cases")->required()->type_name("");
    command->footer(test_footer);
    command->callback([&, options] { chosen = [&, options] { return test(*options, context); }; });
}

} // namespace belay::cli
