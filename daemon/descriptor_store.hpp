#pragma once
#include "base/asio.hpp"
#include "daemon/handover.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/threads.hpp"
#include "signals/manager.hpp"
#include "signals/passed_sockets.hpp"

#include <cstddef>
#include <optional>
#include <vector>

namespace belay::daemon {

/**
 * The descriptor store that systemd keeps for a unit: through it sockets outlive a restart, sd_pid_notify_with_fds(3).
 *
 * The process that stops puts them there with a Handover that tells what they are; the one that starts takes them back.
 * A manager without a store is one without room.
 *
 * Lifetime: borrows all it is given.  Threads: confined to the main loop.
 */
class DescriptorStore {
public:
    /** @param found signals::take_stored() */
    DescriptorStore(Threads& threads, NotifyThread& notify, signals::Manager manager, signals::Environment environment,
        std::vector<signals::PassedSocket> found);

    /**
     * Empties the manager's store: while that holds a connection too, nobody can end it.  Once, after a start that
     * succeeded: where it does not, the next one finds everything again.
     * @return what the process before this one put there; of the rest, and of what cannot be read, a record in the log
     */
    [[nodiscard]] asio::awaitable<std::optional<Handover>> take();

    /**
     * How many sockets the process after this one would get, for put(): none where this stop is no restart.  systemd is
     * asked, which takes milliseconds, and a second at most.
     */
    [[nodiscard]] asio::awaitable<std::size_t> room();

    /** @return whether the manager has it; if not, nothing has changed */
    [[nodiscard]] asio::awaitable<bool> put(const Handover& handover);

    /** Closes what was found and not taken. */
    void close() noexcept { found_.clear(); }

private:
    struct Question;

    [[nodiscard]] asio::awaitable<std::optional<signals::UnitStop>> ask_systemd();
    [[nodiscard]] std::vector<signals::Notification> removal() const;
    [[nodiscard]] std::optional<Handover> read();

    Threads& threads_;
    NotifyThread& notify_;
    const signals::Manager manager_;
    const signals::Environment environment_;
    std::vector<signals::PassedSocket> found_;
};

} // namespace belay::daemon
