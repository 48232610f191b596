"""belayd under a real supervisord: started, reloaded by a signal in the same process, drained by a stop."""

import json
import os
import unittest

import belay_machine

ROUNDS = int(os.environ.get("BELAY_ROUNDS", "5"))  # 100 by hand; each takes a second, in which thousands of jobs come
PROGRAM = "/etc/supervisor/conf.d/belayd.conf"


class SupervisordTest(belay_machine.MachineTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("install", "-d", "-m", "0700", "-o", "belay", "-g", "belay", "/var/lib/belay")
        cls.machine.run("systemctl", "start", "supervisor")
        cls.machine.wait("supervisord", lambda: cls.machine.run("supervisorctl", "pid", check=False).returncode == 0)

    def setUp(self):
        """Each test has belayd started afresh."""
        self.machine.run("cp", "/usr/share/doc/belay/examples/supervisor/belayd.conf", PROGRAM)
        self.machine.configure(belay_machine.CONFIGURATION)
        self.addCleanup(self._reset)

    def _reset(self):
        self.machine.run("rm", "-f", PROGRAM)
        self.machine.run("supervisorctl", "update")  # stops and forgets it
        self.machine.run("sh", "-c", "rm -rf /var/lib/belay/*")

    def update(self) -> None:
        self.machine.run("supervisorctl", "update")

    def start(self) -> None:
        self.update()
        self.machine.wait("belayd to run", lambda: self.status() == "RUNNING")
        self.machine.wait("readiness", lambda: self.machine.get("/readyz")[0] == 200)

    def stop(self) -> None:
        """Stops it, which must succeed: exit status 0, nothing killed."""
        self.machine.run("supervisorctl", "stop", "belayd")
        self.assertEqual(self.status(), "STOPPED")
        self.assertIn("leak check clean", self.log())
        self.assertIn("stopped: belayd (exit status 0)", self.supervisors_log().splitlines()[-1])
        self.assertEqual(self.machine.run("pgrep", "--uid", "belay", check=False).stdout, "", "orphans")

    def pid(self) -> str:
        return self.machine.run("supervisorctl", "pid", "belayd").stdout.strip()

    def upgrade(self) -> None:
        """Puts another build in place and signals; when it returns, that one is ready."""
        done = lambda: self.machine.metric('belay_reloads_total{result="success"}')
        before = done()
        self.machine.put_other_build()
        self.machine.run("supervisorctl", "signal", "USR2", "belayd")
        self.machine.wait("the upgrade", lambda: done() == before + 1)

    def status(self) -> str:
        """"RUNNING", "STOPPED", …"""
        return self.machine.run("supervisorctl", "status", "belayd", check=False).stdout.split()[1]

    def log(self) -> str:
        return self.machine.run("cat", "/var/log/supervisor/belayd.log", check=False).stdout

    def supervisors_log(self) -> str:
        """What supervisord says of belayd."""
        return self.machine.run("grep", "belayd", "/var/log/supervisor/supervisord.log", check=False).stdout

    def belay(self, *arguments: str) -> str:
        return self.machine.run("belay", "--socket=/var/lib/belay/control.sock", *arguments).stdout

    def wait_job(self, job: str, *states: str) -> dict:
        def find():
            found = json.loads(self.belay("--json", "job", job))
            return found if found["state"] in states else None
        return self.machine.wait(f"job {job} to be {' or '.join(states)}", find)

    def test_start_reload_and_stop(self):
        self.start()
        pid = self.pid()
        self.assertEqual(self.machine.post("deploy")[0], 202)

        for signal, hook in (("USR2", "second"), ("HUP", "third")):
            self.machine.configure(belay_machine.CONFIGURATION + f'[hooks.{hook}]\nauth = "none"\nrun = ["/bin/true"]\n')
            self.machine.run("supervisorctl", "signal", signal, "belayd")
            self.machine.wait(f"hook {hook}", lambda: self.machine.post(hook)[0] == 202)
        self.upgrade()
        self.assertEqual(self.machine.post("third")[0], 202)
        self.assertEqual(self.pid(), pid)
        self.stop()
        self.assertNotIn("stop timeout is too short", self.log())

    def test_restart(self):
        """Another process, the one before it ended in order; what it ran and what was queued is run by its successor."""
        self.machine.configure(belay_machine.CONFIGURATION)
        self.start()
        pid = self.pid()
        slow = self.machine.post("slow")[1]["job"]
        self.wait_job(slow, "running")
        stops = self.log().count("leak check clean")
        self.machine.run("supervisorctl", "restart", "belayd")
        self.assertEqual(self.status(), "RUNNING")
        self.assertNotEqual(self.pid(), pid)
        self.assertIn("stopped: belayd (exit status 0)", self.supervisors_log())
        self.assertEqual(self.log().count("leak check clean"), stops + 1)
        self.machine.wait("readiness", lambda: self.machine.get("/readyz")[0] == 200)
        self.assertEqual(self.wait_job(slow, "running")["attempt_list"][0]["outcome"], "interrupted")
        children = self.machine.run("ps", "--no-headers", "-o", "pid,ppid", "-u", "belay").stdout.split("\n")[:-1]
        pids = {line.split()[0] for line in children}
        parents = {line.split()[1] for line in children}
        self.assertLessEqual(parents - pids, {self.machine.run("supervisorctl", "pid").stdout.strip()}, "an orphan")
        self.assertEqual(self.machine.post("deploy")[0], 202)
        self.stop()

    def test_upgrades_under_load(self):
        self.machine.configure(belay_machine.LOAD)
        self.start()
        pid = self.pid()
        with self.machine.load("load", longest_pause=0.02) as load:
            for _ in range(ROUNDS):
                self.upgrade()
        self.assertEqual(self.pid(), pid)
        self.check_load(load.report)

    def test_it_comes_up_by_itself_once_the_cause_is_gone(self):
        """However often it had to be tried: more often than startretries says."""
        self.machine.run("systemd-run", "--unit=port-holder", "python3", "-m", "http.server", "--bind=127.0.0.1", "9080")
        self.addCleanup(self.machine.run, "systemctl", "stop", "port-holder", check=False)
        self.machine.wait("the port to be taken", lambda: self.machine.on_its_network(
            "curl", "--silent", "http://127.0.0.1:9080/").returncode == 0)
        before = self.failed_starts()
        self.update()
        self.machine.wait("failed starts", lambda: self.failed_starts() > before + 4 or self.fail_if_given_up())
        self.machine.run("systemctl", "stop", "port-holder")
        self.machine.wait("belayd to answer", lambda: self.machine.post("deploy")[0] == 202)
        self.assertEqual(self.status(), "RUNNING")

    def failed_starts(self) -> int:
        return self.supervisors_log().count("exited: belayd (exit status 69; not expected)")

    def fail_if_given_up(self) -> None:
        self.assertNotIn("gave up: belayd", self.supervisors_log())

    def test_a_bad_configuration_is_not_tried_again(self):
        self.machine.configure("[hooks.deploy]\n")
        before = self.supervisors_log().count("spawned: 'belayd'")
        self.update()
        self.machine.wait("its end", lambda: self.status() not in ("STARTING", "RUNNING"))
        self.assertEqual(self.status(), "EXITED")
        self.assertIn("exited: belayd (exit status 78; expected)", self.supervisors_log().splitlines()[-1])
        self.assertEqual(self.supervisors_log().count("spawned: 'belayd'"), before + 1)

    def test_a_job_has_the_home_of_its_user(self):
        self.machine.configure(belay_machine.CONFIGURATION
                               + '[hooks.who]\nauth = "none"\nrun = ["/bin/sh", "-c", "echo $HOME $USER $LOGNAME"]\n')
        self.update()
        self.machine.wait("readiness", lambda: self.machine.get("/readyz")[0] == 200)
        job = self.machine.post("who")[1]["job"]
        self.wait_job(job, *belay_machine.ENDED)
        self.assertEqual(self.belay("logs", job), "/var/lib/belay belay belay\n")


if __name__ == "__main__":
    unittest.main()
