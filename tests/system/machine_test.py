"""The machine itself: nothing of it outlives the tests that booted it."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import unittest

import machine

BOOT = """
import sys
import machine
booted = machine.Machine().__enter__()
print(booted.init, booted._directory, flush=True)
sys.stdin.read()  # a test that hangs
"""


def setUpModule() -> None:
    reason = machine.unavailable()
    if reason:
        raise unittest.SkipTest(reason)


class MachineTest(unittest.TestCase):
    def test_it_ends_with_a_killed_test(self):
        test = subprocess.Popen([sys.executable, "-c", BOOT], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                cwd=pathlib.Path(__file__).parent)
        with test:
            init, directory = test.stdout.readline().split()
            self.addCleanup(self.remove, pathlib.Path(directory.decode()))
            ended = os.pidfd_open(int(init))
            self.addCleanup(os.close, ended)
            test.send_signal(signal.SIGKILL)
        if not select.select([ended], [], [], machine.DEADLINE)[0]:
            signal.pidfd_send_signal(ended, signal.SIGKILL)
            self.fail("PID 1 of the machine is still there")

    def test_commands_of_boot_may_end_while_they_are_looked_at(self):
        with subprocess.Popen(["sh", "-c", "for command in $(seq 1000); do /bin/true; done"]) as boot:
            while boot.poll() is None:
                self.assertIsNone(machine.find_init(boot.pid))

    @staticmethod
    def remove(directory: pathlib.Path) -> None:
        """What a killed test cannot: an empty cgroup, a directory."""
        machine.remove_cgroup(directory)
        shutil.rmtree(directory)


if __name__ == "__main__":
    unittest.main()
