"""The test runner: bounded in time, and nothing of a run outlives it."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

from tests.integration.harness import DEADLINE, ROOT, wait_until

PASSES = """
import unittest
class Passes(unittest.TestCase):
    def test_it(self): pass
"""
HANGS = """
import pathlib, subprocess, unittest
class Hangs(unittest.TestCase):
    def test_it(self):
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)  # as belayd starts jobs
        new = pathlib.Path(__file__).with_name("new")
        new.write_text(str(child.pid))
        new.rename(new.with_name("pid"))
        child.wait()
"""

FUZZ_PROJECT = """project('scratch')
configure_file(input: 'target', output: 'fuzz_x', copy: true, install: false)
run_target('fuzz', command: ['sh', '-c', 'mkdir -p tests/fuzz && cp -p fuzz_x tests/fuzz'])
"""
FINDS_NOTHING = "#!/bin/sh\nexit 0\n"
FINDS = """#!/bin/sh
for argument; do
    case $argument in -artifact_prefix=*) prefix=${argument#*=} ;; esac
    [ ! -f "$argument" ] || cp "$argument" "${prefix}crash-1"
done
exit 77
"""


class SuitesTest(unittest.TestCase):
    """On a tree of its own: a project that builds nothing, and in tests/crash a file that passes, one that hangs, one more."""

    def setUp(self):
        self.tree = pathlib.Path(tempfile.mkdtemp(prefix="belay-test-"))
        self.addCleanup(shutil.rmtree, self.tree)
        (self.tree / "meson.build").write_text("project('scratch')\n")
        crash = self.tree / "tests" / "crash"
        crash.mkdir(parents=True)
        for name in ("suites.py", "fuzzing.py", "processes.py", "python_tests.py"):
            shutil.copy(ROOT / "tests" / name, crash.parent)
        for name, text in (("a", PASSES), ("b", HANGS), ("c", PASSES)):
            (crash / f"{name}_test.py").write_text(text)
        subprocess.run(["meson", "setup", "build-test"], cwd=self.tree, check=True, capture_output=True)

    def start(self, *arguments):
        """The runner, and a descriptor that becomes readable when what the hanging test started has ended."""
        runner = subprocess.Popen([sys.executable, "tests/suites.py", *arguments], cwd=self.tree, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(runner.stdout.close)
        self.addCleanup(runner.wait)
        self.addCleanup(runner.kill)
        pid_file = self.tree / "tests" / "crash" / "pid"
        wait_until(lambda: pid_file.exists() or runner.poll() is not None, "the test that hangs")
        pid = int(pid_file.read_text())
        started = os.pidfd_open(pid)
        self.addCleanup(os.close, started)
        self.addCleanup(self.kill, started)
        return runner, started

    @staticmethod
    def kill(pidfd):
        try:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def assert_ended(self, pidfd):
        self.assertTrue(select.select([pidfd], [], [], DEADLINE)[0], "what the test had started is still there")

    def test_what_exceeds_the_time_of_the_run_is_ended_and_failed(self):
        runner, started = self.start("--minutes", "0.3", "crash", "integration-address")
        lines = runner.communicate(timeout=DEADLINE)[0].splitlines()
        self.assertEqual((runner.returncode, lines[-1]), (1, "1 passed, 3 failed, 0 skipped"), lines)
        why = "the run's 0.3 minutes were over"
        for failure in (f"b_test: killed: {why}", f"c_test: did not run: {why}", f"integration-address: did not run: {why}"):
            self.assertIn(f"FAILED: {failure}", lines)
        self.assert_ended(started)

    def test_an_interrupted_run_leaves_nothing_behind(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number.name):
                (self.tree / "tests" / "crash" / "pid").unlink(missing_ok=True)
                runner, started = self.start("crash", "integration-address")
                runner.send_signal(number)
                lines = runner.communicate(timeout=DEADLINE)[0].splitlines()
                self.assertEqual((runner.returncode, lines[-1]), (130, "0 passed, 2 failed, 0 skipped"), lines)
                self.assert_ended(started)

    def test_what_a_fuzz_target_finds_fails_the_run_and_can_be_had(self):
        """A target of its own, which needs no compiler: libFuzzer's command line and its artifacts."""
        fuzz = self.tree / "tests" / "fuzz"
        (fuzz / "corpus" / "x").mkdir(parents=True)
        (fuzz / "corpus" / "x" / "seed").write_text("a seed")
        (fuzz / "fuzz_x.cpp").touch()
        subprocess.run(["meson", "setup", "build-test-fuzz"], cwd=self.tree, check=True, capture_output=True)
        (self.tree / "meson.build").write_text(FUZZ_PROJECT)
        target = self.tree / "target"
        for finds, end, counts in ((FINDS_NOTHING, 0, "1 passed, 0 failed, 0 skipped"),
                                   (FINDS, 1, "0 passed, 1 failed, 0 skipped")):
            with self.subTest(counts):
                target.write_text(finds)
                target.chmod(0o755)
                run = subprocess.run([sys.executable, "tests/suites.py", "fuzz"], cwd=self.tree, text=True,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE, check=False)
                lines = run.stdout.splitlines()
                self.assertEqual((run.returncode, lines[-1]), (end, counts), lines)
                found = [line for line in lines if "fuzz_x-crash" in line]
                self.assertEqual(bool(found), end != 0, lines)
                self.assertTrue(all(line.endswith("base64: YSBzZWVk") for line in found), found)


if __name__ == "__main__":
    unittest.main()
