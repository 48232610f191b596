#pragma once
#include <boost/json.hpp>

#include <array>
#include <optional>
#include <stdexcept>
#include <string_view>

namespace belay::hooks {

/** The body, or the query, is not what the hook needs of it: one sentence for the sender, whom it says nothing about
 * the hook. */
class MalformedPayload : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * The body of an authenticated request: JSON, at most 32 levels deep and with at most 2,000 members in an object; or a
 * form, which is taken for a JSON object of the first text of each name.  Where a form's one field is `payload`, and
 * that is a JSON object or array, as GitHub sends it, then that is the payload.  Parsed at the first question about it.
 *
 * Content-Type is signed by nobody, so it must not be able to choose what a body means: no body can be read in two
 * ways.  What begins as a JSON object or array is JSON whatever Content-Type says, and so is a number, true, false or
 * null alone.  A multipart form has line ends, which an URL-encoded one cannot have, and its boundary must be the line
 * that it begins with.  A wrong Content-Type can only make a body unreadable.
 */
class Payload {
public:
    explicit Payload(std::string_view body, std::string_view content_type = {}) noexcept
        : body_(body), content_type_(content_type)
    {
    }

    /** Whether it begins as an object or an array does: told from what is signed, as Content-Type is not. */
    [[nodiscard]] bool looks_like_json() const noexcept;

    /**
     * @param pointer RFC 6901
     * @return nullptr where the body has no such value; as long as this lives
     * @throws MalformedPayload
     */
    [[nodiscard]] const boost::json::value* find(std::string_view pointer);

private:
    [[nodiscard]] const boost::json::value& parsed();
    [[nodiscard]] boost::json::value parse();
    [[nodiscard]] boost::json::value parse_json(std::string_view text);
    [[nodiscard]] boost::json::value parse_url_encoded();
    [[nodiscard]] boost::json::value parse_multipart_form(std::string_view boundary);
    [[nodiscard]] boost::json::value unwrap(boost::json::object form);

    std::string_view body_;
    std::string_view content_type_;
    std::array<unsigned char, 16'384> buffer_; // a typical payload is parsed without allocation
    boost::json::monotonic_resource memory_{buffer_.data(), buffer_.size()};
    std::optional<boost::json::value> value_; // after the memory it lies in
};

} // namespace belay::hooks
