"""What runs, when, with what, and how it ends: the runner and the scheduler through the real daemon."""
import json
import os
import pathlib
import signal
import tempfile
import time
import unittest

from tests.integration.harness import Belayd, TestCase, hook, wait_until


def alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


class Jobs(TestCase):
    def test_attempts_see_nothing_of_the_daemon(self):
        """F11: descriptors 0, 1, 2; no blocked or ignored signal; the allow-list and BELAY_* only."""
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "ls -l /proc/self/fd; grep Sig /proc/self/status; env"],
                                        "env = { MINE = 'yes' }"),
                                   sections={"runner": 'pass_environment = ["ASKED_FOR", "NOT_THERE"]\n'},
                                   env={"SECRET_OF_DAEMON": "x", "ASKED_FOR": "a b", "LISTEN_FDS": "0", "WATCHDOG_USEC": "60000000"}))
        job = belayd.post("a").json()
        belayd.wait_job(job["job"], "succeeded")
        out = belayd.output(job["job"])["stdout"]
        listed = [line.split(" -> ")[0].split()[-1] for line in out.splitlines() if " -> " in line]
        self.assertEqual([fd for fd in listed if fd != "3"], ["0", "1", "2"])  # 3 is ls's own directory
        for line in ("SigBlk:\t0000000000000000", "SigIgn:\t0000000000000000"):
            self.assertIn(line, out)
        environment = dict(line.split("=", 1) for line in out.splitlines() if "=" in line and " -> " not in line)
        self.assertLessEqual({"BELAY_EVENT_ID", "BELAY_JOB_ID", "BELAY_ATTEMPT", "BELAY_HOOK", "TRACEPARENT"},
                             environment.keys())
        self.assertLessEqual({"MINE": "yes", "ASKED_FOR": "a b"}.items(), environment.items())
        for name in ("SECRET_OF_DAEMON", "NOT_THERE", "NOTIFY_SOCKET", "LISTEN_FDS", "WATCHDOG_USEC"):
            self.assertNotIn(name, environment)
        belayd.stop()

    def test_outcomes(self):
        belayd = self.start(Belayd(hook("exits", ["/bin/sh", "-c", "exit 7"]) +
                                   hook("dies", ["/bin/sh", "-c", "kill -SEGV $$"]) +
                                   hook("slow", ["/bin/sleep", "1000"], 'timeout = "200ms"') +
                                   hook("gone", ["/bin/sh", "-c", "rm $0; exit 1", "/nonexistent"])))
        for name, outcome in (("exits", "exited"), ("dies", "signalled"), ("slow", "timed_out")):
            job = belayd.post(name).json()["job"]
            detail = belayd.wait_job(job, "failed")
            self.assertEqual(detail["attempt_list"][0]["outcome"], outcome)
        self.assertEqual(belayd.job(belayd.post("exits").json()["job"])["hook"], "exits")
        belayd.stop()

    def test_timeout_kills_what_ignores_it_and_what_escaped(self):
        """F10: a TERM-ignoring child, and a daemonised grandchild in a session of its own."""
        script = 'trap "" TERM; setsid sh -c \'trap "" TERM; echo $$; exec sleep 1000\' & echo $$; while :; do sleep 1; done'
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", script], 'timeout = "1s"'),
                                   sections={"runner": 'kill_grace = "500ms"\n'}))
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "failed")
        pids = [int(line) for line in belayd.output(job)["stdout"].split()]
        self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertFalse(alive(pid))
        belayd.stop()

    def test_output_is_cut_exactly(self):
        limit = 4096
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", f"head -c {limit} /dev/zero | tr '\\0' a; "
                                              f"head -c {limit + 1} /dev/zero | tr '\\0' b >&2"], 'output_limit = "4KiB"') +
                                   hook("huge", ["/bin/sh", "-c", "head -c 200000000 /dev/zero | tr '\\0' c"],
                                        'output_limit = "4KiB"')))
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "succeeded")
        output = belayd.output(job)
        self.assertEqual((output["stdout"], output["stdout_dropped"]), ("a" * limit, 0))
        self.assertEqual((output["stderr"], output["stderr_dropped"]), ("b" * limit, 1))
        job = belayd.post("huge").json()["job"]
        belayd.wait_job(job, "succeeded")
        self.assertEqual(belayd.output(job)["stdout_dropped"], 200_000_000 - limit)
        belayd.stop()

    def test_unread_input_hangs_nothing(self):
        """F12: a command that does not read its 900 KiB payload."""
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        job = belayd.post("a", b"x" * 900_000).json()["job"]
        belayd.wait_job(job, "succeeded")
        belayd.stop()

    def test_retries_with_backoff_until_it_works(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "test $BELAY_ATTEMPT = 3"],
                                        'attempts = 5\nbackoff = "10ms"') +
                                   hook("b", ["/bin/false"], 'attempts = 2\nbackoff = "10ms"')))
        job = belayd.wait_job(belayd.post("a").json()["job"], "succeeded")
        self.assertEqual([a["outcome"] for a in job["attempt_list"]], ["exited", "exited", "succeeded"])
        job = belayd.wait_job(belayd.post("b").json()["job"], "failed")
        self.assertEqual(len(job["attempt_list"]), 2)
        self.assertIn("2", job["reason"])
        belayd.stop()

    def test_concurrency_of_a_hook_is_never_exceeded(self):
        script = 'mkdir "$0/lock" && sleep 0.02 && rmdir "$0/lock"'
        belayd = Belayd()
        self.addCleanup(belayd.close)
        belayd.wait_ready()
        belayd.write_config(hook("a", ["/bin/sh", "-c", script, str(belayd.base)], "concurrency = 1") +
                            hook("b", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        jobs = [belayd.post("a").json()["job"] for _ in range(20)]
        other = belayd.post("b").json()["job"]
        belayd.wait_job(other, "succeeded")  # is not held up by the others
        for job in jobs:
            belayd.wait_job(job, "succeeded", "failed")
        self.assertEqual({belayd.job(job)["state"] for job in jobs}, {"succeeded"})
        belayd.stop()

    def test_cancel_and_retry(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sleep", "1000"], "concurrency = 1") + hook("f", ["/bin/false"])))
        running = belayd.post("a").json()["job"]
        belayd.wait_job(running, "running")
        queued = belayd.post("a").json()["job"]
        for job in (queued, running):
            self.assertIn(belayd.api("POST", f"/jobs/{job}/cancel").status, (200, 202))
            belayd.wait_job(job, "cancelled")
        self.assertEqual(belayd.api("POST", f"/jobs/{running}/cancel").status, 409)
        failed = belayd.post("f").json()["job"]
        belayd.wait_job(failed, "failed")
        self.assertIn(belayd.api("POST", f"/jobs/{failed}/retry").status, (200, 202))
        wait_until(lambda: len(belayd.job(failed)["attempt_list"]) == 2, "a second attempt")
        self.assertEqual(belayd.api("GET", "/jobs/0190a6b0-0000-7000-8000-000000000000").status, 404)
        self.assertEqual(belayd.api("GET", "/jobs/nonsense").status, 400)
        belayd.stop()

    def test_output_can_be_read_while_it_runs(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "echo begun; exec sleep 1000"])))
        job = belayd.post("a").json()["job"]
        output = wait_until(lambda: (o := belayd.output(job)).get("stdout") and o, "output", 30)
        self.assertEqual((output["stdout"], output["running"]), ("begun\n", True))
        belayd.api("POST", f"/jobs/{job}/cancel")
        belayd.wait_job(job, "cancelled")
        belayd.stop()


