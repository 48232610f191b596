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

/** The body of an authenticated request as JSON: parsed at the first question about it, at most 32 levels deep. */
class Payload {
public:
    explicit Payload(std::string_view body) noexcept : body_(body) {}

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

    std::string_view body_;
    std::array<unsigned char, 16'384> buffer_; // a typical payload is parsed without allocation
    boost::json::monotonic_resource memory_{buffer_.data(), buffer_.size()};
    std::optional<boost::json::value> value_; // after the memory it lies in
};

} // namespace belay::hooks
