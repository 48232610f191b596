"""The real belayd as a service: starts under fire, answers on the side thread, reports, watchdog, forced ends."""
import concurrent.futures
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.harness import Belayd, TestCase, connect, fetch, hook, sign, wait_until
from tests.integration.stopped_threads import StoppedThreads

HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
CLEAN = "leak check clean: 0 threads, 0 descriptors, 0 children left"
STOPS = int(os.environ.get("BELAY_STOPS", "5"))
STARTS = int(os.environ.get("BELAY_STARTS", "50"))
LIVES = STARTS // 10


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


class Lives(TestCase):
    def test_nothing_is_left_of_what_a_life_did(self):
        """A job whose grandchild gets away from it, a connection that stays, a reload, an upgrade: no false alarm either."""
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        base = self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-"))
        config = hook("a", ["/bin/sh", "-c", "(setsid sleep 1000 &) & echo done"])
        for i in range(LIVES):
            with self.subTest(i=i):
                belayd = self.start(Belayd(config, directory=base, executable=builds.path))
                kept = connect(belayd.address("ingress"))
                self.addCleanup(kept.close)
                kept.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})
                response = kept.getresponse()
                job = json.loads(response.read())["job"]
                if i % 2:
                    builds.put_next()
                self.assertEqual(belayd.api("POST", "/reload").status, 200)
                belayd.wait_job(job, "succeeded")
                seen = len(belayd.records(CLEAN))
                belayd.stop()
                self.assertEqual(len(belayd.records(CLEAN)), seen + 1, belayd.log()[-3000:])
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
            self.assertLessEqual({"main", "admin", "store", "reader", "runner", "log", "notify", "watchdog", "http-0"},
                                 names)
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()

    def test_it_would_know_who_made_a_librarys_thread(self):
        """By a pthread_create of its own, which takes the place of libc's only in an executable that it is linked into."""
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        if not any(name.startswith("belay_build_info") and 'compiler="gcc' in name for name in belayd.metrics()):
            self.skipTest("with clang it is not linked")
        symbols = subprocess.run(["nm", "--dynamic", "--defined-only", f"/proc/{belayd.pid}/exe"], check=True,
                                 capture_output=True, text=True).stdout
        self.assertRegex(symbols, r"(?m) T pthread_create\b")
        belayd.stop()

    def test_a_wedged_loop_turns_healthz_red_with_its_name_and_stops_the_pings(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), env={"WATCHDOG_USEC": "1000000"}))
        wait_until(lambda: any("WATCHDOG" in m for m in belayd.messages), "a ping")
        with StoppedThreads(belayd.pid, "runner"):
            answer = wait_until(lambda: (a := fetch(belayd.address("admin"), "GET", "/healthz")).status == 503 and a,
                                "/healthz to turn red")
            self.assertIn(b"runner", answer.body)
            pings = sum(m.get("WATCHDOG") == "1" for m in belayd.messages)
            wait_until(lambda: any("runner" in m.get("STATUS", "") for m in belayd.messages), "STATUS to name the loop")
            self.assertLessEqual(sum(m.get("WATCHDOG") == "1" for m in belayd.messages), pings + 1)
        wait_until(lambda: fetch(belayd.address("admin"), "GET", "/healthz").status == 200, "/healthz to recover")
        belayd.watchdog = None  # it was wedged
        belayd.stop()

    def test_sigusr1_reports(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.send_signal(signal.SIGUSR1)
        report = belayd.wait_record("status report")
        self.assertIn("1 hooks", str(report))
        belayd.stop()


class Stops(TestCase):
    PATHS = ("/api/v1/status", "/api/v1/jobs", "/api/v1/events", "/readyz", "/metrics", "/debug/threads")

    def test_what_is_asked_while_it_stops_is_answered_or_closed(self):
        """The control socket outlasts what it reports on: jobs, store and threads go away under its requests."""
        for i in range(STOPS):
            with self.subTest(i=i):
                belayd = self.start(Belayd(hook("a", ["/bin/sleep", "1000"]), sections={
                    "daemon": 'drain_timeout = "0s"\n'}))
                job = belayd.post("a").json()["job"]
                belayd.wait_job(job, "running")
                paths = (*self.PATHS, f"/api/v1/jobs/{job}", f"/api/v1/jobs/{job}/output")
                statuses = []
                with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
                    asked = [pool.submit(self.ask_to_the_end, belayd.control, path, statuses) for path in paths]
                    wait_until(lambda: len(statuses) >= len(paths), "the first answers")
                    belayd.stop()
                    for one in asked:
                        one.result()
                # 404 is said of an output between the end of its attempt and the commit that stores it.
                self.assertLessEqual(set(statuses), {200, 404, 503})
                self.assertEqual(len(belayd.records(CLEAN)), 1, belayd.log()[-3000:])

    @staticmethod
    def ask_to_the_end(endpoint, path, statuses):
        """Asks until nobody listens any more."""
        while True:
            try:
                statuses.append(fetch(endpoint, "GET", path).status)
            except (FileNotFoundError, ConnectionRefusedError):
                return
            except (OSError, http.client.HTTPException):
                pass  # closed before it answered


if __name__ == "__main__":
    unittest.main()
