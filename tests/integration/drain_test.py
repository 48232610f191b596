"""How long a drain takes: as long as somebody is served, and never past its deadline."""
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import socket
import tempfile
import time
import unittest

from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, connect, fetch, hook, sign, wait_until

READYZ = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"
REQUEST = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(b'{}')}\r\n"
           "Content-Length: 2\r\n\r\n{}").encode()
STUBBORN = ["/bin/sh", "-c", 'trap "" TERM; while :; do sleep 0.1; done']


def read_all(peer):
    """To the end of the stream."""
    return b"".join(iter(lambda: peer.recv(65536), b""))


class Drain(TestCase):
    def phase_seconds(self, belayd, phase):
        return belayd.wait_record("drain phase over", phase=phase)["duration_seconds"]

    def test_a_delay_ends_when_nobody_asks_any_more_whoever_is_still_connected(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"]),
                                   sections={"daemon": 'drain_timeout = "40s"\ndrain_delay = "40s"\n'}))
        with contextlib.closing(connect(belayd.address("ingress"))) as idle:
            idle.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})
            response = idle.getresponse()
            self.assertEqual((response.status, response.read() != b""), (202, True))
            self.assertIsNotNone(idle.sock)  # kept alive
            belayd.stop()
        self.assertLess(self.phase_seconds(belayd, "delay"), 20)

    def test_a_delay_goes_on_while_a_balancer_still_sends(self):
        """However short its requests are: most are over before anybody looks."""
        while not self.sends_through_a_delay():
            pass

    def sends_through_a_delay(self):
        """Whether there was a request every 100 ms: on a busy machine, there may be none for long enough to end it."""
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), sections={
            "daemon": 'drain_timeout = "20s"\ndrain_delay = "20s"\n'}))
        address = belayd.address("ingress")
        body, headers = b"{}", {"X-Hub-Signature-256": sign(b"{}")}
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_record("drain phase over", phase="jobs")
        begin = last = time.monotonic()
        longest = 0
        while last < begin + 4:
            wait_until(lambda: time.monotonic() > last + 0.1, "the next one's time")
            try:
                status = fetch(address, "POST", "/hooks/a", body, headers).status
            except ConnectionError:
                self.assertGreater(max(longest, time.monotonic() - last), 0.4, "the delay ended while requests came")
                return False
            self.assertEqual(status, 202)
            longest = max(longest, time.monotonic() - last)
            last = time.monotonic()
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()
        self.assertTrue(4 <= self.phase_seconds(belayd, "delay") < 19, belayd.log()[-4000:])
        return True

    def test_a_commit_that_takes_long_is_answered(self):
        """While there is time, whoever waits for it is not cut off: what is stored is not to be sent again."""
        failpoints = Failpoints(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env=failpoints.environment,
                                   sections={"daemon": 'drain_timeout = "60s"\n'}))
        failpoints.arm("store.disk", "wedge")
        failpoints.wait_reached("store.disk")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(belayd.post, "a")
            wait_until(lambda: belayd.metrics()['belay_connections{server="ingress",state="in_flight"}'] == 1, "the request")
            belayd.send_signal(signal.SIGTERM)
            belayd.wait_record("drain phase over", phase="doors")
            late = time.monotonic() + 5.5  # others have 5 s
            wait_until(lambda: time.monotonic() > late, "that time to be over")
            failpoints.release("store.disk")
            self.assertEqual((answer.result().status, answer.result().headers["Connection"]), (202, "close"))
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

    def test_an_upload_that_never_ends_does_not_outlast_the_deadline(self):
        """Not even when the jobs have used up all the time that there was: exit 75 is for what hangs."""
        belayd = self.start(Belayd(hook("a", STUBBORN), sections={
            "daemon": 'drain_timeout = "1s"\ndrain_delay = "1s"\n', "runner": 'kill_grace = "1s"\n'}))
        belayd.wait_job(belayd.post("a").json()["job"], "running")
        host, port = belayd.address("ingress").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as upload:
            upload.sendall(b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(upload.recv(1000).startswith(b"HTTP/1.1 100 "))  # it waits for the body
            belayd.send_signal(signal.SIGTERM)
            self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()
        self.assertGreater(self.phase_seconds(belayd, "jobs"), 1.5)
        self.assertGreater(self.phase_seconds(belayd, "connections"), 1)

    def test_what_used_up_the_time_before_leaves_some_for_the_connections(self):
        """A reload that hangs keeps the drain waiting; an upload that has begun by then is still taken."""
        failpoints = Failpoints(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env=failpoints.environment, sections={
            "daemon": 'drain_timeout = "0s"\n', "runner": 'kill_grace = "0s"\n'}))
        host, port = belayd.address("ingress").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as upload:
            upload.sendall(f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(b'{}')}\r\n"
                           "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertTrue(upload.recv(1000).startswith(b"HTTP/1.1 100 "))
            failpoints.arm("runner.turn", "wedge")
            failpoints.wait_reached("runner.turn")
            belayd.send_signal(signal.SIGHUP)
            belayd.wait_message("RELOADING")
            belayd.send_signal(signal.SIGTERM)
            belayd.wait_message("STOPPING")
            late = time.monotonic() + 3.1  # of the 5 s of this drain, 2 s are for what follows the connections
            wait_until(lambda: time.monotonic() > late, "that time to be over")
            failpoints.release("runner.turn")
            belayd.wait_record("drain phase over", phase="doors")
            upload.sendall(b"{}")
            self.assertTrue(upload.recv(1000).startswith(b"HTTP/1.1 202 "))
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

    def test_the_manager_and_the_log_are_told_what_is_waited_for(self):
        """In each phase, as it changes; and that is what earns more time."""
        fifos = {name: pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "fifo" for name in "ab"}
        for fifo in fifos.values():
            os.mkfifo(fifo)
        belayd = self.start(Belayd("".join(hook(name, ["/bin/cat", str(fifo)]) for name, fifo in fifos.items()), sections={
            "daemon": 'drain_timeout = "60s"\n', "runner": 'max_jobs = 2\n'}))
        for name in fifos:
            belayd.wait_job(belayd.post(name).json()["job"], "running")
        host, port = belayd.address("ingress").rsplit(":", 1)
        body = b'{"late":true}'
        request = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(body)}\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        uploads = [self.enterContext(socket.create_connection((host, int(port)), timeout=60)) for _ in range(2)]
        for upload in uploads:
            upload.sendall(request[:-1])
        wait_until(lambda: belayd.metrics()['belay_connections{server="ingress",state="partial"}'] == 2, "the uploads")

        belayd.send_signal(signal.SIGTERM)
        at = belayd.wait_message("STATUS", "draining: jobs: 2 running, for 1 s")
        at = belayd.wait_message("EXTEND_TIMEOUT_USEC", "15000000", after=at)
        fifos["a"].write_bytes(b"")
        at = wait_until(lambda: [i for i, m in enumerate(belayd.messages) if i > at
                                 and m.get("STATUS", "").startswith("draining: jobs: 1 running, for ")], "one job left")[0]
        fifos["b"].write_bytes(b"")
        at = belayd.wait_message("STATUS", "draining: connections: 2 partial", after=at)
        uploads[0].sendall(request[-1:])
        self.assertTrue(uploads[0].recv(1000).startswith(b"HTTP/1.1 202 "))
        uploads[0].close()
        wait_until(lambda: [m for m in belayd.messages[at:] if m.get("STATUS", "").startswith("draining: connections: 1 partial")],
                   "one upload left")
        uploads[1].sendall(request[-1:])
        self.assertTrue(uploads[1].recv(1000).startswith(b"HTTP/1.1 202 "))
        uploads[1].close()
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

        records = belayd.records()
        begin = next(i for i, record in enumerate(records) if record["msg"] == "draining")
        phases = [record for record in records[begin:] if record["msg"] == "drain phase over"]
        self.assertEqual([record["phase"] for record in phases],
                         ["begin", "manager", "jobs", "delay", "doors", "connections", "control", "stop", "threads"])
        waited_for = {record["phase"]: record["waited_for"] for record in phases}
        self.assertEqual((waited_for["jobs"], waited_for["connections"]), ("2 running", "2 partial"))
        self.assertGreater(self.phase_seconds(belayd, "jobs"), 4.9)

    def test_who_waits_at_a_unix_socket_of_ours_is_answered(self):
        """Its path goes first, so that nobody comes meanwhile."""
        failpoints = Failpoints(self)
        path = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "sock"
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env=failpoints.environment, sections={
            "daemon": 'drain_timeout = "60s"\n', "ingress": f'listen = "unix:{path}"\n'}))
        failpoints.arm("http-0.turn", "wedge")
        failpoints.wait_reached("http-0.turn")  # it is the one that accepts
        waiting = [self.enterContext(socket.socket(socket.AF_UNIX)) for _ in range(50)]
        for peer in waiting:
            peer.settimeout(60)
            peer.connect(str(path))
            peer.sendall(REQUEST)
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_record("drain phase over", phase="delay")
        self.assertTrue(path.exists())
        failpoints.release("http-0.turn")
        for peer in waiting:
            self.assertEqual(read_all(peer)[:13], b"HTTP/1.1 202 ")
            peer.close()
        self.assertFalse(path.exists())
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()


