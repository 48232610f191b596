#pragma once
#include "base/timestamp.hpp"
#include "http/request.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::cli {

/** A request that nobody sends: from a file, from belayd's store, or written down as a case of a test. */
class RecordedRequest {
public:
    using Fields = std::vector<std::pair<std::string, std::string>>;

    std::string method = "POST";
    std::string path = "/";
    std::string query;
    Fields fields;
    std::string body;
    std::string remote = "127.0.0.1";       ///< who sent it
    std::optional<Timestamp> received = {}; ///< when; of one that belayd has stored
    std::vector<std::string> withheld = {}; ///< of that one: headers that it may have had, but belayd does not keep

    /** In place of every field of that name. */
    void set_field(const std::string& name, std::string value);

    /** "/hooks/deploy?dry=1" */
    void set_target(std::string_view target);

    /** As hooks see it.  As long as this lives unchanged. */
    [[nodiscard]] http::Request view() const;

private:
    mutable std::vector<http::Field> views_;
    mutable http::Peer peer_;
};

/**
 * Reads a request as it goes over the wire: `POST /hooks/deploy HTTP/1.1`, header fields, an empty line, the body;
 * lines may end in LF alone.  Where the file has a Content-Length, what follows so many bytes of the body is left off:
 * an editor adds a line end.  A text that does not begin with such a line is a body alone.
 * @throws Failure EX_DATAERR where the head is malformed
 */
[[nodiscard]] RecordedRequest parse_recorded_request(std::string_view text);

/** "NAME: VALUE"; nothing where it is none. */
[[nodiscard]] std::optional<std::pair<std::string, std::string>> parse_field(std::string_view line);

} // namespace belay::cli
