"""The watchdog of a real systemd replaces a belayd that hangs, and leaves one alone that waits for the disk."""

import concurrent.futures
import os
import re
import subprocess
import time
import unittest

import belay_machine
from tests.integration.failpoints import compiled_in

FAILPOINTS = "/var/lib/belay/failpoints"
LOOPS = ("http-0", "store", "runner", "main", "admin", "reader")
WATCHDOG = 5  # seconds: WatchdogSec=
LOOK = 2  # seconds: what belayd may take beyond that until it looks


class Watchdog(belay_machine.ServiceTest):
    def is_replaced(self, pid: int) -> None:
        self.machine.wait("the restart", lambda: self.machine.main_pid() not in (0, pid))
        self.machine.wait("READY", lambda: self.machine.properties("belayd", "SubState")["SubState"] == "running")

    def test_a_wedged_daemon_is_replaced(self):
        self.drop_in("WatchdogSec=2\nTimeoutAbortSec=1\n")
        self.start()
        pid = self.machine.main_pid()
        self.machine.run("kill", "-STOP", str(pid))
        self.is_replaced(pid)
        self.assertEqual(self.machine.post("deploy")[0], 202)
        self.assertTrue(re.search("[Ww]atchdog timeout", "\n".join(
            str(r["MESSAGE"]) for r in self.machine.journal("--unit=belayd"))))

    def start_with_failpoints(self) -> None:
        if not compiled_in():
            self.skipTest("needs a build with -Dfailpoints=true")
        self.drop_in(f"WatchdogSec={WATCHDOG}\nEnvironment=BELAY_FAILPOINTS={FAILPOINTS}\n")
        self.start()
        self.machine.run("install", "-d", "-o", "belay", FAILPOINTS)

    def arm(self, point: str) -> None:
        self.machine.run("sh", "-c", f"echo wedge >{FAILPOINTS}/new && mv {FAILPOINTS}/new {FAILPOINTS}/{point}")

    def wait_reached(self, point: str) -> None:
        self.machine.wait(point, lambda: self.machine.run("test", "-e", f"{FAILPOINTS}/{point}.reached", check=False).returncode == 0)

    def wedge(self, point: str) -> None:
        self.arm(point)
        self.wait_reached(point)

    def watchdog_records(self, cursor: str) -> list[tuple[float, str]]:
        """What systemd said of it: when, by time.monotonic(), and what."""
        return [(int(record["__MONOTONIC_TIMESTAMP"]) / 1e6, record["MESSAGE"]) for record in self.machine.journal(cursor)
                if record.get("UNIT") == "belayd.service" and "Watchdog" in str(record["MESSAGE"])]

    def test_a_wedged_loop_is_a_restart_that_names_it(self):
        self.start_with_failpoints()
        for restarts, loop in enumerate(LOOPS, 1):
            with self.subTest(loop):
                cursor, pid = self.machine.since(), self.machine.main_pid()
                self.wedge(f"{loop}.turn")
                wedged = time.monotonic()
                self.is_replaced(pid)
                # Its request, WATCHDOG=trigger: the timeout would come later, after pings that went on until belayd knew.
                [(acted, said)] = self.watchdog_records(cursor)
                self.assertIn("Watchdog request", said)
                self.assertLess(acted - wedged, WATCHDOG + LOOK)
                shown = self.machine.properties("belayd", "NRestarts", "StatusText")
                self.assertEqual(shown["NRestarts"], str(restarts), self.log())
                self.assertIn(f"loop {loop} was wedged when the previous run ended", shown["StatusText"])
                named = lambda: [record["BELAY_LOOP"] for record in self.machine.journal(cursor)
                                 if record["MESSAGE"].startswith("the previous run ended while")]
                self.assertEqual(self.machine.wait("the record", named), [loop])
                self.assertEqual(self.machine.get("/readyz")[0], 200)
        self.stop()

    def test_a_new_image_that_hangs_is_replaced_and_nothing_is_lost(self):
        """After exec, which leaves nobody to undo the upgrade."""
        self.start_with_failpoints()
        pid, cursor = self.machine.main_pid(), self.machine.since()
        jobs = [self.machine.post("deploy", {"after": str(i)})[1]["job"] for i in range(5)]
        self.machine.put_other_build()
        self.arm("start.executed")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            reload = pool.submit(self.machine.run, "systemctl", "reload", "belayd", check=False)
            self.wait_reached("start.executed")
            self.is_replaced(pid)
            self.assertNotEqual(reload.result().returncode, 0)
        self.assertEqual([said.split(" (")[0] for _, said in self.watchdog_records(cursor)], ["belayd.service: Watchdog timeout"])
        self.assertEqual(self.machine.properties("belayd", "NRestarts")["NRestarts"], "1")
        jobs.append(self.machine.post("deploy")[1]["job"])
        for job in jobs:
            self.machine.wait_job(job, "succeeded")
        self.stop()

    def test_a_starved_machine_restarts_nothing(self):
        self.machine.configure(belay_machine.LOAD)
        self.drop_in(f"WatchdogSec={WATCHDOG}\n")
        self.start()
        cursor, pid = self.machine.since(), self.machine.main_pid()
        pinged = lambda: int(self.machine.properties("belayd", "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]) / 1e6
        for _ in range(2 * os.cpu_count()):
            busy = subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True)  # a group of its own, sched(7)
            self.addCleanup(busy.wait)
            self.addCleanup(busy.kill)
        begin = pinged()
        with self.machine.load("load") as load:
            self.machine.wait("pings", lambda: pinged() - begin > 4 * WATCHDOG)
        self.assertEqual(dict(load.report.failures), {}, self.log())
        shown = self.machine.properties("belayd", "NRestarts", "MainPID")
        self.assertEqual(shown, {"NRestarts": "0", "MainPID": str(pid)})
        self.assertEqual(self.watchdog_records(cursor), [])
        self.assertEqual([r for r in self.machine.journal(cursor) if str(r["MESSAGE"]).startswith("loop is wedged")], [])

    def test_a_disk_wait_turns_readyz_and_restarts_nothing(self):
        self.start_with_failpoints()
        pid = self.machine.main_pid()
        self.wedge("store.disk")
        waited = lambda: re.search(r"loop store has waited (\d+)\.\d s for the disk", self.machine.get("/readyz")[1])
        self.machine.wait("/readyz to name the loop", waited)
        self.machine.wait("longer than systemd waits for a ping", lambda: int(waited()[1]) > 2 * WATCHDOG)
        self.assertEqual((self.machine.get("/readyz")[0], self.machine.get("/healthz")[0]), (503, 200))
        self.machine.run("rm", f"{FAILPOINTS}/store.disk.reached")
        self.machine.wait("/readyz to recover", lambda: self.machine.get("/readyz")[0] == 200)
        self.assertEqual(self.machine.post("deploy")[0], 202)
        self.assertEqual(self.machine.main_pid(), pid)
        self.stop()


if __name__ == "__main__":
    unittest.main()
