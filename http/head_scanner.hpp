#pragma once
#include "http/request.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace belay::http {

struct Limits;

/** Where a head ends, or why there will never be one. */
struct HeadScan {
    std::size_t size = 0; ///< bytes of the complete head, empty line included; 0: more bytes are needed
    std::optional<Rejection> rejection;
};

/**
 * Finds the end of a request head line by line as its bytes arrive, and refuses at once what cannot become one: bare
 * LF, folded lines, too many bytes or fields.  Beast 1.81 accepts folding and any number of fields.
 *
 * Lifetime: borrows the limits.
 */
class HeadScanner {
public:
    explicit HeadScanner(const Limits& limits) noexcept : limits_(limits) {}

    /** @param bytes everything from the first byte of the head; each call must bring what the last one did, and more */
    [[nodiscard]] HeadScan scan(std::string_view bytes);

    /** The next call brings another head. */
    void reset() noexcept;

private:
    const Limits& limits_;
    std::size_t line_start_ = 0;
    std::size_t scanned_ = 0; // no LF from line_start_ to here
    std::size_t fields_ = 0;
};

} // namespace belay::http
