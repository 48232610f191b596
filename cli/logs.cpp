#include "base/utf8.hpp"
#include "cli/commands.hpp"
#include "cli/control.hpp"
#include "cli/format.hpp"
#include "cli/target.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <memory>
#include <ostream>
#include <thread>

namespace belay::cli {
namespace {

struct LogsOptions {
    std::string id;
    unsigned attempt = 0; ///< 0: the newest
    bool follow = false;
    bool only_stdout = false;
    bool only_stderr = false;
    bool raw = false;
};

std::string decode_base64(const std::string& text)
{
    std::string bytes(text.size() / 4 * 3, '\0');
    const int size = ::EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
        reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
    if (size < 0)
        throw Failure{EXIT_FAILURE, "belayd sent output that is not base64"};
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0; // decoded as zero bytes
    bytes.resize(static_cast<std::size_t>(size) - padding);
    return bytes;
}

/** One stream of an attempt, printed piece by piece as it grows. */
class StreamPrinter {
public:
    /** @param readable whether a person reads `out`: what could steer the terminal is escaped */
    StreamPrinter(std::string name, std::ostream& out, bool readable)
        : name_(std::move(name)), out_(out), readable_(readable)
    {
    }

    /** Prints what is new; while the attempt runs, not the beginning of a character whose end is missing. */
    void print(const json::value& output, bool running)
    {
        std::string text = text_member(output, name_);
        if (text.empty())
            text = decode_base64(text_member(output, name_ + "_base64"));
        dropped_ = number_member(output, name_ + "_dropped");
        const std::string_view news = std::string_view{text}.substr(std::min(shown_, text.size()));
        const std::string_view whole = running && readable_ ? news.substr(0, whole_characters(news)) : news;
        out_ << (readable_ ? escape_for_terminal(whole) : whole) << std::flush;
        shown_ += whole.size();
    }

    void report_cut(std::ostream& err) const
    {
        if (dropped_ > 0)
            err << fmt::format("belay: {} more bytes of {} were over the output_limit and not kept\n", dropped_, name_);
    }

private:
    /** The length of `text` without an unfinished UTF-8 sequence at its end. */
    static std::size_t whole_characters(std::string_view text) noexcept
    {
        std::size_t start = text.size();
        for (int tail = 0; tail < 3 && start > 0; ++tail)
            if ((static_cast<unsigned char>(text[--start]) & 0xC0U) == 0xC0U) // the first byte of several
                return is_valid_utf8(text.substr(start)) ? text.size() : start;
        return text.size();
    }

    const std::string name_;
    std::ostream& out_;
    const bool readable_;
    std::size_t shown_ = 0; // bytes
    std::uint64_t dropped_ = 0;
};

/** The newest state of the output; waits for the first attempt of a job that will have one, if asked to. */
Answer fetch_output(const Control& control, const LogsOptions& options, unsigned attempt, Milliseconds interval)
{
    const std::string target =
        make_target(job_target(options.id, "/output"), {{"attempt", attempt == 0 ? "" : std::to_string(attempt)}});
    for (;;) {
        Answer answer = control.call("GET", target, answer_timeout);
        if (answer.ok())
            return answer;
        if (answer.status != 404 || !options.follow)
            throw Failure{EXIT_FAILURE, answer.problem()};
        const std::string state = text_member(control.get(job_target(options.id)).body, "state");
        if (state != "queued" && state != "running")
            throw Failure{EXIT_FAILURE, answer.problem()};
        std::this_thread::sleep_for(interval);
    }
}

int show_logs(const LogsOptions& options, Context& context)
{
    const Control control{context};
    StreamPrinter out{"stdout", context.out, context.out_terminal && !options.raw};
    StreamPrinter err{"stderr", context.err, context.err_terminal && !options.raw};
    for (unsigned attempt = options.attempt;;) {
        const Answer answer = fetch_output(control, options, attempt, context.poll_interval);
        const bool running = flag_member(answer.body, "running");
        if (context.json && !(running && options.follow)) {
            context.out << answer.text << '\n';
            return EXIT_SUCCESS;
        }
        if (!context.json && !options.only_stderr)
            out.print(answer.body, running);
        if (!context.json && !options.only_stdout)
            err.print(answer.body, running);
        if (!running || !options.follow)
            break;
        attempt = static_cast<unsigned>(number_member(answer.body, "attempt")); // stay with it when it is retried
        std::this_thread::sleep_for(context.poll_interval);
    }
    if (!options.only_stderr)
        out.report_cut(context.err);
    if (!options.only_stdout)
        err.report_cut(context.err);
    return EXIT_SUCCESS;
}

} // namespace

void add_logs(CLI::App& app, Context& context, Command& chosen)
{
    const auto options = std::make_shared<LogsOptions>();
    CLI::App* command =
        app.add_subcommand("logs", "Print what a job wrote: its stdout to stdout, its stderr to stderr");
    command->add_option("ID", options->id, "the job, as `belay jobs` shows it")->required()->type_name("");
    command->add_flag("-f,--follow", options->follow, "until the attempt ends, as it is written");
    command->add_option("--attempt", options->attempt, "of this attempt; else of the newest")
        ->check(CLI::PositiveNumber)
        ->type_name("N");
    CLI::Option* only_stdout = command->add_flag("--stdout", options->only_stdout, "only stdout");
    command->add_flag("--stderr", options->only_stderr, "only stderr")->excludes(only_stdout);
    command->add_flag("--raw", options->raw, "escape nothing, even on a terminal");
    command->callback([&, options] { chosen = [&, options] { return show_logs(*options, context); }; });
}

} // namespace belay::cli
