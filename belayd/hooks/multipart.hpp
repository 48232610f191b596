#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace belay::hooks {

/** One part of multipart/form-data: a field, or a file, which is a field with a long text. */
struct FormPart {
    std::string name;
    std::string_view content; ///< into the body
};

inline constexpr std::size_t max_form_fields = 1'000; ///< as PHP has it; forms that people fill in have dozens
inline constexpr std::size_t max_part_head = 8'192;   ///< of the fields of a part together

/**
 * multipart/form-data, RFC 7578, of which senders use less than RFC 2046 §5.1 allows: no text before the first boundary
 * nor after the last, no blanks behind a boundary, no transfer encoding.  So the boundary that the header of the
 * request names, which nobody signs, can only be the one that the body begins with.
 * @throws MalformedPayload
 */
[[nodiscard]] std::vector<FormPart> parse_multipart(std::string_view body, std::string_view boundary);

} // namespace belay::hooks
