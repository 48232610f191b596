"""An upgrade that does not come to be: everything goes on as before, and whoever asked is told why."""
import concurrent.futures
import contextlib
import fcntl
import http.client
import os
import pathlib
import select
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import BUILD, DEADLINE, Belayd, TestCase, connect, hook, sign, wait_until
from tests.integration.load import Load

INSTRUMENTED = os.environ.get("BELAY_SANITIZE", "none") != "none"
STOPPING = "not upgraded: the daemon is stopping"
LATE = "not upgraded: (everything stood still for longer than 1 s|a request .* was still being handled after 1 s)"
BODY = b'{"undo":true}'
HEADERS = {"X-Hub-Signature-256": sign(BODY)}
WIRE = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(BODY)}\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n").encode() + BODY


def children_of_threads(pid):
    """A child is listed with the thread that made it."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


class UpgradeUndo(TestCase):
    def setUp(self):
        self.failpoints = Failpoints(self)
        self.builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))

    def start_build(self, config=hook("a", ["/bin/true"]), **options):
        return self.start(Belayd(config, executable=self.builds.path, env=self.failpoints.environment, **options))

    def in_background(self, function, *arguments):
        """Its result, once result() is called."""
        pool = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        return pool.submit(function, *arguments)

    def test_a_stop_ends_the_question(self):
        belayd = self.start_build()
        self.builds.put_next()
        self.failpoints.arm("upgrade.question", "wedge")  # until the end of the test
        answer = self.in_background(belayd.api, "POST", "/reload")
        self.failpoints.wait_reached("upgrade.question")
        [asked] = children_of_threads(belayd.pid)
        pidfd = os.pidfd_open(asked)
        self.addCleanup(os.close, pidfd)
        belayd.stop()
        self.assertEqual((answer.result().status, answer.result().json()["message"]), (422, STOPPING))
        belayd.wait_record("reload failed, nothing changed", error=STOPPING)
        self.assertEqual(select.select([pidfd], [], [], 0)[0], [pidfd], "the child that was asked has ended")
        self.assertEqual(belayd.records("leak"), [])

    def signal_while_frozen(self, belayd, number):
        self.builds.put_next()
        self.failpoints.arm("upgrade.frozen", "wedge")
        belayd.send_signal(signal.SIGUSR2)
        self.failpoints.wait_reached("upgrade.frozen")
        belayd.send_signal(number)
        self.failpoints.release("upgrade.frozen")

    def test_a_reload_asked_for_just_before_exec(self):
        """The next image has it in a cycle of its own."""
        belayd = self.start_build()
        while len(belayd.records("starting")) == 1:  # again where this machine took longer than a freeze may
            self.signal_while_frozen(belayd, signal.SIGHUP)
            belayd.wait_reloads()
        belayd.stop()

    def test_a_stop_just_before_exec(self):
        belayd = self.start_build()
        self.signal_while_frozen(belayd, signal.SIGTERM)
        self.assertEqual(belayd.wait(), 0, belayd.log()[-3000:])
        belayd.check_messages()
        belayd.wait_record("reload failed, nothing changed", error=STOPPING)
        self.assertEqual(len(belayd.records("starting")), 1)
        self.assertEqual(belayd.records("leak"), [])

    def test_an_executable_that_the_kernel_refuses(self):
        def forbid():
            self.builds.path.chmod(0o644)
        self.undo("upgrade.asked", "cannot be executed: Permission denied", meanwhile=forbid)

    def test_an_executable_that_is_not_the_one_that_was_asked(self):
        self.undo("upgrade.asked", "changed while it was asked", meanwhile=self.builds.put_next)

    def test_a_disk_that_the_store_waits_for(self):
        """It is not torn away in the middle of a sync, though nobody waits for that; the others are served meanwhile."""
        belayd = self.start_build()
        served = 0
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "succeeded")
        self.builds.put_next()
        self.failpoints.arm("store.disk", "wedge")
        self.failpoints.wait_reached("store.disk")  # upkeep: nothing else is to be done
        self.failpoints.arm("upgrade.asked", "wedge")
        reload = self.in_background(self.belay_reload, belayd)
        self.failpoints.wait_reached("upgrade.asked")
        self.failpoints.release("upgrade.asked")
        while not reload.done():
            with contextlib.closing(connect(belayd.address("ingress"))) as ingress:
                ingress.request("GET", "/nothing")
                self.assertEqual(self.answer(ingress), 404)
                served += 1
        done = reload.result()
        self.assertIn("not upgraded: the store was still at work when it was time", done.stderr)
        self.assertNotEqual(done.returncode, 0, done)
        self.assertGreater(served, 20)  # a frozen one answers none
        self.failpoints.release("store.disk")
        self.assertEqual(belayd.post("a").status, 202)
        wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 2, "both to have succeeded")
        self.assertEqual(len(belayd.records("starting")), 1)
        done = self.belay_reload(belayd)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(belayd.records("starting")), 2)
        self.assertEqual(belayd.metrics()['belay_jobs{state="succeeded"}'], 2)
        self.assertEqual(belayd.post("a").status, 202)
        wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 3, "all to have succeeded")
        belayd.stop()
        self.assertEqual(belayd.records("leak"), [])

    def test_a_freeze_that_takes_too_long(self):
        for point in ("upgrade.jobs_frozen", "upgrade.frozen", "upgrade.sealed"):
            with self.subTest(point):
                self.undo(point, LATE, seconds=1.1)

    def test_two_reloads_around_an_undone_upgrade_are_told_what_came_of_the_second(self):
        belayd = self.start_build()
        self.builds.put_next()
        for point in ("upgrade.asked", "upgrade.frozen"):
            self.failpoints.arm(point, "wedge")
        waiting = lambda: belayd.metrics().get('belay_connections{server="control",state="in_flight"}', 0)
        first = self.in_background(self.belay_reload, belayd)
        self.failpoints.wait_reached("upgrade.asked")
        second = self.in_background(self.belay_reload, belayd)
        wait_until(lambda: waiting() == 2, "both to wait")
        self.failpoints.release("upgrade.asked")
        self.failpoints.wait_reached("upgrade.frozen")
        late = time.monotonic() + 1.1
        wait_until(lambda: time.monotonic() > late, "the freeze to have lasted")
        self.failpoints.release("upgrade.frozen")
        for reload in first.result(), second.result():
            self.assertEqual((reload.returncode, reload.stderr), (0, ""))
        belayd.wait_record("reload failed, nothing changed")
        self.assertEqual(len(belayd.records("starting")), 2)
        belayd.stop()

    def undo(self, point, reason, seconds=0, meanwhile=lambda: None):
        """An upgrade stands at that point for that long, and breaks off: nobody lost anything, and the next one works."""
        gate = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-gate-"))) / "gate"
        os.mkfifo(gate)
        job_script = 'echo before; read line < "$0"; echo after $line; exit 3'
        belayd = self.start_build(hook("a", ["/bin/true"]) + hook("job", ["/bin/sh", "-c", job_script, str(gate)]))
        with contextlib.ExitStack() as connections:
            idle, upload = (connections.enter_context(contextlib.closing(connect(belayd.address("ingress"))))
                            for _ in range(2))
            control = connections.enter_context(contextlib.closing(connect(belayd.control)))
            self.assertEqual(self.post(idle), 202)
            upload.connect()
            upload.sock.sendall(WIRE[:-5])
            self.assertEqual(self.get(control), 200)
            job = belayd.post("job").json()["job"]
            belayd.wait_job(job, "running")

            self.builds.put_next()
            self.failpoints.arm(point, "wedge")
            reload = self.in_background(self.belay_reload, belayd)
            self.failpoints.wait_reached(point)
            late = time.monotonic() + seconds
            idle.request("POST", "/hooks/a", BODY, HEADERS)  # nobody reads it once all is frozen
            meanwhile()
            wait_until(lambda: time.monotonic() > late, "the freeze to have lasted")
            self.failpoints.release(point)

            done = reload.result()
            self.assertNotEqual(done.returncode, 0, done)
            self.assertRegex(done.stderr, reason)
            belayd.wait_record("reload failed, nothing changed")
            self.assertEqual(len(belayd.records("starting")), 1)
            self.assertEqual(self.answer(idle), 202)
            self.assertEqual(belayd.post("a", headers={"Prefer": "wait=30"}).status, 200, "who waits may wait again")
            upload.sock.sendall(WIRE[-5:])
            response = http.client.HTTPResponse(upload.sock)
            response.begin()
            self.assertEqual(response.status, 202)
            self.assertEqual(self.get(control), 200)
            metrics = belayd.metrics()
            self.assertEqual(metrics['belay_reloads_total{result="failure"}'], 1)
            self.assertEqual(metrics['belay_events_total{hook="a",result="accepted"}'], 4)
            wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 4, "the others' jobs to have ended")
            self.assertEqual(belayd.metrics()['belay_jobs{state="running"}'], 1)

            self.builds.put_next()
            done = self.belay_reload(belayd)
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual(len(belayd.records("starting")), 2)
            self.assertEqual((self.post(idle), self.get(control)), (202, 200))
        gate.write_text("the end\n")
        ended = belayd.wait_job(job, "failed")
        self.assertEqual((ended["attempts"], ended["attempt_list"][0]["exit_status"]), (1, 3))
        self.assertEqual(belayd.output(job)["stdout"], "before\nafter the end\n")
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_reloads_total{result="failure"}'], 1)
        self.assertEqual(metrics['belay_events_total{hook="a",result="accepted"}'], 5)
        belayd.wait_reloads()
        belayd.stop()
        self.assertEqual(belayd.records("leak"), [])

    def test_a_log_that_nobody_reads_costs_no_freeze(self):
        """As under a container runtime that hangs: a pipe that is full."""
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        self.addCleanup(os.close, reading)
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
        listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.addCleanup(listening.close)
        belayd = self.start_build(hook("load", ["/bin/true"]), sections={"ingress": ""},
                                  passed=[("ingress", listening.fileno())],
                                  prefix=["/bin/sh", "-c", 'exec "$@" 2> "$0"', f"/proc/{os.getpid()}/fd/{writing}"])
        with open(f"/proc/self/fd/{writing}", "wb", 0, opener=lambda path, _: os.open(path, os.O_WRONLY | os.O_NONBLOCK)) as pipe:
            while pipe.write(b"x"):
                pass
        with Load(f"127.0.0.1:{listening.getsockname()[1]}", "load") as load:
            self.builds.put_next()
            self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(dict(load.report.failures), {})
        if not INSTRUMENTED:
            self.assertLess(load.report.longest_gap(), 1.5)
        belayd.stop()

    def post(self, connection):
        connection.request("POST", "/hooks/a", BODY, HEADERS)
        return self.answer(connection)

    def get(self, control):
        control.request("GET", "/api/v1/jobs")
        return self.answer(control)

    @staticmethod
    def answer(connection):
        """Its status, on the connection that it always was."""
        connection.auto_open = 0
        response = connection.getresponse()
        response.read()
        return response.status

    @staticmethod
    def belay_reload(belayd):
        return subprocess.run([BUILD / "cli" / "belay", "reload"], capture_output=True, text=True, timeout=DEADLINE,
                              env={**os.environ, "BELAY_SOCKET": belayd.control.removeprefix("unix:")})


if __name__ == "__main__":
    unittest.main()
