#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

namespace belay::bench {

/**
 * Counts the answers in what a connection brings.  They have Content-Length; of no other framing anything is known.
 * Not for untrusted peers.
 */
class Answers {
public:
    /** @param on_answer called with the status of each whole answer; @return false where it is none that is understood
     */
    template <typename OnAnswer>
    [[nodiscard]] bool receive(std::string_view input, OnAnswer on_answer)
    {
        while (!input.empty()) {
            if (body_left_ == 0 && !take_head(input))
                return broken_ ? false : true;
            const std::size_t n = std::min(body_left_, input.size());
            input.remove_prefix(n);
            body_left_ -= n;
            if (body_left_ == 0)
                on_answer(status_);
        }
        return true;
    }

private:
    /** @return whether a whole head is there, which has been taken from the input */
    bool take_head(std::string_view& input)
    {
        constexpr std::string_view head_end = "\r\n\r\n";
        std::string_view text = input;
        if (!partial_head_.empty())
            text = partial_head_ += input;
        const auto end = text.find(head_end);
        if (end == std::string_view::npos) {
            if (partial_head_.empty())
                partial_head_ = input;
            input = {};
            return false;
        }
        const auto size = end + head_end.size();
        broken_ = !read_head(text.substr(0, size));
        input.remove_prefix(size - (partial_head_.empty() ? 0 : partial_head_.size() - input.size()));
        partial_head_.clear();
        return !broken_;
    }

    bool read_head(std::string_view head)
    {
        if (!head.starts_with("HTTP/1.1 ") || head.size() < 12)
            return false;
        status_ = std::atoi(head.data() + 9);
        auto at = head.find("\r\nContent-Length: ");
        if (at == std::string_view::npos)
            at = head.find("\r\ncontent-length: ");
        if (at == std::string_view::npos)
            return status_ == 204;
        body_left_ = std::strtoull(head.data() + at + 18, nullptr, 10); // a '\r' follows
        return true;
    }

    std::string partial_head_;
    std::size_t body_left_ = 0;
    int status_ = 0;
    bool broken_ = false;
};

} // namespace belay::bench
