"""A service manager's end of sd_notify(3): receives, answers barriers, keeps descriptors, and checks what systemd would trip
over.

The rules are those of systemd's service.c (v252 to v262) and of sd_notify(3).
"""
import collections
import contextlib
import os
import socket
import struct
import threading
import time

CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)
DATAGRAM_MAX = 4096  # NOTIFY_BUFFER_MAX: systemd cuts what is longer
STATES = {"STOPPING": "stopping", "READY": "ready", "RELOADING": "reloading"}  # of several in a message the first counts
NUMBERS = {"MONOTONIC_USEC", "EXTEND_TIMEOUT_USEC", "EXIT_STATUS", "ERRNO", "WATCHDOG_USEC", "MAINPID"}
TEXTS = {"STATUS", "FDNAME"}
CONSTANTS = {**dict.fromkeys(STATES, {"1"}), "WATCHDOG": {"1", "trigger"}, "BARRIER": {"1"}, "FDSTORE": {"1"},
             "FDSTOREREMOVE": {"1"}, "FDPOLL": {"0"}}
AFTER_STOPPING = {"STATUS", "EXTEND_TIMEOUT_USEC", "EXIT_STATUS", "ERRNO", "WATCHDOG", "BARRIER", "FDSTORE", "FDNAME",
                  "FDPOLL", "FDSTOREREMOVE"}
FILLER = b"FILLER=1"  # of its own queue
LATENESS = 0.25  # of the watchdog's interval: what a busy machine may add to half of it

Cycle = collections.namedtuple("Cycle", "stamp ready")  # a reload: its MONOTONIC_USEC, and whether READY=1 followed


def monotonic_usec():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


