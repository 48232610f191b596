#pragma once
#include <string>
#include <string_view>

namespace belay::bench {

inline constexpr std::string_view push_secret = "bench-secret";

/** What a forge says of a push, with padding up to about that many bytes. */
inline std::string make_push(std::size_t size)
{
    std::string body =
        R"({"ref":"refs/heads/main","repository":{"full_name":"example/it","private":false},"commits":[)";
    constexpr std::string_view commit =
        R"({"id":"d6fde92930d4715a2b49857d24b940956b26d2d3","message":"a change","distinct":true,"added":["a/b.txt"]},)";
    while (body.size() + commit.size() + 60 < size)
        body += commit;
    return body + R"({"id":"last"}],"head_commit":{"message":"a change"}})";
}

/** The head that GitHub sends before it, the values as long as its own. */
inline std::string make_head(std::string_view signature = "sha256=0000")
{
    return "POST /hooks/deploy HTTP/1.1\r\n"
           "Host: hooks.example.org\r\n"
           "User-Agent: GitHub-Hookshot/044aadd\r\n"
           "Content-Length: 10240\r\n"
           "Accept: */*\r\n"
           "Content-Type: application/json\r\n"
           "X-GitHub-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958\r\n"
           "X-GitHub-Event: push\r\n"
           "X-GitHub-Hook-ID: 292430182\r\n"
           "X-GitHub-Hook-Installation-Target-ID: 79929171\r\n"
           "X-GitHub-Hook-Installation-Target-Type: repository\r\n"
           "X-Forwarded-For: 192.0.2.7\r\n"
           "X-Hub-Signature-256: " +
           std::string{signature} + "\r\n\r\n";
}

} // namespace belay::bench
