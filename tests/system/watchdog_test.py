"""The watchdog of a real systemd replaces a belayd that hangs, and leaves one alone that waits for the disk."""

import re
import time
import unittest

import belay_machine
from tests.integration.failpoints import compiled_in

FAILPOINTS = "/var/lib/belay/failpoints"
LOOPS = ("http-0", "store", "runner", "main", "admin", "reader")
WATCHDOG, RESTART, MARGIN = 5, 1, 8  # seconds: WatchdogSec=, RestartSec=, and what stopping and starting take


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

    def wedge(self, point: str) -> None:
        self.machine.run("sh", "-c", f"echo wedge >{FAILPOINTS}/new && mv {FAILPOINTS}/new {FAILPOINTS}/{point}")
        self.machine.wait(point, lambda: self.machine.run("test", "-e", f"{FAILPOINTS}/{point}.reached", check=False).returncode == 0)

    def test_a_wedged_loop_is_a_restart_that_names_it(self):
        self.start_with_failpoints()
        for restarts, loop in enumerate(LOOPS, 1):
            with self.subTest(loop):
                cursor, pid, begin = self.machine.since(), self.machine.main_pid(), time.monotonic()
                self.wedge(f"{loop}.turn")
                self.is_replaced(pid)
                self.assertLess(time.monotonic() - begin, WATCHDOG + RESTART + MARGIN)
                shown = self.machine.properties("belayd", "NRestarts", "StatusText")
                self.assertEqual(shown["NRestarts"], str(restarts), self.log())
                self.assertIn(f"loop {loop} was wedged when the previous run ended", shown["StatusText"])
                named = lambda: [record["BELAY_LOOP"] for record in self.machine.journal(cursor)
                                 if record["MESSAGE"].startswith("the previous run ended while")]
                self.assertEqual(self.machine.wait("the record", named), [loop])
                self.assertEqual(self.machine.get("/readyz")[0], 200)
        self.stop()

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