class FakeManager:
    """`messages` holds every notification as a dict, in order; `stored` the descriptor store, as (name, descriptor)."""

    def __init__(self, path, answers=True):
        self.messages = []
        self.stored = []
        self._barriers = None if answers else []  # of a manager that does not answer
        self._times = []  # of arrival, CLOCK_MONOTONIC in µs; one for each message, as are the senders
        self._senders = []
        self._malformed = []
        self._requests = []
        self._closing = False
        self._reading = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        path.unlink(missing_ok=True)  # of an earlier life of the same daemon
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def close(self):
        """When it returns, `messages` holds all that was sent before.  Repeating it is fine."""
        if not self._closing:
            self._closing = True
            self._socket.shutdown(socket.SHUT_RDWR)  # what is queued can still be received
            self._thread.join()
            self._socket.close()
            for fd in self._barriers or ():
                os.close(fd)

    @contextlib.contextmanager
    def held(self):
        """Meanwhile it reads nothing and its queue is full: a thread that says something to it waits."""
        with self._reading, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            filler.connect(self._socket.getsockname())
            with contextlib.suppress(BlockingIOError):
                while True:
                    filler.send(FILLER)
            yield

    def take_stored(self):
        """For the next start, LISTEN_FDS: whoever calls owns them."""
        stored, self.stored = self.stored, []
        return stored

    def request_reload(self, ask):
        """Calls ask(), which asks for a reload, and holds the daemon to what systemd expects of a notify-reload service:
        a cycle RELOADING=1, READY=1 whose stamp is not older than the request."""
        self._requests.append(monotonic_usec())
        ask()

    def unanswered(self):
        """The requests, as their times, for which no such cycle is over yet."""
        cycles = self.cycles()
        return [asked for asked in self._requests if not any(c.ready and c.stamp >= asked for c in cycles)]

    def cycles(self):
        """READY=1 beside RELOADING=1 is a whole one: the reload began, and is over."""
        found = []
        for message in list(self.messages):
            if message.get("RELOADING") == "1":
                found.append(Cycle(number(message, "MONOTONIC_USEC"), False))
            if message.get("READY") == "1" and found:
                found[-1] = found[-1]._replace(ready=True)
        return found

    def _forgotten(self, stopping):
        """Those unanswered at the end; at STOPPING=1 only where READY=1 came after them, and their reload never began."""
        if not stopping:
            return self.unanswered()
        ready = max((arrived for message, arrived in zip(self.messages, self._times) if "READY" in message), default=0)
        begun = max((cycle.stamp for cycle in self.cycles()), default=0)
        return [asked for asked in self.unanswered() if begun < asked < ready]

    def _receive(self):
        while True:
            self._socket.recv(1, socket.MSG_PEEK)
            with self._reading:
                data, control, flags, _ = self._socket.recvmsg(65536, 4096)
            if not data and self._closing:
                return
            if data == FILLER:
                continue
            arrived = monotonic_usec()
            sender, fds = None, []
            for level, kind, value in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    sender = CREDENTIALS.unpack(value)[0]
                elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds = list(memoryview(value).cast("i"))
            message = self._parse(data)
            self._check_descriptors(message, len(fds))
            self._keep(message, fds)
            self._senders.append(sender)
            self._times.append(arrived)
            self.messages.append(message)

    def _keep(self, message, fds):
        name = message.get("FDNAME", "stored")
        if "FDSTORE" in message:
            self.stored += [(name, fd) for fd in fds]
            return
        if "FDSTOREREMOVE" in message:
            fds = fds + [fd for stored, fd in self.stored if stored == name]
            self.stored = [(stored, fd) for stored, fd in self.stored if stored != name]
        if "BARRIER" in message and self._barriers is not None:
            self._barriers += fds
            return
        for fd in fds:
            os.close(fd)  # this is how a barrier is answered

    def _check_descriptors(self, message, count):
        if "BARRIER" in message and (len(message) != 1 or count != 1):
            self._malformed.append(f"a barrier comes alone and with one descriptor: {message}, {count}")
        elif count and not {"BARRIER", "FDSTORE"} & message.keys():
            self._malformed.append(f"descriptors that nothing is said of: {message}, {count}")

    def _parse(self, data):
        """The assignments; what is wrong with them is noted."""
        wrong = lambda what: self._malformed.append(f"{what}: {data[:200]!r}")
        if len(data) > DATAGRAM_MAX:
            wrong(f"longer than {DATAGRAM_MAX} bytes")
        try:
            lines = data.decode().removesuffix("\n").split("\n")
        except UnicodeDecodeError:
            wrong("not UTF-8")
            return {}
        message = {}
        for line in lines:
            key, equals, value = line.partition("=")
            if not equals:
                wrong(f"not an assignment: {line!r}")
            elif key in message:
                wrong(f"assigned twice: {key}")
            elif not well_formed(key, value):
                wrong(f"not what systemd understands: {line!r}")
            message[key] = value
        return message

    def violations(self, main_pid, watchdog=None):
        """Sentences about what was wrong so far; an empty list if nothing was.

        watchdog: the interval in seconds, to hold the daemon to a ping at each half of it.
        """
        found = list(self._malformed)
        found += [f"sent by {pid}, not by the main process {main_pid}" for pid in self._senders if pid != main_pid]
        state, stamp = "starting", 0
        for message, arrived in list(zip(self.messages, self._times)):
            found += wrong_in(state, message)
            if "RELOADING" in message:
                usec = number(message, "MONOTONIC_USEC")
                if not stamp <= usec <= arrived:
                    found.append(f"MONOTONIC_USEC missing, going back or in the future: {message}")
                stamp = usec
            state = next((after for key, after in STATES.items() if key in message), state)
        if state == "reloading":
            found.append("RELOADING=1 without READY=1")
        found += [f"a reload asked for at {asked} has no RELOADING=1, READY=1 of its own"
                  for asked in self._forgotten(state == "stopping")]
        if watchdog:
            found += self._late_pings(watchdog * 1e6)
        return found

    def _late_pings(self, interval):
        """A ping comes right after the first READY=1, then at each half of the interval, until STOPPING=1, which ends the
        last of these times."""
        found, last = [], None
        for message, arrived in list(zip(self.messages, self._times)):
            if not {"WATCHDOG", "STOPPING"} & message.keys() and not ("READY" in message and last is None):
                continue
            if last is not None and arrived - last > interval * (0.5 + LATENESS):
                found.append(f"no ping for {(arrived - last) / 1e6:g} s of an interval of {interval / 1e6:g} s")
            if "STOPPING" in message:
                break
            last = arrived
        return found


def number(message, key):
    text = message.get(key, "")
    return int(text) if text.isascii() and text.isdigit() else -1


def well_formed(key, value):
    if key in NUMBERS:
        return value.isascii() and value.isdigit()
    if key in TEXTS:
        return value.isprintable()
    return value in CONSTANTS.get(key, ())


def wrong_in(state, message):
    """What a manager in that state objects to."""
    whole_reload = "READY" in message and "RELOADING" in message
    if "STOPPING" in message and ("READY" in message or "RELOADING" in message):
        yield f"STOPPING=1 makes the other state void: {message}"
    if state == "stopping" and not AFTER_STOPPING.issuperset(message):
        yield f"after STOPPING=1: {message}"
    if state == "starting" and "WATCHDOG" in message:
        yield f"before READY=1: {message}"
    if "RELOADING" in message and not whole_reload and state != "ready":
        yield f"RELOADING=1 while {state}"
    if "READY" in message and not whole_reload and state not in ("starting", "reloading"):
        yield f"READY=1 while {state}"
