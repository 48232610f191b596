#include "belayd/config/checks.hpp"

#include "http/chars.hpp"

#include <climits>
#include <fmt/format.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

namespace belay::config {
namespace {

constexpr std::string_view digits = "0123456789";
constexpr std::string_view letters_and_digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool consists_of(std::string_view text, std::string_view set, std::string_view more = {})
{
    return std::all_of(text.begin(), text.end(),
        [&](char c) { return set.find(c) != std::string_view::npos || more.find(c) != std::string_view::npos; });
}

bool is_port(std::string_view text)
{
    unsigned port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size() && port <= 65'535;
}

bool is_host(std::string_view text)
{
    return !text.empty() && text.size() <= 253 && consists_of(text, letters_and_digits, "-.");
}

constexpr const char* hook_name_rule = "use 1 to 64 letters, digits, \".\", \"_\" and \"-\", a letter or digit first";

bool is_hook_name(std::string_view text)
{
    return !text.empty() && text.size() <= 64 && consists_of(text.substr(0, 1), letters_and_digits) &&
           consists_of(text, letters_and_digits, "._-");
}

/** "LD_*" stands for all names that begin so, "*_PATH" for all that end so. */
bool matches(std::string_view pattern, std::string_view name)
{
    if (pattern.starts_with('*'))
        return name.ends_with(pattern.substr(1));
    return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : name == pattern;
}

template <std::size_t Size>
std::string_view find_match(const std::array<std::string_view, Size>& patterns, std::string_view name)
{
    const auto found = std::find_if(
        patterns.begin(), patterns.end(), [name](std::string_view pattern) { return matches(pattern, name); });
    return found == patterns.end() ? std::string_view{} : *found;
}

std::string reason(int error)
{
    return std::generic_category().message(error);
}

} // namespace

std::string fault_in_listen_spec(std::string_view spec)
{
    if (spec.starts_with("unix:")) {
        const auto path = spec.substr(5);
        if (!path.starts_with('/'))
            return "needs an absolute path: \"unix:/run/belay/ingress.sock\"";
        if (path.size() >= sizeof(sockaddr_un::sun_path))
            return fmt::format("is too long: a unix socket's path has at most {} bytes, see unix(7)",
                sizeof(sockaddr_un::sun_path) - 1);
        return {};
    }
    if (spec.starts_with("fd:")) // names as systemd.socket(5) FileDescriptorName= allows them
        return spec.size() > 3 && spec.size() <= 3 + 255 && consists_of(spec.substr(3), letters_and_digits, "._-@")
                   ? ""
                   : "needs the name of a passed socket: \"fd:ingress\"";
    const auto colon = spec.rfind(':');
    if (colon == std::string_view::npos)
        return "is no address: write \"127.0.0.1:9080\", \"[::1]:9080\", \"unix:/path\" or \"fd:NAME\"";
    if (!is_port(spec.substr(colon + 1)))
        return "has no port from 0 to 65535 after the last colon";
    auto host = spec.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']')) {
        in6_addr address{};
        const std::string inner{host.substr(1, host.size() - 2)};
        return ::inet_pton(AF_INET6, inner.c_str(), &address) == 1 ? "" : "has no IPv6 address between its brackets";
    }
    if (host.find(':') != std::string_view::npos)
        return "needs brackets around the IPv6 address: \"[::1]:9080\"";
    if (host.empty() || host == "*")
        return "names no host: write \"0.0.0.0\" or \"[::]\" for every address of this host";
    in_addr address{};
    if (consists_of(host, digits, ".") && ::inet_pton(AF_INET, std::string{host}.c_str(), &address) != 1)
        return "has no IPv4 address before the colon";
    return is_host(host) ? "" : "has no host name before the colon";
}

std::string fault_in_hook_name(std::string_view name)
{
    return is_hook_name(name) ? "" : fmt::format("is not a hook name: {}", hook_name_rule);
}

std::string fault_in_hook_path(std::string_view path)
{
    if (path.starts_with('/'))
        return "is not what follows /hooks/ in a request: leave out the \"/\" and what stands before";
    return is_hook_name(path) ? "" : fmt::format("is not a path, what follows /hooks/: {}", hook_name_rule);
}

std::string fault_in_json_pointer(std::string_view pointer)
{
    if (!pointer.empty() && pointer.front() != '/')
        return "is not a JSON pointer: it must begin with \"/\", as in \"/repository/full_name\"";
    for (auto tilde = pointer.find('~'); tilde != std::string_view::npos; tilde = pointer.find('~', tilde + 1))
        if (tilde + 1 == pointer.size() || (pointer[tilde + 1] != '0' && pointer[tilde + 1] != '1'))
            return "is not a JSON pointer: write \"~0\" for \"~\" and \"~1\" for \"/\" within a name";
    return {};
}

std::string fault_in_header_name(std::string_view name)
{
    return !name.empty() && consists_of(name, letters_and_digits, "!#$%&'*+-.^_`|~") ? "" : "is not a header name";
}

