#pragma once
#include "http/request.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace belay::hooks {

/** A request that owns what its views point to. */
class SampleRequest {
public:
    using Fields = std::vector<std::pair<std::string, std::string>>;

    explicit SampleRequest(std::string body, Fields fields = {}, const std::string& query = {})
        : body_(std::move(body)), texts_(std::move(fields)), line_(query + " HTTP/1.1\r\nHost: a\r\n")
    {
        for (const auto& [name, value] : texts_)
            fields_.push_back({name, value});
        request_.method = "POST";
        request_.path = "/hooks/test";
        request_.query = std::string_view{line_}.substr(0, query.size()); // its end is not the end of the text
        request_.fields = fields_;
        request_.body = body_;
    }
    SampleRequest(const SampleRequest&) = delete;
    SampleRequest& operator=(const SampleRequest&) = delete;
    SampleRequest(SampleRequest&&) = delete;
    SampleRequest& operator=(SampleRequest&&) = delete;
    ~SampleRequest() = default;

    operator const http::Request&() const noexcept { return request_; } // NOLINT(google-explicit-constructor)

private:
    std::string body_;
    Fields texts_;
    std::string line_; // of the head
    std::vector<http::Field> fields_;
    http::Request request_;
};

} // namespace belay::hooks
