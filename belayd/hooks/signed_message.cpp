#include "belayd/hooks/signed_message.hpp"

namespace belay::hooks {

std::vector<std::string_view> fill_message(const std::vector<config::MessagePart>& message, const SignedParts& parts)
{
    using Kind = config::MessagePart::Kind;
    std::vector<std::string_view> pieces;
    for (const config::MessagePart& part : message)
        pieces.push_back(part.kind == Kind::body        ? parts.body
                         : part.kind == Kind::timestamp ? parts.timestamp
                         : part.kind == Kind::id        ? parts.id
                                                        : std::string_view{part.text});
    return pieces;
}

} // namespace belay::hooks
