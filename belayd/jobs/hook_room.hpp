#pragma once
#include <initializer_list>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace belay::jobs {

/** How many more jobs of each hook may run at a time.  The bounds are shared: there may be thousands. */
class HookRoom {
public:
    using Counts = std::map<std::string, unsigned, std::less<>>;
    static constexpr unsigned unbounded = std::numeric_limits<unsigned>::max();

    HookRoom() = default; ///< no hook has a bound

    /** @param bounds of hooks that have one @param used by jobs that run */
    HookRoom(std::shared_ptr<const Counts> bounds, Counts used) : bounds_(std::move(bounds)), used_(std::move(used)) {}

    HookRoom(std::initializer_list<Counts::value_type> bounds) : bounds_(std::make_shared<const Counts>(bounds)) {}

    [[nodiscard]] unsigned left(std::string_view hook) const
    {
        const auto bound = bounds_->find(hook);
        if (bound == bounds_->end())
            return unbounded;
        const auto used = used_.find(hook);
        const unsigned count = used == used_.end() ? 0 : used->second;
        return bound->second > count ? bound->second - count : 0;
    }

    void take(const std::string& hook) { ++used_[hook]; }

private:
    std::shared_ptr<const Counts> bounds_ = std::make_shared<const Counts>();
    Counts used_;
};

} // namespace belay::jobs
