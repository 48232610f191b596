#include "daemon/thread_creators.hpp"

#include "daemon/stacks.hpp"

#include <unistd.h>

#include <map>
#include <mutex>
#include <span>

namespace belay::daemon {
namespace {

/** Of every thread.  Global, since pthread_create(3) can be given nothing else. */
struct Creators {
    std::mutex mutex; // guards stacks
    std::map<pid_t, CreatorStack> stacks;
};

Creators& creators()
{
    static auto& all = *new Creators; // never destroyed: a detached thread may outlive main()
    return all;
}

} // namespace

CreatorRecord::CreatorRecord(const CreatorStack& stack)
{
    const std::scoped_lock lock{creators().mutex};
    creators().stacks.insert_or_assign(::gettid(), stack);
}

CreatorRecord::~CreatorRecord()
{
    const std::scoped_lock lock{creators().mutex};
    creators().stacks.erase(::gettid());
}

std::vector<std::string> creator_of(pid_t tid)
{
    CreatorStack stack;
    {
        const std::scoped_lock lock{creators().mutex};
        const auto found = creators().stacks.find(tid);
        if (found != creators().stacks.end())
            stack = found->second;
    }
    return describe_frames(std::span{stack.frames}.first(stack.size));
}

} // namespace belay::daemon
