"""belayd under a real supervisord: started, reloaded by a signal in the same process, drained by a stop."""

import unittest

import belay_machine
import machine

PROGRAM = "/etc/supervisor/conf.d/belayd.conf"


def setUpModule() -> None:
    reason = machine.unavailable()
    if reason:
        raise unittest.SkipTest(reason)


class SupervisordTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = cls.enterClassContext(belay_machine.BelayMachine())
        cls.machine.run("install", "-d", "-m", "0700", "-o", "belay", "-g", "belay", "/var/lib/belay")
        cls.machine.run("cp", "/usr/share/doc/belay/examples/supervisor/belayd.conf", PROGRAM)
        cls.machine.run("systemctl", "start", "supervisor")

    def status(self) -> str:
        """"RUNNING", "STOPPED", …"""
        return self.machine.run("supervisorctl", "status", "belayd", check=False).stdout.split()[1]

    def log(self) -> str:
        return self.machine.run("cat", "/var/log/supervisor/belayd.log", check=False).stdout

    def belay(self, *arguments: str) -> str:
        return self.machine.run("belay", "--socket=/var/lib/belay/control.sock", *arguments).stdout

    def test_start_reload_and_stop(self):
        self.machine.wait("belayd to run", lambda: self.status() == "RUNNING")
        self.machine.wait("readiness", lambda: self.machine.get("/readyz")[0] == 200)
        pid = self.machine.run("supervisorctl", "pid", "belayd").stdout.strip()
        self.assertEqual(self.machine.post("deploy")[0], 202)

        for signal, hook in (("USR2", "second"), ("HUP", "third")):
            self.machine.configure(belay_machine.CONFIGURATION + f'[hooks.{hook}]\nauth = "none"\nrun = ["/bin/true"]\n')
            self.machine.run("supervisorctl", "signal", signal, "belayd")
            self.machine.wait(f"hook {hook}", lambda: self.machine.post(hook)[0] == 202)
        self.assertEqual(self.machine.run("supervisorctl", "pid", "belayd").stdout.strip(), pid)

        self.machine.run("supervisorctl", "stop", "belayd")
        self.assertEqual(self.status(), "STOPPED")
        self.assertIn("leak check clean", self.log())
        exited = self.machine.run("grep", "belayd", "/var/log/supervisor/supervisord.log").stdout.splitlines()[-1]
        self.assertIn("stopped: belayd (exit status 0)", exited)


if __name__ == "__main__":
    unittest.main()
