#include "belayd/config/checks.hpp"

#include <gtest/gtest.h>

namespace belay::config {
namespace {

TEST(FaultInListenSpec, AllowsWhatCanBeListenedOn)
{
    for (const char* spec : {"127.0.0.1:9080", "0.0.0.0:0", "[::1]:65535", "[::]:80", "localhost:8080",
             "a-b.example.org:1", "unix:/run/belay/x.sock", "fd:ingress", "fd:a.b-c_1@2"})
        EXPECT_EQ(fault_in_listen_spec(spec), "") << spec;
    EXPECT_EQ(fault_in_listen_spec("unix:/" + std::string(106, 'x')), "");
}

TEST(FaultInListenSpec, SaysWhatIsWrong)
{
    for (const char* spec : {"", "9080", ":9080", "*:9080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
             "127.0.0.1:-1", "127.0.0.1:+1", "127.0.0.1:80x", "127.0.0.1:http", "256.0.0.1:80", "127.1:80", "::1:80",
             "[::1]", "[::1]80", "[::1:80", "[127.0.0.1]:80", "[]:80", "a b:80", "http://x:80", "unix:", "unix:x",
             "unix:./x", "fd:", "fd:a b", "fd:a:b"})
        EXPECT_NE(fault_in_listen_spec(spec), "") << spec;
    EXPECT_NE(fault_in_listen_spec("unix:/" + std::string(107, 'x')), "");
}

TEST(FaultInHookName, AllowsWhatNeedsNoEncoding)
{
    for (const std::string& name :
        {std::string{"a"}, std::string{"9"}, std::string{"Deploy-1.2_x"}, std::string(64, 'x')})
        EXPECT_EQ(fault_in_hook_name(name), "") << name;
    for (const std::string& name : {std::string{}, std::string{"."}, std::string{".."}, std::string{"-a"},
             std::string{"_a"}, std::string{"a/b"}, std::string{"a b"}, std::string{"é"}, std::string(65, 'x')})
        EXPECT_NE(fault_in_hook_name(name), "") << name;
}

TEST(FaultInJsonPointer, FollowsRfc6901)
{
    for (const char* pointer : {"", "/", "/a", "/a/0", "/a~0b~1c", "//", "/é"})
        EXPECT_EQ(fault_in_json_pointer(pointer), "") << pointer;
    for (const char* pointer : {"a", "a/b", "#/a", "/~", "/a~", "/a~2", "/~/x", "$.a"})
        EXPECT_NE(fault_in_json_pointer(pointer), "") << pointer;
}

TEST(FaultInHeaderName, WantsAToken)
{
    EXPECT_EQ(fault_in_header_name("X-GitHub-Event"), "");
    for (const char* name : {"", "a b", "a:", "é", "a\n", "\"a\""})
        EXPECT_NE(fault_in_header_name(name), "") << name;
}

TEST(FaultInVariableName, WantsWhatAShellCanRead)
{
    for (const char* name : {"A", "_", "a1", "PATH", "LD_PRELOAD", "BELAYX"})
        EXPECT_EQ(fault_in_variable_name(name), "") << name;
    for (const char* name : {"", "1A", "A-B", "A=B", "A.B", "é", "BELAY_", "BELAY_JOB_ID", "TRACEPARENT",
             "NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC"})
        EXPECT_NE(fault_in_variable_name(name), "") << name;
}

TEST(FaultInRequestedVariable, DeniesWhatChangesPrograms)
{
    for (const char* name : {"LD_PRELOAD", "LD_", "PATH", "BASH_ENV", "ENV", "IFS", "PYTHONPATH", "GIT_SSH_COMMAND",
             "NODE_OPTIONS", "PERL5OPT", "RUBYOPT", "GLIBC_TUNABLES", "http_proxy", "NO_PROXY", "PAGER",
             "BASH_FUNC_ls%%", "DYLD_INSERT_LIBRARIES", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "RSYNC_RSH", "TZ",
             "CPLUS_INCLUDE_PATH", "DBUS_SESSION_BUS_ADDRESS", "RUNTIME_DIRECTORY", "AWS_CONFIG_FILE"})
        EXPECT_NE(fault_in_requested_variable(name), "") << name;
    for (const char* name : {"BRANCH", "REF", "ENVIRONMENT", "MY_PATH", "GIT", "GITHUB_REF", "PATHS", "LESSON",
             "HISTORY", "INCLUDE_PATHS", "USERNAME", "CCS"})
        EXPECT_EQ(fault_in_requested_variable(name), "") << name;
}

TEST(FaultInCommand, WantsAProgram)
{
    EXPECT_EQ(fault_in_command("/bin/true"), "");
    for (const char* path : {"", "true", "./true", "/bin", "/bin/nosuch", "/dev/null", "/etc/passwd", "/bin/true/x"})
        EXPECT_NE(fault_in_command(path), "") << path;
}

TEST(FaultInDirectory, WantsADirectory)
{
    EXPECT_EQ(fault_in_directory("/"), "");
    EXPECT_EQ(fault_in_directory("/tmp"), "");
    for (const char* path : {"", "tmp", "/nosuch", "/bin/true"})
        EXPECT_NE(fault_in_directory(path), "") << path;
}

} // namespace
} // namespace belay::config
