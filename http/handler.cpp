#include "http/handler.hpp"

namespace belay::http {

Handler compose(std::vector<Middleware> middleware, Handler innermost)
{
    for (auto wrap = middleware.rbegin(); wrap != middleware.rend(); ++wrap)
        innermost = (*wrap)(std::move(innermost));
    return innermost;
}

} // namespace belay::http
