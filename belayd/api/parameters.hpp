#pragma once
#include "belayd/jobs/store_reader.hpp"
#include "http/request.hpp"

#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

namespace belay::api {

/** A parameter that cannot be used; the text names it and what it may be: answered 400. */
class ParameterError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

using Parameters = std::map<std::string, std::string, std::less<>>;

/**
 * The query's parameters, decoded.
 * @param known names that the route takes; any other, and any twice, is an error: a typo must not widen an answer
 * @throws ParameterError
 */
[[nodiscard]] Parameters parse_query(std::string_view query, std::initializer_list<std::string_view> known);

/** state, hook, before, limit. @throws ParameterError */
[[nodiscard]] jobs::Page parse_page(const Parameters& parameters);

/** The attempt's number, from 1; 0 where it is not given. @throws ParameterError */
[[nodiscard]] unsigned parse_attempt(const Parameters& parameters);

/** The path parameter {id}. @throws ParameterError */
[[nodiscard]] Uuid parse_job_id(const http::Request& request);
[[nodiscard]] Uuid parse_event_id(const http::Request& request);

} // namespace belay::api
