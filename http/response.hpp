#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::http {

struct Rejection;

/** Only a literal becomes one, so that no answer refers to text that is gone; none by default. */
class MediaType {
public:
    consteval MediaType() = default;
    consteval MediaType(const char* literal) : text_(literal) {}
    [[nodiscard]] constexpr std::string_view text() const noexcept { return text_; }

private:
    std::string_view text_;
};

/** What is sent back.  Content-Length, Date, Connection and framing are the connection's business. */
struct Response {
    int status = 200;
    MediaType content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    bool close = false; ///< close the connection after this answer, and say so

    /** Nothing is sent: request and connection pass to the successor, which is asked again.  For who waits for it. */
    bool left_to_successor = false;

    std::string reason{}; ///< why it is an error, for the log: the detail of a problem document
};

/** A JSON document; the body must be complete JSON text. */
[[nodiscard]] Response json_response(int status, std::string body);

[[nodiscard]] Response text_response(int status, std::string body);

/**
 * An RFC 9457 problem document: {"type":"about:blank","title":…,"status":…,"detail":…}.
 * @param detail one sentence that names the remedy where there is one
 */
[[nodiscard]] Response problem_response(int status, std::string_view detail);

/** The problem document for a rejection, with its fields; closes the connection. */
[[nodiscard]] Response rejection_response(const Rejection& rejection);

/** "Not Found" for 404 (RFC 9110 §15); "Unknown" for what it does not know. */
[[nodiscard]] std::string_view reason_phrase(int status) noexcept;

} // namespace belay::http
