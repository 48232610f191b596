#include "belayd/hooks/signature.hpp"

#include "belayd/hooks/encoding.hpp"
#include "belayd/hooks/mac.hpp"

#include <array>

namespace belay::hooks {

std::string github_signature(std::string_view secret, std::string_view body)
{
    return "sha256=" + to_hex(Mac{"SHA256", secret}.digest(std::array{body}).view());
}

} // namespace belay::hooks
