"""The static probes of belayd, as bpftrace sees them."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from tests.integration.harness import BUILD, Belayd, TestCase, hook, wait_until

EXECUTABLE = BUILD / "belayd" / "belayd"
NAMES = {"request_start", "request_end", "commit_start", "commit_end", "attempt_spawn", "attempt_exit", "drain_phase"}
# buf() takes the length for what it is; str() of bpftrace 0.23 takes one off, for a NUL, and that of 0.17 does not.
PROGRAM = """
usdt:{belayd}:belay:request_start {{ printf("request_start %r %r\\n", buf(arg1, arg2), buf(arg3, arg4)); }}
usdt:{belayd}:belay:request_end {{ printf("request_end %d\\n", arg1); }}
usdt:{belayd}:belay:commit_start {{ @commit[tid] = nsecs; }}
usdt:{belayd}:belay:commit_end /@commit[tid]/ {{ printf("commit %d %d\\n", arg0, (nsecs - @commit[tid]) / 1000); }}
usdt:{belayd}:belay:attempt_spawn {{ printf("attempt_spawn %d %s\\n", arg0, str(arg1)); }}
usdt:{belayd}:belay:attempt_exit {{ printf("attempt_exit %d %d %d\\n", arg0, arg1, arg2); }}
usdt:{belayd}:belay:drain_phase {{ printf("drain_phase %r\\n", buf(arg0, arg1)); }}
"""
CLD_EXITED = 1  # sigaction(2)


def why_not() -> str:
    if os.geteuid() != 0:
        return "bpftrace needs root"
    if shutil.which("bpftrace") is None:
        return "no bpftrace"
    tried = subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], capture_output=True, text=True)
    return "" if tried.returncode == 0 else f"this kernel lets nobody trace: {tried.stderr.strip()[-200:]}"


class ProbesTest(TestCase):
    def test_the_executable_has_each_of_them(self):
        notes = subprocess.run(["readelf", "--notes", EXECUTABLE], capture_output=True, text=True, check=True).stdout
        self.assertEqual(set(re.findall(r"Provider: belay\s+Name: (\w+)", notes)), NAMES)

    def test_a_request_is_followed_from_its_head_to_the_end_of_its_job(self):
        if reason := why_not():
            self.skipTest(reason)
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "exit 3"])))
        seen = self.trace(belayd)
        job = wait_until(lambda: belayd.post("a").json()["job"] and "request_start POST /hooks/a\n" in seen()
                         and belayd.post("a").json()["job"], "bpftrace to see requests")
        belayd.wait_job(job, "failed")
        belayd.stop()
        wait_until(lambda: "drain_phase threads\n" in seen(), "the last phase of the drain")
        self.assertRegex(seen(), r"(?m)^request_end 202$")
        self.assertRegex(seen(), r"(?m)^commit [1-9]\d* \d+$")
        [*_, spawned] = re.findall(r"(?m)^attempt_spawn (\d+) /bin/sh$", seen())
        self.assertRegex(seen(), rf"(?m)^attempt_exit {spawned} {CLD_EXITED} 3$")

    def trace(self, belayd: Belayd):
        """What it has printed so far, as a function."""
        output = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory())) / "output"
        # Through /proc: its own path may be longer than bpftrace takes.
        program = PROGRAM.format(belayd=f"/proc/{belayd.pid}/exe")
        with open(output, "wb") as file:
            tracer = subprocess.Popen(["bpftrace", "-B", "line", "-e", program], stdout=file, stderr=file)
        self.addCleanup(tracer.wait)
        self.addCleanup(tracer.terminate)
        return lambda: output.read_text()


if __name__ == "__main__":
    unittest.main()
