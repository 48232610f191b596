#pragma once
#include "base/asio.hpp"
#include "daemon/handover.hpp"
#include "daemon/notify_thread.hpp"
#include "daemon/threads.hpp"
#include "signals/manager.hpp"
#include "signals/passed_sockets.hpp"

#include <optional>
#include <vector>

namespace belay::daemon {

/**
 * The descriptor store that systemd keeps for a unit: through it sockets outlive a restart, sd_pid_notify_with_fds(3).
 *
 * The process that stops puts a Handover there, the one that starts takes it back.  The manager holds a single
 * descriptor of it: a unix socket in whose queue all others wait.  It compares each that it is given with each that it
 * has, which took 0.2 s for 512 connections, and names each in the environment of the next process, where there is room
 * for some thousands.
 *
 * Lifetime: borrows all it is given.  Threads: confined to the main loop.
 */
class DescriptorStore {
public:
    /** @param found signals::take_stored() */
    DescriptorStore(Threads& threads, NotifyThread& notify, signals::Manager manager, signals::Environment environment,
        std::vector<signals::PassedSocket> found);

    /**
     * Empties the manager's store.  Once, after a start that succeeded: where it does not, the next one finds
     * everything again.
     * @return what the process before this one put there; of the rest, and of what cannot be read, a record in the log
     */
    [[nodiscard]] std::optional<Handover> take();

    /**
     * Whether the process after this one would get what put() gives: not where this stop is no restart, or the
     * manager's store is full.  systemd is asked, which takes milliseconds, and a second at most: no answer is a no,
     * since on a plain stop it closes what it has without a word.
     */
    [[nodiscard]] asio::awaitable<bool> has_room();

    /** @return whether the manager has it; if not, nothing has changed */
    [[nodiscard]] asio::awaitable<bool> put(const Handover& handover);

    /** Closes what was found and not taken. */
    void close() noexcept { found_.clear(); }

private:
    struct Question;

    [[nodiscard]] asio::awaitable<std::optional<signals::UnitStop>> ask_systemd();
    [[nodiscard]] static std::optional<Handover> read(int queue);

    Threads& threads_;
    NotifyThread& notify_;
    const signals::Manager manager_;
    const signals::Environment environment_;
    std::vector<signals::PassedSocket> found_;
};

} // namespace belay::daemon