std::string fault_in_response_header(std::string_view name)
{
    static constexpr auto own = std::to_array<std::string_view>(
        {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"});
    if (std::ranges::any_of(own, [name](std::string_view it) { return http::equals_ignoring_case(name, it); }))
        return "is written by belayd, as the answer needs it";
    return fault_in_header_name(name);
}

std::string fault_in_variable_name(std::string_view name)
{
    static constexpr std::array<std::string_view, 5> own{
        "BELAY_*", "TRACEPARENT", "NOTIFY_SOCKET", "LISTEN_*", "WATCHDOG_*"};
    const bool good = !name.empty() && digits.find(name.front()) == std::string_view::npos &&
                      consists_of(name, letters_and_digits, "_");
    if (!good)
        return "is not the name of an environment variable: use letters, digits and \"_\", no digit first";
    if (const auto pattern = find_match(own, name); !pattern.empty())
        return fmt::format("is reserved: belay or the service manager sets {}", pattern);
    return {};
}

std::string fault_in_file_variable(std::string_view name)
{
    if (name.size() > NAME_MAX)
        return fmt::format("is longer than the name of a file may be, {} bytes", NAME_MAX);
    return fault_in_variable_name(name);
}

std::string fault_in_requested_variable(std::string_view name)
{
    static constexpr auto dangerous = std::to_array<std::string_view>({// the dynamic linker and the C library
        "LD_*", "DYLD_*", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR", "LOCPATH", "NLSPATH", "LANGUAGE",
        "OUTPUT_CHARSET", "MALLOC_*", "MEMUSAGE*", "PCPROFILE*", "RES_OPTIONS", "RESOLV_*", "HOSTALIASES",
        "LOCALDOMAIN", "TZ", "TZDIR", "TMPDIR", "TMP", "TEMP", "POSIXLY_CORRECT", "TERMCAP", "TERMINFO*",
        // shells
        "PATH", "ENV", "BASH_*", "BASHOPTS", "SHELLOPTS", "IFS", "CDPATH", "FPATH", "GLOBIGNORE", "PROMPT_COMMAND",
        "PS0", "PS1", "PS2", "PS4", "ZDOTDIR", "FCEDIT", "HISTFILE", "INPUTRC", "SHELL", "HOME", "PWD", "OLDPWD",
        "USER", "LOGNAME",
        // interpreters, compilers and build tools
        "PYTHON*", "PERL*", "RUBY*", "NODE_*", "NPM_*", "npm_*", "JAVA_*", "_JAVA_*", "JDK_*", "CLASSPATH", "LUA_*",
        "PHPRC", "PHP_*", "GEM_*", "BUNDLE_*", "DOTNET_*", "CORECLR_*", "COMPLUS_*", "GOFLAGS", "GOPATH", "GOROOT",
        "GOENV", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN", "CARGO_*", "RUSTC*", "RUSTFLAGS", "RUSTUP_*", "MAKEFLAGS",
        "MAKEFILES", "MFLAGS", "CC", "CXX", "CPP", "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "CPATH", "LIBRARY_PATH",
        "*_INCLUDE_PATH", "PKG_CONFIG*", "MAVEN_*", "GRADLE_*", "ANT_*", "PIP_*", "UV_*", "POETRY_*", "CONDA_*",
        "VIRTUAL_ENV", "COMPOSER_*", "YARN_*", "DENO_*", "BUN_*", "ERL_*", "ELIXIR_*", "MIX_*", "JULIA_*", "GUILE_*",
        "TCLLIBPATH",
        // what runs, loads or trusts something else
        "GIT_*", "HG", "HGRCPATH", "HGEDITOR", "SVN_SSH", "CVS_RSH", "SSH_*", "RSYNC_*", "SUDO_*", "EDITOR", "VISUAL",
        "PAGER", "MANPAGER", "MANROFFOPT", "BROWSER", "LESS", "LESSOPEN", "LESSCLOSE", "LESSKEY*", "SYSTEMD_*",
        "DBUS_*", "GIO_*", "GTK_*", "TAR_OPTIONS", "GREP_OPTIONS", "DOCKER_*", "KUBECONFIG", "HELM_*", "ANSIBLE_*",
        "TF_CLI_*", "TF_PLUGIN_*", "AWS_*", "CLOUDSDK_*", "AZURE_*", "GOOGLE_*", "PGSYSCONFDIR", "PGSERVICE*",
        "PGPASSFILE", "PGOPTIONS", "PGHOST*", "MYSQL_*", "GNUPGHOME", "SSL_*", "SSLKEYLOGFILE", "CURL_*", "WGETRC",
        "REQUESTS_CA_BUNDLE", "OPENSSL_*", "KRB5*", "P11_KIT_*", "XDG_*", "XAUTHORITY", "DISPLAY",
        "CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CONFIGURATION_DIRECTORY",
        // where programs send what they send
        "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY",
        "ALL_PROXY", "NO_PROXY"});
    const auto pattern = find_match(dangerous, name);
    if (pattern.empty())
        return {};
    return fmt::format(
        "must not come from a request: {} changes what programs load, run or trust; use a name of your own", pattern);
}

std::string fault_in_command(const std::string& path)
{
    if (!path.starts_with('/'))
        return "is not an absolute path: there is no shell and no search in PATH";
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0)
        return fmt::format("cannot be run: {}", reason(errno));
    if (S_ISDIR(status.st_mode))
        return "is a directory: name the program";
    if (!S_ISREG(status.st_mode))
        return "is not a regular file";
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0)
        return errno == EACCES ? fmt::format("is not executable for this user: chmod +x {}", path)
                               : fmt::format("cannot be run: {}", reason(errno));
    return {};
}

std::string fault_in_directory(const std::string& path)
{
    if (!path.starts_with('/'))
        return "is not an absolute path";
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0)
        return fmt::format("cannot be entered: {}", reason(errno));
    if (!S_ISDIR(status.st_mode))
        return "is not a directory";
    if (::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) != 0)
        return fmt::format("cannot be entered by this user: {}", reason(errno));
    return {};
}

} // namespace belay::config
