#pragma once
#include "base/unique_fd.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <stdexcept>
#include <vector>

namespace belay::daemon {

/** Of the format below and of every part's document: an image reads its own version and no other. */
inline constexpr int handover_version = 4;

/** A hand-over that cannot be made or read; the text names what is wrong with it. */
class HandoverError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/**
 * What one image leaves to the next across execve, or one process to the next through its manager's descriptor store: a
 * JSON document and the descriptors that it names.
 *
 * What nobody took is closed with it.
 * Threads: as a value.  Between seal() and exec no other thread may start a process: it would inherit everything.
 */
class Handover {
public:
    Handover() = default;

    /** Each part of the service has a key of its own; keys and strings may hold any bytes, NUL and invalid UTF-8 too.
     */
    boost::json::object document;

    /** Keeps it, also across execve. @return what stands for it in the document */
    [[nodiscard]] std::int64_t give(UniqueFd fd);

    /** What `descriptor` of the document stands for; each can be had once. @throws HandoverError */
    [[nodiscard]] UniqueFd take(const boost::json::value& descriptor);

    /** What is kept and was not taken. */
    [[nodiscard]] std::vector<int> descriptors() const;

    /**
     * Writes it to a sealed memfd, and lets that and every descriptor live through execve.
     * @return the memfd, for Handover::read() of the next image; still owned here. @throws HandoverError
     */
    [[nodiscard]] int seal();

    /** Exec failed: everything is as it was before seal(). */
    void unseal() noexcept;

    /**
     * Takes over what seal() of the image before this one returned; every descriptor is close-on-exec again.
     * @throws HandoverError; `memfd` is closed all the same
     */
    [[nodiscard]] static Handover read(int memfd);

    /**
     * Queues copies of everything on a connected unix stream socket: they wait there, also when this process is gone,
     * for receive() at the other end.  Never blocks.  @throws HandoverError, also where the queue is too small
     */
    void send(int socket) const;

    /** The counterpart.  Never blocks. @throws HandoverError */
    [[nodiscard]] static Handover receive(int socket);

private:
    std::map<std::int64_t, UniqueFd> descriptors_; // by number, which execve keeps
    UniqueFd memfd_;                               // between seal() and exec
};

} // namespace belay::daemon
