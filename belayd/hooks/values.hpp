#pragma once
#include "belayd/config/config.hpp"
#include "belayd/hooks/event_identity.hpp"
#include "belayd/hooks/payload.hpp"
#include "http/request.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace belay::hooks {

/** What a source says of a request. */
struct Value {
    enum class Type : std::uint8_t {
        text, ///< also all that is no JSON: a header, a query, a form
        number,
        boolean,
        null,
        composite ///< an object or an array
    } type = Type::text;
    std::string text; ///< a text as it is, anything else as compact JSON
};

/** Answers what a hook asks of a request. */
class Values {
public:
    virtual ~Values() = default;

    /**
     * @return nothing where there is no such value
     * @throws MalformedPayload where the request would have to be read for it and cannot be
     */
    [[nodiscard]] virtual std::optional<Value> find(const config::ValueSource& source) = 0;

protected:
    Values() = default;
    Values(const Values&) = default;
    Values& operator=(const Values&) = default;
};

/** Whether the field holds what proves who sends, so that it is not shown around: of any request, or by this auth. */
[[nodiscard]] bool is_credential(std::string_view field_name, const config::Auth& auth) noexcept;

/** Whether the field holds a secret itself, so that it is not kept: a signature is none. */
[[nodiscard]] bool is_secret(std::string_view field_name, const config::Auth& auth) noexcept;
[[nodiscard]] bool is_secret(std::string_view field_name, const config::Hook& hook) noexcept; ///< its rules' included

/** Of such a field of a stored request, why nobody knows it: "belayd keeps no Authorization, since …" */
[[nodiscard]] std::string describe_withheld(std::string_view field_name);

/** The values of an HTTP request.  Lifetime: borrows what it is given. */
class RequestValues final : public Values {
public:
    /**
     * @param client_address of who sent it, "192.0.2.7"
     * @param when whose signatures are credentials, too
     */
    RequestValues(const http::Request& request, std::string_view client_address, Payload& payload,
        const config::Auth& auth, const config::Rule* when = nullptr) noexcept
        : request_(request), client_address_(client_address), payload_(payload), auth_(auth), when_(when)
    {
    }

    /** Of an event: nothing, for this is known before there is one. */
    [[nodiscard]] std::optional<Value> find(const config::ValueSource& source) override;

private:
    [[nodiscard]] std::optional<Value> find_in_payload(const std::string& pointer);
    [[nodiscard]] std::optional<Value> find_in_query(std::string_view name) const;
    [[nodiscard]] std::optional<Value> find_in_request(std::string_view part) const;
    [[nodiscard]] Value fields() const;
    [[nodiscard]] Value parameters() const;

    const http::Request& request_;
    std::string_view client_address_;
    Payload& payload_;
    const config::Auth& auth_;
    const config::Rule* when_; // none: null
};

/** Those of a request, and those of the event that is made of it.  Lifetime: borrows what it is given. */
class EventValues final : public Values {
public:
    EventValues(Values& request, const EventIdentity& identity, std::string_view hook,
        const std::optional<std::string>& delivery_id) noexcept
        : request_(request), identity_(identity), hook_(hook), delivery_id_(delivery_id)
    {
    }

    [[nodiscard]] std::optional<Value> find(const config::ValueSource& source) override;

private:
    Values& request_;
    const EventIdentity& identity_;
    std::string_view hook_;
    const std::optional<std::string>& delivery_id_;
};

} // namespace belay::hooks
