"""packaging/install-packages with the real `apt-get update` on lists of its own; nothing is installed."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.integration.harness import DEADLINE, ROOT

APT_CONF = """
Dir::State::lists "{directory}/lists";
Dir::Cache "{directory}/cache";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "/dev/null";
"""
PROGRAMS = {
    "dpkg-query": "exit 1",  # no package is there yet
    "apt-get": 'case "$*" in *install*) exit 0 ;; esac; exec /usr/bin/apt-get "$@"',
}


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("apt-get"), "needs root and apt-get")
class InstallPackagesTest(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="belay-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "apt.conf").write_text(APT_CONF.format(directory=self.directory))
        for folder in ("lists/partial", "cache/archives/partial", "bin"):
            (self.directory / folder).mkdir(parents=True)
        for name, text in PROGRAMS.items():
            program = self.directory / "bin" / name
            program.write_text(f"#!/bin/sh\n{text}\n")
            program.chmod(0o755)

    def test_it_waits_for_another_apt(self):
        env = {"PATH": f"{self.directory}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": f"{self.directory}/apt.conf"}
        with open(self.directory / "lists" / "lock", "w") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX)
            script = subprocess.Popen([ROOT / "packaging/install-packages", "build"], env=env, text=True,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            self.addCleanup(script.wait)
            self.addCleanup(script.kill)
            self.assertIn("packages: installing", script.stdout.readline())
            self.assertEqual(script.stdout.readline(), "packages: waiting for another apt to end\n")
        told = script.communicate(timeout=DEADLINE)[0]
        self.assertEqual((script.returncode, told), (0, "packages: installed\n"))


if __name__ == "__main__":
    unittest.main()