class AdminPort(TestCase):
    """Who asks there hears to the end how it stands."""

    def test_a_scraper_is_told_that_its_connection_ends(self):
        fifo = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "fifo"
        os.mkfifo(fifo)
        belayd = self.start(Belayd(hook("a", ["/bin/cat", str(fifo)]), sections={"daemon": 'drain_timeout = "60s"\n'}))
        belayd.wait_job(belayd.post("a").json()["job"], "running")
        with contextlib.closing(connect(belayd.address("admin"))) as scraper:
            self.assertEqual(self.get(scraper, "/readyz"), (200, None))
            belayd.send_signal(signal.SIGTERM)
            belayd.wait_message("STOPPING")
            self.assertEqual(self.get(scraper, "/readyz"), (503, "close"))
        for target, status in (("/healthz", 200), ("/readyz", 503), ("/metrics", 200)):
            with contextlib.closing(connect(belayd.address("admin"))) as probe:
                self.assertEqual(self.get(probe, target), (status, "close"))
        fifo.write_bytes(b"")
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

    def test_who_asks_in_the_last_moment_is_answered(self):
        failpoints = Failpoints(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env=failpoints.environment, sections={
            "daemon": 'drain_timeout = "60s"\n'}))
        host, port = belayd.address("admin").rsplit(":", 1)
        def peer():
            return self.enterContext(socket.create_connection((host, int(port)), timeout=60))
        scraper = peer()
        scraper.sendall(READYZ)
        self.assertEqual(scraper.recv(10000)[:13], b"HTTP/1.1 200 ")
        failpoints.arm("reader.turn", "wedge")
        failpoints.wait_reached("reader.turn")
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_record("drain phase over", phase="control")
        wait_until(lambda: belayd.metrics()['belay_loop_heartbeat_age_seconds{loop="main"}'] > 2, "main to wait for reader")
        failpoints.arm("admin.turn", "wedge")
        failpoints.wait_reached("admin.turn")
        waiting = [scraper, *(peer() for _ in range(50))]  # most are in the backlog
        for one in waiting:
            one.sendall(READYZ)
        slow = peer()
        slow.sendall(READYZ[:20])
        failpoints.release("reader.turn")
        belayd.wait_record("drain phase over", phase="stop")
        failpoints.release("admin.turn")
        for one in waiting:
            answer = read_all(one)
            self.assertEqual(answer[:13], b"HTTP/1.1 503 ")
            self.assertIn(b"\r\nConnection: close\r\n", answer)
            one.close()
        slow.sendall(READYZ[20:])
        self.assertIn(read_all(slow)[:13], (b"HTTP/1.1 503 ", b"HTTP/1.1 408 "))  # too slow it may be, but not ignored
        slow.close()
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

    def get(self, connection, target):
        connection.request("GET", target)
        response = connection.getresponse()
        response.read()
        return response.status, response.headers["Connection"]


if __name__ == "__main__":
    unittest.main()
