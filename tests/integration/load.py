"""A client that never retries: whatever goes wrong between a daemon and its peers shows here.

64 keep-alive connections each send the next signed POST when the last is answered, or after a pause, and 200 fresh
connections per second bring one each.  It keeps a ledger of what was acknowledged, the longest time without an answer, and of each failure in
which phase it came and as what.  It runs as a process of its own, so that the test beside it does not slow it down.
"""
import collections
import dataclasses
import errno
import heapq
import json
import math
import multiprocessing
import os
import random
import selectors
import socket
import sqlite3
import time
import uuid

from tests.integration.harness import DEADLINE, sign

BODY = b'{"load":true}'
TIMED = os.environ.get("BELAY_GAPS") == "1"  # hold daemons to these, by hand on a machine that does nothing else
LONGEST_GAP = 0.060  # seconds without an answer, over a reload or an upgrade
LONGEST_GAP_OF_A_RESTART = 0.020  # beside the start, which begins where the service before is gone


@dataclasses.dataclass
class Report:
    acknowledged: dict = dataclasses.field(default_factory=dict)  # delivery id → job id
    failures: collections.Counter = dataclasses.field(default_factory=collections.Counter)  # (kind, phase, what)
    answers: int = 0
    gaps: list = dataclasses.field(default_factory=list)  # between two answers: (end, length), time.monotonic() in s
    seconds: float = 0.0
    closed_idle: int = 0  # kept connections that ended in a pause, which no request met

    def longest_gap(self, begin=-math.inf, end=math.inf):
        """Of those that ended in that time."""
        return max((length for ended, length in self.gaps if begin <= ended <= end), default=0.0)

    def __str__(self):
        return (f"{self.answers} answers in {self.seconds:.1f} s, longest gap {self.longest_gap() * 1000:.0f} ms, "
                f"{self.closed_idle} closed while idle")


class _Peer:
    """One connection, and where it is: connecting, sending, waiting (for a status), reading, idle; `since` when it is or
    waits for the answer."""

    def __init__(self, load, keep):
        self.load = load
        self.keep = keep
        self.kind = "kept" if keep else "fresh"
        self.phase = "connecting"
        self.since = time.monotonic()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.announced = False  # the server said that it would close
        result = self.socket.connect_ex(load.address)
        if result not in (0, errno.EINPROGRESS):
            self.fail(errno.errorcode[result])
            return
        load.selector.register(self.socket, selectors.EVENT_WRITE, self)

    def begin(self):
        """Sends the next request."""
        self.delivery = self.load.next_delivery()
        self.phase = "sending"
        self.since = time.monotonic()
        self.received = b""
        request = self.load.request(self.delivery, self.keep)
        try:
            sent = self.socket.send(request)
        except OSError as e:
            self.fail(errno.errorcode[e.errno])
            return
        assert sent == len(request), "a request of this size fits into every socket buffer"
        self.phase = "waiting"

    def ready(self):
        try:
            if self.phase == "connecting":
                if (error := self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)) != 0:
                    self.fail(errno.errorcode[error])
                    return
                self.load.selector.modify(self.socket, selectors.EVENT_READ, self)
                self.begin()
                return
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as e:
            self.fail(errno.errorcode[e.errno])
            return
        if not data and self.phase == "idle":
            self.load.report.closed_idle += 1
            self.reopen()
            return
        if not data:
            self.fail("end")
            return
        self.phase = "reading"
        self.received += data
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) >= length:
            self.answered(head, body)

    def answered(self, head, body):
        status = int(head[9:12])
        self.load.count_answer()
        if status == 202:
            self.load.report.acknowledged[self.delivery] = json.loads(body)["job"]
        else:
            self.load.report.failures[(self.kind, "answered", str(status))] += 1
        if not self.keep:
            self.close()
        elif b"\r\nconnection: close" in head.lower():
            self.reopen()  # as it was told
        elif self.load.ending:
            self.close()
        elif self.load.longest_pause:
            self.phase = "idle"
            self.load.begin_later(self)
        else:
            self.begin()

    def fail(self, what):
        self.load.report.failures[(self.kind, self.phase, what)] += 1
        self.reopen()

    def reopen(self):
        """Another in its place, where it was one to keep."""
        self.close()
        if self.keep and not self.load.ending:
            self.load.peers.append(_Peer(self.load, keep=True))

    def close(self):
        try:
            self.load.selector.unregister(self.socket)
        except KeyError:
            pass
        self.socket.close()
        if self in self.load.peers:
            self.load.peers.remove(self)


