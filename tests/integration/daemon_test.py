"""The real belayd as a service: starts under fire, answers on the side thread, reports, watchdog, forced ends."""
import ctypes
import os
import pathlib
import random
import shutil
import signal
import time
import unittest

from tests.integration.harness import Belayd, TestCase, fetch, hook, wait_until

HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
CLEAN = "leak check clean: 0 threads, 0 descriptors, 0 children left"
STARTS = int(os.environ.get("BELAY_STARTS", "50"))

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
WALL = 0x40000000


class StoppedThreads:
    """Holds the threads of a process whose names begin with `prefix` still, as a wedge would, by ptrace(2)."""

    def __init__(self, pid, prefix):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        tasks = pathlib.Path(f"/proc/{pid}/task")
        self.tids = [int(t.name) for t in tasks.iterdir() if (t / "comm").read_text().startswith(prefix)]

    def call(self, request, tid):
        if self.libc.ptrace(request, tid, None, None) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def __enter__(self):
        for tid in self.tids:
            self.call(PTRACE_SEIZE, tid)
            self.call(PTRACE_INTERRUPT, tid)
            os.waitpid(tid, WALL)
        return self.tids

    def __exit__(self, *_):
        for tid in self.tids:
            self.call(PTRACE_DETACH, tid)


class Starts(TestCase):
    def test_sigterm_at_any_moment_of_the_start_is_handled(self):
        """By a parent that has the handled signals blocked; the database is new only the first time."""
        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        base = None
        for i in range(STARTS):
            with self.subTest(i=i):
                belayd = Belayd(hook("a", ["/bin/true"]), directory=base, preexec_fn=block)
                if base is None:
                    base = belayd.base
                    belayd.owns_directory = False
                    self.addCleanup(shutil.rmtree, base)
                seen = len(belayd.records(CLEAN))
                try:
                    time.sleep(random.uniform(0, 0.05))  # the moment is what is tested
                    belayd.stop()
                    self.assertEqual(len(belayd.records(CLEAN)), seen + 1, belayd.log()[-3000:])
                finally:
                    belayd.close()


class SideThread(TestCase):
    def test_it_answers_while_every_http_thread_is_held(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        self.assertEqual(belayd.post("a").status, 202)
        with StoppedThreads(belayd.pid, "http-") as held:
            self.assertGreaterEqual(len(held), 1)
            for endpoint in (belayd.address("admin"), belayd.control):
                for path in ("/healthz", "/readyz", "/metrics"):
                    self.assertEqual(fetch(endpoint, "GET", path).status, 200)
            self.assertEqual(belayd.api("GET", "/status").status, 200)
            threads = fetch(belayd.control, "GET", "/debug/threads").json()
            names = {t["name"] for t in (threads["threads"] if isinstance(threads, dict) else threads)}
            self.assertLessEqual({"main", "admin", "store", "reader", "runner", "log", "notify", "http-0"}, names)
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()

    def test_a_wedged_loop_turns_healthz_red_with_its_name_and_stops_the_pings(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env={"WATCHDOG_USEC": "1000000"}))
        wait_until(lambda: any("WATCHDOG" in m for m in belayd.messages), "a ping")
        with StoppedThreads(belayd.pid, "runner"):
            answer = wait_until(lambda: (a := fetch(belayd.address("admin"), "GET", "/healthz")).status == 503 and a,
                                "/healthz to turn red")
            self.assertIn(b"runner", answer.body)
            pings = sum("WATCHDOG" in m for m in belayd.messages)
            wait_until(lambda: any("runner" in m.get("STATUS", "") for m in belayd.messages), "STATUS to name the loop")
            self.assertLessEqual(sum("WATCHDOG" in m for m in belayd.messages), pings + 1)
        wait_until(lambda: fetch(belayd.address("admin"), "GET", "/healthz").status == 200, "/healthz to recover")
        belayd.stop()

    def test_sigusr1_reports(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.send_signal(signal.SIGUSR1)
        report = belayd.wait_record("status report")
        self.assertIn("1 hooks", str(report))
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
