"""What `meson install` leaves on a host: units that verify, a user, directories, a sandbox."""

import re
import unittest

import belay_machine

EXAMPLES = "/usr/share/doc/belay/examples/systemd"
DROP_INS = "/run/systemd/system/belayd.service.d"
RELAXED_BY = {"ProtectSystem": "ReadWritePaths", "DevicePolicy": "DeviceAllow"}
# Nothing needs these otherwise: mounts are private with any of the others, and the error is only how a refusal looks.
NEVER_RELAXED = {"PrivateMounts", "SystemCallErrorNumber"}


class Units(belay_machine.MachineTest):
    def test_the_sandbox_is_tight(self):
        shown = self.machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=13", "--no-pager",
                                 "/lib/systemd/system/belayd.service", check=False)
        self.assertEqual(shown.returncode, 0, shown.stdout[-300:])

    def test_units_verify(self):
        shown = self.machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/belayd.service",
                                 "/lib/systemd/system/belayd.socket", check=False)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))

    def verify_with(self, drop_in: str) -> tuple[int, str]:
        """What systemd-analyze says of belayd.service with that drop-in."""
        self.machine.write(f"{DROP_INS}/test.conf", drop_in)
        self.addCleanup(self.machine.run, "rm", "-r", DROP_INS)
        shown = self.machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/belayd.service", check=False)
        return shown.returncode, shown.stderr

    def test_the_drop_in_for_hooks_verifies_with_all_its_lines(self):
        shipped = self.machine.read(f"{EXAMPLES}/hooks.conf")
        settings = re.findall(r"^#(\w+)=", shipped, re.MULTILINE)
        self.assertGreater(len(settings), 20)
        self.assertEqual(re.findall(r"^\w+=", shipped, re.MULTILINE), [], "nothing is relaxed unasked")
        self.assertEqual(self.verify_with(re.sub(r"^#(\w+=)", r"\1", shipped, flags=re.MULTILINE)), (0, ""))

    def test_the_drop_in_for_hooks_relaxes_every_directive_of_the_sandbox(self):
        shipped = set(re.findall(r"^#(\w+)=", self.machine.read(f"{EXAMPLES}/hooks.conf"), re.MULTILINE))
        sandbox = self.machine.read("/lib/systemd/system/belayd.service").partition("# The sandbox.")[2].partition("[Install]")[0]
        directives = set(re.findall(r"^(\w+)=", sandbox, re.MULTILINE))
        self.assertGreater(len(directives), 25)
        self.assertLessEqual({"UMask", "LimitCORE"}, directives)
        self.assertEqual({RELAXED_BY.get(name, name) for name in directives - NEVER_RELAXED} - shipped, set())

    def test_the_drop_in_for_notify_reload_verifies(self):
        _, said = self.verify_with(self.machine.read(f"{EXAMPLES}/notify-reload.conf"))
        expected = [] if self.machine.version_of_systemd() >= 253 else ["service type, ignoring: notify-reload", "'ReloadSignal' in section"]
        self.assertEqual(len(said.splitlines()), len(expected), said)
        for text in expected:
            self.assertIn(text, said)

    def test_a_drop_in_that_is_wrong_does_not(self):
        code, said = self.verify_with("[Service]\nProtectHomes=no\n")
        self.assertIn("ProtectHomes", said)

    def test_the_user_and_its_group_are_there(self):
        user = self.machine.run("getent", "passwd", "belay").stdout.split(":")
        group = self.machine.run("getent", "group", "belay").stdout.split(":")
        self.assertEqual(user[3], group[2])
        self.assertEqual(user[6].strip(), "/usr/sbin/nologin")

    def test_secrets_are_for_root_and_belay_only(self):
        for directory in ("/etc/belay", "/etc/belay/hooks.d"):
            shown = self.machine.run("stat", "--format=%a %U %G", directory).stdout.strip()
            self.assertEqual(shown, "750 root belay")

    def test_nothing_starts_unasked(self):
        for unit in ("belayd.service", "belayd.socket"):
            self.assertEqual(self.machine.properties(unit, "ActiveState")["ActiveState"], "inactive")


if __name__ == "__main__":
    unittest.main()
