"""What limits a host: as belay doctor sees it under a real systemd, and as belayd heeds it."""

import json
import pathlib
import re
import unittest

import belay_machine

DROP_IN = pathlib.Path(__file__).parents[2] / "packaging/sysctl.d/60-belay.conf"


class DoctorTest(belay_machine.ServiceTest):
    def examine(self) -> tuple[int, dict[str, dict]]:
        done = self.machine.run("belay", "--json", "doctor", check=False)
        return done.returncode, {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}

    def check(self, name: str, verdict: str, found: str = "") -> None:
        finding = self.examine()[1][name]
        self.assertEqual((finding["verdict"], finding["found"]), (verdict, found or finding["found"]), finding)

    def set(self, key: str, value: str) -> None:
        """A setting of the machine's network namespace."""
        path = "/proc/sys/" + key.replace(".", "/")
        done = self.machine.on_its_network("sh", "-c", 'echo "$2" >"$1"', "sh", path, value)
        self.assertEqual(done.returncode, 0, done.stderr)

    def limit(self) -> str:
        """On descriptors, of belayd: less than its unit asks for where the host's own hard limit is."""
        limits = self.machine.read(f"/proc/{self.machine.main_pid()}/limits")
        return re.search(r"^Max open files +(\S+)", limits, re.MULTILINE)[1]

    def threads(self) -> list[str]:
        """That serve HTTP."""
        shown = self.machine.run("ps", "-T", "-p", str(self.machine.main_pid()), "-o", "comm=").stdout.split()
        return sorted(name for name in shown if name.startswith("http-"))

    def test_the_unit_is_as_it_should_be(self):
        self.check("descriptors", "ok", "65536")
        self.start()
        self.check("descriptors", "ok", self.limit())
        self.check("hardening", "ok")
        self.check("cpus", "ok")
        self.assertIn(self.examine()[1]["sync-rate"]["verdict"], ("ok", "warning"))
        self.check("file-system", "warning")  # the machine's disk is an overlay

    def test_what_a_drop_in_takes_away_is_told(self):
        self.drop_in("LimitNOFILE=2000\nNoNewPrivileges=no\nSystemCallFilter=\nCapabilityBoundingSet=~\nPrivateUsers=no\n"
                     "ProtectSystem=no\nProtectHome=no\nPrivateTmp=no\nPrivateDevices=no\nRestrictNamespaces=no\n")
        self.check("descriptors", "warning", "2000")
        self.start()
        self.check("descriptors", "warning", "2000")
        self.check("hardening", "warning")
        self.assertEqual(self.examine()[0], 1)

    def test_the_sysctl_drop_in_is_a_remedy(self):
        self.machine.configure(belay_machine.CONFIGURATION.replace("[runner]", "[runner]\nmax_jobs = 64"))
        for key, value in {"net.core.somaxconn": "128", "net.ipv4.tcp_max_syn_backlog": "128",
                           "net.ipv4.ip_local_port_range": "9000 10000", "net.ipv4.tcp_tw_reuse": "0",
                           "net.ipv4.tcp_syncookies": "0"}.items():
            self.set(key, value)
        for check in ("listen-backlog", "syn-backlog", "local-ports", "listen-port"):
            self.check(check, "warning")
        for line in DROP_IN.read_text().splitlines():
            if line and not line.startswith("#"):
                self.set(*line.split(" = "))
        for check in ("listen-backlog", "syn-backlog", "local-ports"):
            self.check(check, "ok")
        self.assertNotIn("listen-port", self.examine()[1])

    def test_there_are_as_many_threads_as_can_run(self):
        self.drop_in("CPUAffinity=0\n")
        self.start()
        self.assertEqual(self.threads(), ["http-0"])
        self.check("cpus", "ok", "http_threads 1 on 1 CPU")

    def test_there_are_as_many_threads_as_the_quota_feeds(self):
        if "cpu" not in self.machine.read("/sys/fs/cgroup/cgroup.controllers").split():
            self.skipTest("this kernel's cgroups of version 2 do not limit CPU time")
        self.drop_in("CPUQuota=90%\n")
        self.start()
        self.assertEqual(self.threads(), ["http-0"])


if __name__ == "__main__":
    unittest.main()
