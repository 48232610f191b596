"""Nothing that an operator does to a daemon under full load fails a request, loses an event or runs a job twice."""
import os
import pathlib
import signal
import subprocess
import tempfile
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import BUILD, Belayd, TestCase, children_of, hook, wait_until
from tests.integration.load import LONGEST_GAP, TIMED, Load, stored, time_to_run

INSTRUMENTED = os.environ.get("BELAY_SANITIZE", "none") != "none"
ROUNDS = int(os.environ.get("BELAY_ROUNDS", "3" if INSTRUMENTED else "10"))  # 100 by hand


class UnderLoad(TestCase):
    longest_pause = 0.0  # between the requests of a kept connection

    def setUp(self):
        self.runs = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-runs-")), "runs")
        self.config = hook("load", ["/bin/sh", "-c", 'echo $BELAY_JOB_ID >> "$0"', str(self.runs)])

    def load(self, belayd):
        return Load(belayd.address("ingress"), "load", longest_pause=self.longest_pause)

    def start_build(self, config, **options):
        directory = tempfile.TemporaryDirectory(prefix="belay-builds-")
        self.addCleanup(directory.cleanup)
        self.builds = Builds(directory.name)
        belayd = Belayd(config, executable=self.builds.path, sections={"log": 'level = "info"\nformat = "json"\n'}, **options)
        if belayd.manager is not None:
            return self.start(belayd)
        self.addCleanup(belayd.close)
        belayd.wait_record("ready")
        return belayd

    def check(self, belayd, report):
        """No request failed, no connection was closed in a pause, the ledger is the store, and each job has run once."""
        self.assertEqual(dict(report.failures), {}, belayd.log()[-3000:])
        self.assertEqual(report.closed_idle, 0)
        counts = 'belay_jobs{state="queued"}', 'belay_jobs{state="running"}'
        wait_until(lambda: not any(belayd.metrics()[name] for name in counts), "all jobs to have ended", deadline=time_to_run(report))
        rows = stored(belayd.base / "state" / "belay.db")
        self.assertEqual(set(rows), set(report.acknowledged))
        for delivery, job in report.acknowledged.items():
            self.assertEqual(rows[delivery], (job, "succeeded", 1), delivery)
        self.assertEqual(sorted(self.runs.read_text().split()), sorted(report.acknowledged.values()))
        print(f"\n    {report}")
        if TIMED:
            self.assertLessEqual(report.longest_gap(), LONGEST_GAP)

    def stop(self, belayd):
        belayd.stop()

    def reload(self, belayd, expected=200):
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, expected, f"{answer}\n{belayd.log()[-3000:]}")

    def test_reloads_good_and_bad(self):
        belayd = self.start(Belayd(self.config))
        with self.load(belayd) as load:
            for i in range(ROUNDS):
                belayd.write_config(self.config + hook(f"other{i}", ["/bin/true"]))
                self.reload(belayd)
                belayd.write_config(self.config + "nonsense")
                self.reload(belayd, expected=422)
        self.check(belayd, load.report)
        self.stop(belayd)

    def test_upgrades(self):
        belayd = self.start_build(self.config)
        with self.load(belayd) as load:
            for i in range(ROUNDS):
                self.builds.put_next()
                self.reload(belayd)
        self.assertEqual(belayd.count_records("starting", 1 + ROUNDS), 1 + ROUNDS)
        self.check(belayd, load.report)
        self.stop(belayd)


class UnderLoadWithPauses(UnderLoad):
    """Kept connections are idle now and then, as most of them are."""
    longest_pause = 0.02


class UnderLoadAsProcess1(UnderLoadWithPauses):
    test_reloads_good_and_bad = None

    def start_build(self, config):
        return super().start_build(config, prefix=self.prefix_of_process_1(), notify=False)

    def stop(self, belayd):
        [inner] = children_of(belayd.pid)
        os.kill(inner, signal.SIGTERM)
        self.assertEqual(belayd.wait(), 0, belayd.log()[-3000:])


class RefusedUnderLoad(TestCase):
    def test_images_that_cannot_take_over(self):
        """They are asked before anything freezes."""
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd = self.start(Belayd(hook("load", ["/bin/true"]), executable=builds.path, env=failpoints.environment,
                                   sections={"log": 'level = "info"\nformat = "json"\n'}))

        def reload():
            return subprocess.run([BUILD / "cli" / "belay", "reload"], capture_output=True, text=True,
                                  env={**os.environ, "BELAY_SOCKET": belayd.control[len("unix:"):]})

        def refuse(reason):
            done = reload()
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("cannot take over: " + reason, done.stdout + done.stderr)

        with Load(belayd.address("ingress"), "load") as load:
            for action, reason in (("exit", "exit status 1"), ("segfault", "killed by signal 11 (Segmentation fault)"),
                                   ("wedge", "did not answer within 10s")):
                builds.put_next()
                failpoints.arm("upgrade.question", action)
                refuse(reason)
                self.assertTrue(failpoints.reached("upgrade.question"))
            builds.put_of_another_version()
            refuse("belayd: the hand-over has version 999")
        self.assertEqual(belayd.count_records("starting", 1), 1)
        self.assertEqual(dict(load.report.failures), {}, belayd.log()[-3000:])
        rows = stored(belayd.base / "state" / "belay.db")  # its jobs have no part in this: more than run in a minute
        self.assertEqual({delivery: row[0] for delivery, row in rows.items()}, load.report.acknowledged)
        builds.put_next()
        done = reload()
        self.assertEqual(done.returncode, 0, done.stderr)
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