class _Load:
    def __init__(self, address, hook, kept, fresh_per_second, longest_pause):
        host, port = address.rsplit(":", 1)
        self.address = (host, int(port))
        self.hook = hook
        self.kept = kept
        self.fresh_interval = 1 / fresh_per_second
        self.longest_pause = longest_pause
        self.idle = []  # heap of (when to go on, a number that decides between equals, peer)
        self.selector = selectors.DefaultSelector()
        self.peers = []
        self.report = Report()
        self.ending = False
        self.deliveries = 0
        self.last_answer = None
        self.signature = sign(BODY)

    def next_delivery(self):
        self.deliveries += 1
        return f"load-{self.deliveries}"

    def request(self, delivery, keep):
        return (f"POST /hooks/{self.hook} HTTP/1.1\r\nHost: load\r\nContent-Type: application/json\r\n"
                f"X-Hub-Signature-256: {self.signature}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\n"
                f"Content-Length: {len(BODY)}\r\n{'' if keep else 'Connection: close' + chr(13) + chr(10)}\r\n"
                ).encode() + BODY

    def begin_later(self, peer):
        heapq.heappush(self.idle, (time.monotonic() + random.uniform(0, self.longest_pause), self.deliveries, peer))

    def end_pauses(self, now):
        while self.idle and (self.ending or self.idle[0][0] <= now):
            peer = heapq.heappop(self.idle)[2]
            if peer not in self.peers:
                continue
            if self.ending:
                peer.close()
            else:
                peer.begin()

    def fail_late(self, now):
        """What has got no answer for so long gets none."""
        for peer in [peer for peer in self.peers if peer.phase != "idle" and now - peer.since > DEADLINE]:
            peer.fail("no answer")

    def count_answer(self):
        now = time.monotonic()
        if self.last_answer is not None:
            self.report.gaps.append((now, now - self.last_answer))
        self.last_answer = now
        self.report.answers += 1

    def run(self, pipe):
        begin = time.monotonic()
        self.peers = [_Peer(self, keep=True) for _ in range(self.kept)]
        next_fresh = begin
        while self.peers:
            now = time.monotonic()
            if not self.ending and pipe.poll():
                pipe.recv()
                self.ending = True
            while not self.ending and next_fresh <= now:
                self.peers.append(_Peer(self, keep=False))
                next_fresh = max(next_fresh + self.fresh_interval, now - 0.1)  # does not make up for a pause of its own
            for key, _ in self.selector.select(0.001 if self.idle else 0.005):
                key.data.ready()
            self.end_pauses(time.monotonic())
            self.fail_late(time.monotonic())
        self.report.seconds = time.monotonic() - begin
        pipe.send(self.report)


def _run(prepare, pipe, *options):
    if prepare is not None:
        prepare()
    _Load(*options).run(pipe)


class Load:
    """`with Load(address, "hook") as load:` … then load.report.  A pause between requests is from 0 to longest_pause s.

    prepare: called in the client's process before anything else.
    """

    def __init__(self, address, hook, kept=64, fresh_per_second=200, longest_pause=0.0, prepare=None):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=_run, args=(prepare, other, address, hook, kept, fresh_per_second, longest_pause))

    def __enter__(self):
        self.process.start()
        return self

    def __exit__(self, *_):
        self.pipe.send("end")
        self.report = self.pipe.recv() if self.pipe.poll(2 * DEADLINE) else None
        if self.report is None:
            self.process.kill()
        self.process.join()


def time_to_run(report):
    """What its jobs may take in s: 50 a second at least, however many there are."""
    return max(900, len(report.acknowledged) / 50)


def stored(database):
    """What the store has of each delivery: {delivery id: (job id, state, attempts)}."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT e.delivery_id, j.id, j.state, j.attempts FROM events e JOIN jobs j ON j.id = e.job")
        return {delivery: (str(uuid.UUID(bytes=job)), state, attempts) for delivery, job, state, attempts in rows}
    finally:
        connection.close()
