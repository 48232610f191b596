"""A drain never resets: requests that cross the end of their connection on the way.

Clients that never retry send POSTs over keep-alive connections through a proxy that delays each direction by up to
50 ms, think for a while that is sometimes shorter and sometimes longer than the server's hold, and belayd is stopped
and started again below them.  Each failure is judged by how long the connection was idle as the server saw it.
"""
import asyncio
import collections
import contextlib
import json
import math
import os
import random
import socket
import tempfile
import unittest

from tests.integration.delay_proxy import DelayProxy
from tests.integration.harness import DEADLINE, Belayd, TestCase, hook, sign
from tests.integration.load import stored

INSTRUMENTED = os.environ.get("BELAY_SANITIZE", "none") != "none"
DRAINS = int(os.environ.get("BELAY_ROUNDS", "3" if INSTRUMENTED else "10"))  # 100 by hand
POSTS = int(os.environ.get("BELAY_POSTS", DRAINS * 250))  # 100000 by hand
CLIENTS = 96
HOLD = 0.25  # http::Limits::drain_hold
LINGER = 0.98  # a second, less what the kernel's clock is coarse
DELAY = 0.05
BODY = b"{}"
# What no server can help; the second only happens where this machine holds the proxy up for that long.
BEYOND = "end after more than the hold", "reset after the linger"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def think_time():
    """Half of them quick, the others around the hold and beyond."""
    return random.uniform(0, HOLD / 2) if random.random() < 0.5 else random.uniform(HOLD / 2, 2 * HOLD)


def request(delivery):
    return (f"POST /hooks/race HTTP/1.1\r\nHost: race\r\nContent-Type: application/json\r\n"
            f"X-Hub-Signature-256: {sign(BODY)}\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: {delivery}\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY


class Race:
    """The clients, and what became of their requests."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.ending = False
        self.deliveries = 0
        self.acknowledged = {}  # delivery id → job id
        self.outcomes = collections.Counter()
        self.shortest_idle = math.inf  # of a connection that ended without a status
        self.progress = asyncio.Condition()

    async def wait_for_answers(self, count):
        async with self.progress:
            goal = len(self.acknowledged) + count
            await asyncio.wait_for(self.progress.wait_for(lambda: len(self.acknowledged) >= goal), DEADLINE)

    async def client(self):
        while not self.ending:
            reader, writer = await asyncio.open_connection(*self.proxy.address)
            address = writer.get_extra_info("sockname")
            failed = await self.use(reader, writer)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            link = self.proxy.links.pop(address)
            await asyncio.wait_for(link.closed.wait(), DEADLINE)
            if failed:
                self.outcomes[self.judge(link, failed)] += 1

    def judge(self, link, failed):
        if link.reset_by_server:
            return "reset" if link.server.late < LINGER else "reset after the linger"
        if failed != "end":
            return failed
        self.shortest_idle = min(self.shortest_idle, link.idle)
        return "end after less than the hold" if link.idle < HOLD else "end after more than the hold"

    async def use(self, reader, writer):
        """Sends requests until the connection is over.  Returns what went wrong."""
        try:
            while not self.ending:
                if await self.ends_meanwhile(reader, think_time()):
                    self.outcomes["closed when nothing was asked"] += 1
                    return None
                self.deliveries += 1
                delivery = f"race-{self.deliveries}"
                writer.write(request(delivery))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                if head[9:12] != b"202":
                    return f"answered {head[9:12].decode()}"
                async with self.progress:
                    self.acknowledged[delivery] = json.loads(body)["job"]
                    self.progress.notify_all()
                if b"\r\nconnection: close" in head.lower():
                    self.outcomes["closed with an answer"] += 1
                    return None
        except asyncio.IncompleteReadError as e:
            return "answer cut short" if e.partial else "end"
        except ConnectionError:
            return "reset"
        return None

    @staticmethod
    async def ends_meanwhile(reader, seconds):
        try:
            return await asyncio.wait_for(reader.read(1), seconds) == b""
        except asyncio.TimeoutError:
            return False


class KeepAliveRace(TestCase):
    async def start_daemon(self):
        def start():
            return self.start(Belayd(hook("race", ["/bin/true"]), directory=self.directory, sections={
                "ingress": f'listen = "127.0.0.1:{self.port}"\n',
                "runner": 'kill_grace = "2s"\nmax_jobs = 1\n',
                "log": 'level = "info"\nformat = "json"\n'}))
        return await asyncio.to_thread(start)

    async def race(self):
        async with DelayProxy(("127.0.0.1", self.port), DELAY) as proxy:
            race = Race(proxy)
            clients = asyncio.gather(*(race.client() for _ in range(CLIENTS)))
            for _ in range(DRAINS):
                belayd = await self.start_daemon()
                await race.wait_for_answers(POSTS // DRAINS)
                await asyncio.to_thread(belayd.stop)
            race.ending = True
            belayd = await self.start_daemon()  # for those who still wait for one
            await asyncio.wait_for(clients, DEADLINE)
            await asyncio.to_thread(belayd.stop)
            return race, belayd

    def test_no_drain_resets_or_forgets_a_request(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-test-")
        self.addCleanup(directory.cleanup)
        self.directory, self.port = directory.name, free_port()
        race, belayd = asyncio.run(self.race())
        drains = [r["duration_seconds"] for r in belayd.records("drain phase over") if r["phase"] == "connections"]
        print(f"\n    {len(race.acknowledged)} answers through {DRAINS} drains: {dict(race.outcomes)}, "
              f"{len(race.proxy.resets)} resets, {race.proxy.refused} times refused; "
              f"nothing was lost before {race.shortest_idle * 1000:.0f} ms without a request; "
              f"connections ended within {max(drains) * 1000:.0f} ms")
        unexpected = {what: n for what, n in race.outcomes.items()
                      if not what.startswith("closed") and what not in BEYOND}
        self.assertEqual(unexpected, {})
        self.assertEqual([late for late in race.proxy.resets if late < LINGER], [])
        for what in "closed when nothing was asked", "closed with an answer":  # else no drain met anybody
            self.assertGreater(race.outcomes[what], 0)
        rows = stored(belayd.base / "state" / "belay.db")
        self.assertEqual({delivery: job for delivery, (job, *_) in rows.items()}, race.acknowledged)


if __name__ == "__main__":
    unittest.main()
