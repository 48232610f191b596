#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/values.hpp"
#include "belayd/hooks/webhook_json.hpp"
#include "http/request.hpp"

#include <stdexcept>
#include <string>
#include <string_view>

namespace belay::hooks {

/** The request makes adnanh/webhook answer 500: with this text. */
class WebhookFailure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * A request as adnanh/webhook 2.8 reads it: the body by its Content-Type, what cannot be read as if it were not there.
 *
 * Lifetime: borrows what it is given.
 */
class WebhookRequest final : public Values {
public:
    struct LookedUp {
        Walk walk = Walk::missing;
        std::string text = {};
    };

    /** @throws WebhookFailure, MalformedPayload */
    WebhookRequest(const http::Request& request, const config::WebhookCompat& compat);

    /** @throws MalformedPayload where it is in XML, which is not read */
    [[nodiscard]] LookedUp look_up(const config::ValueSource& source) const;

    /** For arguments and variables: what is missing and what fails is not there. */
    [[nodiscard]] std::optional<Value> find(const config::ValueSource& source) override;

    [[nodiscard]] const GoValue& headers() const noexcept { return headers_; }
    [[nodiscard]] std::string_view body() const noexcept { return body_; } ///< of a multipart form: nothing
    [[nodiscard]] const http::Request& request() const noexcept { return request_; }

private:
    void read_headers();
    void read_payload(const config::WebhookCompat& compat);
    void read_json();
    void read_multipart(const config::WebhookCompat& compat);
    void parse_parameter(const config::ValueSource& source);
    [[nodiscard]] LookedUp look_up_in_request(std::string_view part) const;

    const http::Request& request_;
    std::string_view body_;
    bool is_xml_ = false;
    bool is_query_sound_ = true;
    GoValue headers_{.kind = GoValue::Kind::object, .members = {}};
    GoValue query_{.kind = GoValue::Kind::object, .members = {}};
    GoValue payload_{.kind = GoValue::Kind::object, .is_null_map = true, .members = {}};
};

/** As Go writes it: "x-hub-signature" is X-Hub-Signature. */
[[nodiscard]] std::string canonical_header_name(std::string_view name);

} // namespace belay::hooks
