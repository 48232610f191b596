"""A restart by a manager with a descriptor store: connections that nobody announced the end of go on in the next process."""
import fcntl
import os
import resource
import signal
import socket
import tempfile
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, hook, sign, wait_until

BODY = b'{"restart":true}'
CONFIG = hook("a", ["/usr/bin/env"])


def setUpModule():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))


def request():
    return (f"POST /hooks/a HTTP/1.1\r\nHost: restart\r\nX-Hub-Signature-256: {sign(BODY)}\r\n"
            f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY


def garbled(queue, text):
    """What waits in a stored queue, with another document before it."""
    with socket.socket(fileno=queue) as old:
        descriptors = []
        while received := socket.recv_fds(old, 1, 253)[1]:
            descriptors += received
    os.close(descriptors[0])
    descriptors[0] = os.memfd_create("garbled", os.MFD_ALLOW_SEALING)
    os.write(descriptors[0], text)
    fcntl.fcntl(descriptors[0], fcntl.F_ADD_SEALS, 15)
    reader, writer = socket.socketpair()
    with writer:
        socket.send_fds(writer, [b"\0"], descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
    return reader.detach()


class Restart(TestCase):
    def setUp(self):
        self.listener = self.enterContext(socket.create_server(("127.0.0.1", 0), backlog=4096))
        self.listener.listen(4096)
        self.directory = self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-"))

    def belayd(self, stored=(), room=4096, env=None, **options):
        """With the listener of its socket unit, what is in the store of its unit, and that much room in it."""
        options = {"sections": {"ingress": ""}, "passed": [("ingress", self.listener.fileno())], **options}
        environment = {"FDSTORE": str(room), **(env or {})}
        return self.start(Belayd(CONFIG, directory=self.directory, env=environment, stored=stored, **options))

    def restart(self, belayd, **options):
        belayd.stop()
        return self.belayd(belayd.manager.take_stored(), **options)

    def connect(self, count=1):
        connections = []
        for _ in range(count):
            connections.append(self.enterContext(socket.create_connection(self.listener.getsockname(), timeout=60)))
        return connections

    def answer(self, connection):
        """The status line of the one answer that comes, and its head."""
        received = b""
        while b"\r\n\r\n" not in received:
            data = connection.recv(65536)
            self.assertNotEqual(data, b"", "closed without an answer")
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65536)
        return head

    def left(self, belayd):
        return [record for record in belayd.records()[belayd.earlier_records:]
                if record["msg"] == "connections left to the next process"]

    def post(self, connection, expected=b"HTTP/1.1 202 "):
        connection.sendall(request())
        self.assertEqual(self.answer(connection)[:len(expected)], expected)

    def assert_closed_politely(self, connection):
        self.assertEqual(connection.recv(65536), b"")  # a reset would be an exception

    def test_connections_survive(self):
        """Idle, without a request so far, in the middle of a head and of a body."""
        belayd = self.belayd()
        idle, fresh, in_head, in_body = self.connect(4)
        self.post(idle)
        in_head.sendall(request()[:30])
        in_body.sendall(request()[:-3])
        wait_until(lambda: belayd.connections() == 4, "the connections")
        pid = belayd.pid
        belayd = self.restart(belayd)
        self.assertNotEqual(belayd.pid, pid)
        self.assertEqual(belayd.wait_record("connections taken over")["connections"], 4)
        wait_until(lambda: belayd.manager.stored == [], "the store to be emptied")
        in_head.sendall(request()[30:])
        in_body.sendall(request()[-3:])
        for connection in in_head, in_body:
            self.assertTrue(self.answer(connection).startswith(b"HTTP/1.1 202 "))
        self.post(idle)
        self.post(fresh)
        for connection in idle, fresh, in_head, in_body:  # nothing is kept beside the daemon: they can end
            connection.sendall(b"GET / HTTP/1.1\r\nHost: restart\r\nConnection: close\r\n\r\n")
            self.answer(connection)
            self.assert_closed_politely(connection)
        belayd.stop()

    def test_the_admin_port_takes_no_time_from_the_gap(self):
        """Who has just been answered there is held for a while: before ingress stops answering, not after."""
        belayd = self.belayd()
        belayd.metrics()
        belayd.stop()
        phases = [record["phase"] for record in belayd.records("drain phase over")]
        self.assertEqual(phases[-8:], ["successor", "store", "admin", "doors", "connections", "control", "stop", "threads"])

    def test_what_is_sent_while_nobody_runs_is_answered(self):
        belayd = self.belayd()
        kept, = self.connect()
        self.post(kept)
        belayd.stop()
        kept.sendall(request())
        late, = self.connect()
        late.sendall(request())
        belayd = self.belayd(belayd.manager.take_stored())
        for connection in kept, late:
            self.assertTrue(self.answer(connection).startswith(b"HTTP/1.1 202 "))
        belayd.stop()

    def test_what_was_half_closed_is_only_lingered_on(self):
        sections = {"ingress": 'idle_timeout = "100ms"\n'}
        belayd = self.belayd(sections=sections)
        late, = self.connect()
        self.post(late)
        self.assert_closed_politely(late)
        belayd = self.restart(belayd, sections=sections)
        late.sendall(request())
        late.close()
        wait_until(lambda: belayd.connections() == 0, "the end of the connection")
        self.assertEqual(len(belayd.api("GET", "/jobs").json()["jobs"]), 1)
        belayd.stop()

    def test_more_than_a_message_holds(self):
        belayd = self.belayd()
        connections = self.connect(600)
        for connection in connections[::50]:
            self.post(connection)
        wait_until(lambda: belayd.metrics()['belay_connections{server="ingress",state="new"}'] == 588, "the connections")
        for restarts in range(1, 3):
            belayd.stop()
            stored = belayd.manager.take_stored()
            self.assertEqual(len(stored), 1, "the manager has one descriptor, however many connections there are")
            belayd = self.belayd(stored)
            self.assertEqual(belayd.wait_record("connections taken over", restarts)["connections"], 600)
        for connection in connections:
            connection.sendall(request())
        for connection in connections:
            self.assertTrue(self.answer(connection).startswith(b"HTTP/1.1 202 "))
        belayd.stop()

    def test_what_is_unknown_is_removed_from_the_store(self):
        ours, theirs = socket.socketpair()
        self.enterContext(ours).settimeout(60)
        other, = self.connect()
        belayd = self.belayd(stored=[("who-knows", theirs.detach()), ("someone", os.dup(other.fileno()))])
        self.assertEqual(ours.recv(1), b"")  # nobody holds the other end
        belayd.wait_record("closing a descriptor that this daemon did not store", name="who-knows")
        belayd.wait_record("closing a descriptor that this daemon did not store", name="someone")
        removed = lambda: {m["FDNAME"] for m in belayd.messages if "FDSTOREREMOVE" in m}
        wait_until(lambda: {"who-knows", "someone"} <= removed(), "their removal")
        self.post(self.connect()[0])
        belayd.stop()

    def test_what_cannot_be_read_costs_the_connections_only(self):
        for text in (b"nonsense", b"belay hand-over 999\n[]\n{}", b"belay hand-over 3\n[]\n{}"):
            with self.subTest(text):
                belayd = self.belayd()
                kept, = self.connect()
                self.post(kept)
                belayd.stop()
                [(name, queue)] = belayd.manager.take_stored()
                seen = len(belayd.records("cannot take over what was stored, ignoring"))
                belayd = self.belayd([(name, garbled(queue, text))])
                belayd.wait_record("cannot take over what was stored, ignoring", seen + 1)
                self.assert_closed_politely(kept)
                self.post(self.connect()[0])
                belayd.stop()

    def test_a_commit_that_takes_long_costs_the_others_nothing(self):
        failpoints = Failpoints(self)
        for idle in 20, 0:
            with self.subTest(idle=idle):
                belayd = self.belayd(env=failpoints.environment)
                connections = self.connect(idle)
                for connection in connections:
                    self.post(connection)
                pending = lambda: [belayd.metrics()[f'belay_jobs{{state="{state}"}}'] for state in ("queued", "running")]
                wait_until(lambda: pending() == [0, 0], "the jobs")  # their ends are commits too
                slow, = self.connect()
                failpoints.arm("store.disk", "wedge")
                slow.sendall(request())
                failpoints.wait_reached("store.disk")
                wait_until(lambda: belayd.metrics()['belay_connections{server="ingress",state="in_flight"}'] == 1, "the request")
                belayd.send_signal(signal.SIGTERM)
                left, = wait_until(lambda: self.left(belayd), "what cannot wait to be left")
                self.assertEqual((left["connections"], left["busy"]), (idle, 1))
                failpoints.release("store.disk")
                self.assertIn(b"\r\nConnection: close", self.answer(slow))
                self.assert_closed_politely(slow)
                self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
                belayd.check_messages()
                belayd = self.belayd(belayd.manager.take_stored())
                for connection in connections:
                    self.post(connection)
                belayd.stop()

    def test_without_room_they_end_politely(self):
        belayd = self.belayd(room=0)
        connections = self.connect(5)
        for connection in connections:
            self.post(connection)
        belayd.stop()
        self.assertEqual((self.left(belayd), belayd.manager.take_stored()), ([], []))
        for connection in connections:
            self.assert_closed_politely(connection)

    def test_a_next_process_that_could_not_take_them(self):
        """They end in order, instead of with a process that cannot start or does not understand what was stored."""
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        for times, (reason, spoil) in enumerate([("belay.toml", lambda: belayd.write_config("nonsense")),
                                                 ("the hand-over has version 999", builds.put_of_another_version)], 1):
            with self.subTest(reason):
                builds.put_next()
                belayd = self.belayd(executable=builds.path)
                kept, slow = self.connect(2)
                self.post(kept)
                slow.sendall(request()[:-3])
                wait_until(lambda: belayd.connections() == 2, "the connections")
                spoil()
                belayd.send_signal(signal.SIGTERM)
                refusal = belayd.wait_record("the next process cannot take over connections, closing them", times)
                self.assertIn(reason, refusal["error"])
                slow.sendall(request()[-3:])
                self.assertIn(b"\r\nConnection: close", self.answer(slow))
                self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
                self.assertEqual((self.left(belayd), belayd.manager.take_stored()), ([], []))
                self.assert_closed_politely(kept)

    def test_a_manager_that_does_not_say_that_it_stored_them(self):
        belayd = self.belayd(manager_answers=False)
        kept, = self.connect()
        self.post(kept)
        belayd.stop()
        self.assert_closed_politely(kept)
        self.assertEqual(belayd.manager.stored, [])
        left, = self.left(belayd)
        self.assertEqual((left["connections"], left["not_stored"]), (0, 1))

    def test_one_that_dies_at_any_step_loses_nothing(self):
        """The old process before and after the manager has the connections, the new one when it has taken them."""
        failpoints = Failpoints(self)
        acknowledged = 0
        belayd = self.belayd(env=failpoints.environment)
        for step in "restart.frozen", "restart.stored", "start.taken":
            with self.subTest(step):
                connections = self.connect(5)
                for connection in connections:
                    self.post(connection)
                acknowledged += 5
                in_body, = self.connect()
                in_body.sendall(request()[:-3])
                wait_until(lambda: belayd.connections() == 6, "the connections")
                failpoints.arm(step, "kill")
                belayd.send_signal(signal.SIGTERM)
                belayd.wait()
                if step == "start.taken":
                    dying = Belayd(CONFIG, directory=self.directory, passed=[("ingress", self.listener.fileno())],
                                   stored=belayd.manager.take_stored(), sections={"ingress": ""},
                                   env={"FDSTORE": "1", **failpoints.environment})
                    self.addCleanup(dying.close)
                    self.assertEqual(dying.wait(), -signal.SIGKILL)
                    belayd = dying
                self.assertTrue(failpoints.reached(step))
                belayd = self.belayd(belayd.manager.take_stored(), env=failpoints.environment)
                answered = [self.answers(connection, request()) for connection in connections]
                answered.append(self.answers(in_body, request()[-3:]))
                for connection in (*connections, in_body):
                    connection.close()
                self.assertEqual(set(answered), {step == "restart.stored"})
                acknowledged += sum(answered)
                self.assertEqual(len(belayd.api("GET", "/jobs?limit=100").json()["jobs"]), acknowledged)
        belayd.stop()

    def answers(self, connection, rest):
        """Or ends; it is not left without either."""
        try:
            connection.sendall(rest)
            return connection.recv(65536).startswith(b"HTTP/1.1 202 ")
        except ConnectionError:
            return False

    def test_several_listeners_by_name(self):
        path = f"{self.directory}/passed.sock"
        other = self.enterContext(socket.socket(socket.AF_UNIX))
        other.bind(path)
        other.listen()
        sections = {"ingress": 'listen = ["fd:ingress", "fd:other"]\n'}
        passed = [("other", other.fileno()), ("ingress", self.listener.fileno())]
        belayd = self.belayd(sections=sections, passed=passed)
        peer = self.enterContext(socket.socket(socket.AF_UNIX))
        peer.settimeout(60)
        peer.connect(path)
        for _ in range(2):
            self.post(peer)
            self.post(self.connect()[0])
            belayd = self.restart(belayd, sections=sections, passed=passed)
        self.assertTrue(os.path.exists(path), "the path is the manager's")
        self.post(peer)
        belayd.stop()

    def test_no_job_sees_the_manager(self):
        belayd = self.belayd()
        kept, = self.connect()
        self.post(kept)
        belayd = self.restart(belayd)
        job = belayd.post("a").json()["job"]
        self.assertEqual(belayd.wait_job(job, "succeeded", "failed")["state"], "succeeded")
        output = belayd.output(job)["stdout"]
        self.assertIn("BELAY_JOB_ID=", str(output))
        for prefix in "LISTEN_", "NOTIFY_", "WATCHDOG_", "FDSTORE":
            self.assertNotIn(prefix, str(output))
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