class Drain(TestCase):
    def test_running_jobs_finish_within_drain_timeout(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "echo begun; sleep 0.5; echo done"])))
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "running")
        belayd.stop()
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), directory=belayd.base))
        self.assertEqual(belayd.job(job)["state"], "succeeded")
        self.assertEqual(belayd.output(job)["stdout"], "begun\ndone\n")
        belayd.stop()

    def test_longer_ones_are_interrupted_and_run_again(self):
        script = 'test $BELAY_ATTEMPT = 1 && exec sleep 1000; exit 0'
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", script]), sections={"daemon": 'drain_timeout = "200ms"\n'}))
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "running")
        belayd.stop(expect=0)
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", script]), directory=belayd.base))
        detail = belayd.wait_job(job, "succeeded", "failed")
        self.assertEqual([a["outcome"] for a in detail["attempt_list"]], ["interrupted", "succeeded"])
        belayd.stop()

    def test_ingress_stores_while_jobs_drain(self):
        stored = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "stored"
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", 'until [ -e "$0" ]; do sleep 0.05; done', str(stored)]),
                                   sections={"daemon": 'drain_timeout = "50s"\n'}))
        running = belayd.post("a").json()["job"]
        belayd.wait_job(running, "running")
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_message("STOPPING", "1")
        answer = belayd.post("a")
        self.assertEqual((answer.status, answer.headers["Connection"]), (202, "close"))
        stored.touch()
        self.assertEqual(belayd.wait(), 0)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), directory=belayd.base))
        self.assertEqual(belayd.job(running)["state"], "succeeded")
        belayd.wait_job(answer.json()["job"], "succeeded")
        belayd.stop()

    def test_a_second_signal_forces(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", 'test $BELAY_ATTEMPT -gt 1 && exit 0; trap "" TERM; while :; do sleep 1; done']),
                                   sections={"daemon": 'drain_timeout = "50s"\n'}))
        job = belayd.post("a").json()["job"]
        belayd.wait_job(job, "running")
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_message("STOPPING", "1")
        begin = time.monotonic()
        belayd.send_signal(signal.SIGTERM)
        self.assertEqual(belayd.wait(), 75)
        self.assertLess(time.monotonic() - begin, 20)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), directory=belayd.base))
        detail = belayd.wait_job(job, "succeeded")
        self.assertEqual(detail["attempt_list"][0]["outcome"], "interrupted")
        belayd.stop()


class Crash(TestCase):
    def test_kill_minus_nine_requeues_at_once_and_leaves_no_orphan(self):
        script = 'echo $$ > "$0/pid"; test $BELAY_ATTEMPT = 1 && exec sleep 1000; exit 0'
        belayd = self.start(Belayd())
        base = belayd.base
        config = hook("a", ["/bin/sh", "-c", script, str(base)])
        belayd.write_config(config)
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        job = belayd.post("a").json()["job"]
        pid = int(wait_until(lambda: (base / "pid").exists() and (base / "pid").read_text().strip(), "the job's pid"))
        belayd.process.kill()
        belayd.wait()
        self.assertTrue(alive(pid))
        belayd = self.start(Belayd(config, directory=base))
        detail = belayd.wait_job(job, "succeeded")
        self.assertEqual([a["outcome"] for a in detail["attempt_list"]], ["lost", "succeeded"])
        wait_until(lambda: not alive(pid), "the orphan to be killed")
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
