#include "cli/control.hpp"

#include "belayd/config/load.hpp"
#include "http/client.hpp"
#include "http/response.hpp"

#include <boost/json/parse.hpp>
#include <boost/system/error_code.hpp>
#include <fmt/format.h>

#include <sysexits.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace belay::cli {
namespace {

constexpr const char* system_socket = "/run/belay/control.sock";

std::string find_socket(const Context& context)
{
    if (!context.socket.empty())
        return context.socket;
    if (const char* directories = std::getenv("RUNTIME_DIRECTORY"); directories != nullptr && *directories != '\0') {
        const std::string_view all = directories; // separated by colons (systemd.exec(5))
        return fmt::format("{}/control.sock", all.substr(0, all.find(':')));
    }
    if (may_exist(system_socket))
        return system_socket;
    try {
        return config::load_config(context.config_file).state_dir + "/control.sock";
    } catch (const config::ConfigError&) {
        throw Failure{EX_UNAVAILABLE,
            fmt::format(
                "there is no {}, and {} does not tell another place (is belayd running? see --socket, --config)",
                system_socket, context.config_file)};
    }
}

/** What to do about it, "" if that is not known. */
std::string_view remedy(const std::error_code& error)
{
    if (error == std::errc::no_such_file_or_directory || error == std::errc::connection_refused)
        return " (is belayd running? see --socket)";
    if (error == std::errc::permission_denied)
        return " (members of group belay may use it, others need sudo)";
    return "";
}

Answer succeed(Answer answer)
{
    if (!answer.ok())
        throw Failure{answer.status == 503 ? EX_UNAVAILABLE : EXIT_FAILURE, answer.problem()};
    return answer;
}

} // namespace

std::string Answer::problem() const
{
    const std::string detail = text_member(body, "detail");
    return fmt::format("{} {}{}{}", status, http::reason_phrase(status), detail.empty() ? "" : ": ", detail);
}

Answer make_answer(int status, std::string body)
{
    boost::system::error_code ec;
    json::value parsed = json::parse(body, ec);
    return {.status = status, .text = std::move(body), .body = ec ? json::value{} : std::move(parsed)};
}

bool may_exist(const std::string& path)
{
    std::error_code error; // none where the answer is known, be it no
    return std::filesystem::exists(path, error) || error;
}

Control::Control(const Context& context) : endpoint_("unix:" + find_socket(context)) {}

Answer Control::call(const std::string& method, const std::string& target, Milliseconds timeout) const
{
    try {
        auto response = http::fetch(endpoint_, {.method = method, .target = target, .fields = {}, .body = {}}, timeout);
        return make_answer(response.status, std::move(response.body));
    } catch (const std::system_error& e) {
        throw Failure{EX_UNAVAILABLE, fmt::format("{}{}", e.what(), remedy(e.code()))};
    }
}

Answer Control::get(const std::string& target) const
{
    return succeed(call("GET", target, answer_timeout));
}

Answer Control::post(const std::string& target) const
{
    return succeed(call("POST", target, answer_timeout));
}

} // namespace belay::cli
