#include "http/server_context.hpp"

#include <fmt/format.h>

#include <utility>

namespace belay::http {

void ServerContext::warn_of(std::string_view task, std::exception_ptr error) const
{
    try {
        std::rethrow_exception(std::move(error));
    } catch (const std::exception& e) {
        warn(fmt::format("{} ended: {}", task, e.what()));
    } catch (...) {
        warn(fmt::format("{} ended by an unknown exception", task));
    }
}

Place::~Place()
{
    if (context_ == nullptr)
        return;
    if (over_cap_)
        context_->refused.fetch_sub(1, std::memory_order_relaxed);
    else
        context_->caps.release(peer_);
}

void ConnectionCaps::set(const Limits& limits) noexcept
{
    connections_.store(limits.connections, std::memory_order_relaxed);
    connections_per_address_.store(limits.connections_per_address, std::memory_order_relaxed);
}

bool ConnectionCaps::try_acquire(const Peer& peer)
{
    if (total_.fetch_add(1, std::memory_order_relaxed) >= connections_.load(std::memory_order_relaxed)) {
        total_.fetch_sub(1, std::memory_order_relaxed);
        refused_in_total_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    if (peer.loopback)
        return true;
    try {
        const std::lock_guard lock{mutex_};
        std::size_t& count = by_address_[peer.address];
        if (count < connections_per_address_.load(std::memory_order_relaxed)) {
            ++count;
            return true;
        }
    } catch (...) { // no memory
        total_.fetch_sub(1, std::memory_order_relaxed);
        throw;
    }
    total_.fetch_sub(1, std::memory_order_relaxed);
    refused_by_address_.fetch_add(1, std::memory_order_relaxed);
    return false;
}

void ConnectionCaps::acquire(const Peer& peer)
{
    if (!peer.loopback) {
        const std::lock_guard lock{mutex_};
        ++by_address_[peer.address]; // first, as it may throw
    }
    total_.fetch_add(1, std::memory_order_relaxed);
}

void ConnectionCaps::release(const Peer& peer) noexcept
{
    total_.fetch_sub(1, std::memory_order_relaxed);
    if (peer.loopback)
        return;
    const std::lock_guard lock{mutex_};
    const auto found = by_address_.find(peer.address);
    if (found != by_address_.end() && --found->second == 0)
        by_address_.erase(found);
}

bool BodyBudget::try_reserve(Bytes bytes) noexcept
{
    Bytes used = used_.load(std::memory_order_relaxed);
    do {
        const Bytes limit = limit_.load(std::memory_order_relaxed);
        if (used > limit || bytes > limit - used)
            return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
}

void BodyBudget::release(Bytes bytes) noexcept
{
    used_.fetch_sub(bytes, std::memory_order_relaxed);
}

RefusedConnections ConnectionCaps::refused() const noexcept
{
    return {.total = refused_in_total_.load(std::memory_order_relaxed),
        .address = refused_by_address_.load(std::memory_order_relaxed)};
}

} // namespace belay::http
