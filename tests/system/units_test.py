"""What `meson install` leaves on a host: units that verify, a user, directories, a sandbox."""

import unittest

import machine


def setUpModule() -> None:
    reason = machine.unavailable()
    if reason:
        raise unittest.SkipTest(reason)


class Units(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = cls.enterClassContext(machine.Machine())

    def test_the_sandbox_is_tight(self):
        shown = self.machine.run("systemd-analyze", "security", "--offline=yes", "--threshold=20", "--no-pager",
                                 "/lib/systemd/system/belayd.service", check=False)
        self.assertEqual(shown.returncode, 0, shown.stdout[-300:])

    def test_units_verify(self):
        shown = self.machine.run("systemd-analyze", "verify", "--man=no", "/lib/systemd/system/belayd.service",
                                 "/lib/systemd/system/belayd.socket", check=False)
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))

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
