"""belayd under a real systemd: start, reload, stop, crash, journal, socket activation, watchdog."""

import concurrent.futures
import itertools
import json
import re
import unittest

import belay_machine


class SystemdTest(belay_machine.ServiceTest):
    def test_start_means_ready(self):
        self.start()
        shown = self.machine.properties("belayd", "ActiveState", "SubState", "StatusText", "MainPID", "NRestarts")
        self.assertEqual((shown["ActiveState"], shown["SubState"], shown["NRestarts"]), ("active", "running", "0"))
        self.assertIn("2 hooks", shown["StatusText"])
        self.assertEqual(self.machine.get("/readyz")[0], 200)
        self.assertEqual(self.machine.get("/healthz")[0], 200)

    def test_it_runs_as_its_user_and_keeps_its_state_to_itself(self):
        self.start()
        user = self.machine.run("ps", "-o", "user=", "-p", str(self.machine.main_pid())).stdout.strip()
        self.assertEqual(user, "belay")
        modes = self.machine.run("stat", "--format=%a %U %G", "/var/lib/belay", "/run/belay",
                                 "/run/belay/control.sock").stdout.splitlines()
        self.assertEqual(modes, ["700 belay belay", "750 belay belay", "660 belay belay"])

    def test_a_signed_post_becomes_a_job(self):
        self.start()
        status, answer = self.machine.post("deploy", {"after": "c0ffee"})
        self.assertEqual((status, answer["state"]), (202, "queued"))
        job = self.machine.wait_job(answer["job"], *belay_machine.ENDED)
        self.assertEqual(job["state"], "succeeded", self.log())
        output = self.machine.run("belay", "logs", answer["job"]).stdout
        self.assertEqual(output.splitlines(), ["deployed c0ffee", str(len('{"after": "c0ffee"}'))])

    def test_a_forged_post_does_not(self):
        self.start()
        self.assertEqual(self.machine.post("deploy", secret="another")[0], 401)
        self.assertEqual(self.machine.belay("jobs")["jobs"], [])

    def test_a_good_reload_takes_effect(self):
        self.start()
        pid = self.machine.main_pid()
        self.machine.configure(belay_machine.CONFIGURATION + '[hooks.more]\nauth = "none"\nrun = ["/bin/true"]\n')
        self.machine.run("systemctl", "reload", "belayd")
        self.assertEqual(self.machine.post("more")[0], 202)
        self.assertEqual(self.machine.main_pid(), pid)
        self.assertEqual(self.machine.properties("belayd", "ActiveState")["ActiveState"], "active")

    def test_a_bad_reload_fails_with_the_reason_and_changes_nothing(self):
        self.start()
        pid = self.machine.main_pid()
        cursor = self.machine.since()
        self.machine.configure(belay_machine.CONFIGURATION.replace("deploy", "renamed") + "\n[runner2]\n")
        done = self.machine.run("systemctl", "reload", "belayd", check=False)
        self.assertNotEqual(done.returncode, 0)
        told = "\n".join(record["MESSAGE"] for record in self.machine.journal(cursor))
        self.assertRegex(told, r"/etc/belay/belay\.toml:\d+:\d+: .*runner2")
        self.assertEqual(self.machine.post("deploy")[0], 202)
        self.assertEqual(self.machine.post("renamed")[0], 404)
        shown = self.machine.properties("belayd", "ActiveState", "SubState", "MainPID")
        self.assertEqual((shown["ActiveState"], shown["SubState"], int(shown["MainPID"])), ("active", "running", pid))

    def test_an_upgrade_keeps_the_process_and_its_jobs(self):
        self.start()
        pid = self.machine.main_pid()
        job = self.machine.post("slow")[1]["job"]
        self.machine.wait_job(job, "running")
        for _ in range(2):
            self.machine.put_other_build()
            cursor = self.machine.since()
            done = self.machine.run("systemctl", "reload", "belayd", check=False)
            self.assertEqual(done.returncode, 0, self.log())
            told = [record["MESSAGE"] for record in self.machine.journal(cursor)]
            self.assertTrue(any(message.startswith("upgrading ") for message in told), told)
            shown = self.machine.properties("belayd", "ActiveState", "SubState", "MainPID", "NRestarts")
            self.assertEqual((shown["ActiveState"], shown["SubState"], int(shown["MainPID"]), shown["NRestarts"]),
                             ("active", "running", pid, "0"))
            self.assertEqual(self.machine.post("deploy")[0], 202)
        shown = self.machine.job(job)
        self.assertEqual((shown["state"], shown["attempts"]), ("running", 1), shown)
        self.machine.belay("cancel", job)
        self.machine.wait_job(job, "cancelled")
        self.stop()
        self.assertIn("leak check clean", self.log())

    def test_notify_reload_reloads_and_upgrades(self):
        """The drop-in among the examples does what its text says, the price included."""
        self.use_notify_reload()
        self.start()
        pid = self.machine.main_pid()
        job = self.machine.post("slow")[1]["job"]
        self.machine.wait_job(job, "running")

        self.machine.configure(belay_machine.CONFIGURATION + '[hooks.other]\nauth = "none"\nrun = ["/bin/true"]\n')
        self.machine.run("systemctl", "reload", "belayd")
        self.assertEqual(self.machine.post("other")[0], 202)
        for _ in range(2):
            self.machine.put_other_build()
            cursor = self.machine.since()
            self.machine.run("systemctl", "reload", "belayd")
            told = [record["MESSAGE"] for record in self.machine.journal(cursor, "--unit=belayd")]
            self.assertEqual(len([message for message in told if message.startswith("upgrading ")]), 1, told)
            self.assertEqual(self.machine.post("other")[0], 202)

        self.machine.configure("nonsense")
        self.machine.run("systemctl", "reload", "belayd")
        shown = self.machine.properties("belayd", "SubState", "MainPID", "NRestarts", "StatusText")
        self.assertEqual((shown["SubState"], int(shown["MainPID"]), shown["NRestarts"]), ("running", pid, "0"))
        self.assertIn("the last reload failed", shown["StatusText"])
        self.assertIn("belay_config_last_reload_successful 0\n", self.machine.get("/metrics")[1])
        self.assertEqual(self.machine.post("other")[0], 202)
        shown = self.machine.job(job)
        self.assertEqual((shown["state"], shown["attempts"]), ("running", 1), shown)
        self.stop()
        self.assertIn("leak check clean", self.log())

    def test_stop_is_clean_and_proves_it(self):
        self.start()
        self.machine.post("deploy")
        self.stop()
        self.assertRegex(self.log(), r"leak check clean: 0 threads, 0 descriptors, 0 children")

    def test_stop_requeues_what_outlasts_the_drain(self):
        self.machine.configure(belay_machine.CONFIGURATION.replace('"5s"', '"100ms"'))
        self.start()
        job = self.machine.post("slow")[1]["job"]
        self.machine.wait_job(job, "running")
        self.stop()
        self.assertEqual(self.machine.run("pgrep", "-x", "sleep", check=False).stdout, "")
        self.start()
        self.machine.wait_job(job, "running")
        outcomes = [attempt["outcome"] for attempt in self.machine.job(job)["attempt_list"]]
        self.assertEqual(outcomes, ["interrupted", None])

    def test_a_killed_daemon_comes_back_with_its_jobs(self):
        self.start()
        job = self.machine.post("slow")[1]["job"]
        self.machine.wait_job(job, "running")
        pid = self.machine.main_pid()
        self.machine.run("kill", "-KILL", str(pid))
        self.machine.wait("the restart", lambda: self.machine.main_pid() not in (0, pid))
        self.machine.wait("READY", lambda: self.machine.properties("belayd", "SubState")["SubState"] == "running")
        self.machine.wait_job(job, "running")
        self.assertEqual(self.machine.properties("belayd", "NRestarts")["NRestarts"], "1")
        outcomes = [attempt["outcome"] for attempt in self.machine.job(job)["attempt_list"]]
        self.assertEqual(outcomes, ["lost", None])
        running = self.machine.run("pgrep", "-x", "sleep").stdout.split()
        self.assertEqual(len(running), 1, "the attempt of the dead daemon is still there")

    def test_a_bad_configuration_is_not_tried_again(self):
        self.machine.configure("[hooks.deploy]\n")
        done = self.machine.run("systemctl", "start", "belayd", check=False)
        self.assertNotEqual(done.returncode, 0)
        shown = self.machine.properties("belayd", "ActiveState", "ExecMainStatus", "NRestarts")
        self.assertEqual((shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]), ("failed", "78", "0"))
        self.assertRegex(self.log(), r"/etc/belay/belay\.toml:1:\d+: ")

    def test_it_comes_up_by_itself_once_the_cause_is_gone(self):
        """However often it had to be tried: more often than systemd's own limits, and faster than the unit does."""
        self.drop_in("RestartSec=50ms\n")
        self.machine.run("systemd-run", "--unit=port-holder", "python3", "-m", "http.server", "--bind=127.0.0.1", "9080")
        self.addCleanup(self.machine.run, "systemctl", "stop", "port-holder", check=False)
        self.machine.wait("the port to be taken", lambda: self.machine.on_its_network(
            "curl", "--silent", "http://127.0.0.1:9080/").returncode == 0)
        self.assertNotEqual(self.machine.run("systemctl", "start", "belayd", check=False).returncode, 0)
        shown = lambda *names: self.machine.properties("belayd", *names)
        self.machine.wait("restarts", lambda: int(shown("NRestarts")["NRestarts"]) > 20 or self.fail_if_given_up())
        self.assertIn(shown("ExecMainStatus")["ExecMainStatus"], ("0", "69"))  # 0: one that runs still
        self.machine.run("systemctl", "stop", "port-holder")
        self.machine.wait("READY", lambda: shown("SubState")["SubState"] == "running")
        self.assertEqual(self.machine.post("deploy")[0], 202)

    def fail_if_given_up(self) -> None:
        shown = self.machine.properties("belayd", "ActiveState", "Result")
        self.assertNotEqual(shown["ActiveState"], "failed", shown)

    def test_the_journal_has_fields(self):
        self.start()
        answer = self.machine.post("deploy")[1]
        self.machine.wait_job(answer["job"], "succeeded")
        records = self.machine.wait("the record", lambda: self.machine.journal(f"BELAY_JOB={answer['job']}"))
        finished = [record for record in records if record["MESSAGE"].startswith("attempt finished")]
        self.assertEqual(len(finished), 1, records)
        record = finished[0]
        self.assertEqual((record["BELAY_HOOK"], record["BELAY_EVENT"], record["BELAY_ATTEMPT"]),
                         ("deploy", answer["event"], "1"))
        self.assertEqual((record["SYSLOG_IDENTIFIER"], record["PRIORITY"], record["_SYSTEMD_UNIT"], record["_TRANSPORT"]),
                         ("belayd", "6", "belayd.service", "journal"))

    def test_a_job_cannot_write_the_journal_as_belayd(self):
        """Its output is captured; nothing of it is a record."""
        self.machine.configure(belay_machine.CONFIGURATION + '[hooks.loud]\nauth = "none"\n'
                               'run = ["/bin/sh", "-c", "echo \'<0>forged\'; echo forged >&2"]\n')
        self.start()
        cursor = self.machine.since()
        job = self.machine.post("loud")[1]["job"]
        self.machine.wait_job(job, "succeeded")
        self.assertEqual([r for r in self.machine.journal(cursor) if "forged" in str(r["MESSAGE"])], [])
        self.assertIn("forged", self.machine.run("belay", "logs", job).stdout)

    def test_the_first_connection_starts_it(self):
        self.machine.run("systemctl", "start", "belayd.socket")
        self.assertEqual(self.machine.properties("belayd", "ActiveState")["ActiveState"], "inactive")
        status, answer = self.machine.post("deploy")
        self.assertEqual(status, 202, answer)
        self.machine.wait_job(answer["job"], "succeeded")
        self.assertEqual(self.machine.properties("belayd", "ActiveState")["ActiveState"], "active")

    def test_a_bad_configuration_leaves_the_socket_open_and_whoever_waits_there_is_answered_in_the_end(self):
        self.machine.configure("[hooks.deploy]\n")
        cursor = self.machine.since()
        self.start("belayd.socket")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(self.machine.post, "deploy") for _ in range(4)]

            def starts() -> list[int]:
                """When belayd said what is wrong, in microseconds."""
                return [int(record["__MONOTONIC_TIMESTAMP"]) for record in self.machine.journal(cursor, "--unit=belayd")
                        if 'hook "deploy" has no auth' in str(record["MESSAGE"])]

            tried = self.machine.wait("some starts", lambda: len(found := starts()) > 3 and found)
            shown = self.machine.properties("belayd.socket", "ActiveState", "Result", "TriggerLimitIntervalUSec")
            self.machine.configure(belay_machine.CONFIGURATION)
            self.assertEqual([answer.result()[0] for answer in waiting], [202] * 4)
        pauses = [after - before for before, after in itertools.pairwise(tried)]
        self.assertGreater(min(pauses), 900_000, "systemd starts it all the time")
        self.assertEqual(shown, {"ActiveState": "active", "Result": "success", "TriggerLimitIntervalUSec": "0"})

    def test_each_relaxation_of_the_drop_in_for_hooks_is_what_its_text_says(self):
        """With its lines alone a job can do what it could not before.

        Not shown here: docker and /dev/kvm, which the machine has not got; `sysctl -w`, since /proc/sys is read-only in
        it; `dmesg`, `keyctl`, `modprobe` and `date --set`, since the kernel's log, its keys, modules and clock are the
        host's; `chrt`, since a manager that is itself confined, as in a container, cannot raise the limit.
        """
        self.machine.run("sh", "-c", "install -d -o belay /srv/www /home/deploy /tmp/shared /lib/modules/x && "
                         "install -m 4755 /usr/bin/id /usr/local/bin && install -o daemon /dev/null /srv/of-daemon")
        self.addCleanup(self.machine.run, "rm", "-r", "/srv/www", "/home/deploy", "/tmp/shared", "/lib/modules/x",
                        "/usr/local/bin/id", "/srv/of-daemon")
        packets = "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
        commands = {"/srv/www": "touch /srv/www/x", "/home": "touch /home/deploy/x",
                    "web server what": 'rm -f /tmp/x; touch /tmp/x; test "$(stat -c %a /tmp/x)" = 644',
                    "into /tmp": "touch /tmp/shared/x",
                    "Core dumps": 'test "$(ulimit -c)" = unlimited',
                    "`chmod u+s`": "touch /tmp/x && chmod u+s /tmp/x",
                    "`sudo`": 'test "$(/usr/local/bin/id -u)" = 0',
                    "netlink": "python3 -c 'import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)'",
                    "`tcpdump`": f"python3 -c 'import socket; {packets}'",
                    "`pgrep`": "test -e /proc/1/status",
                    "`strace`": "python3 -c 'import ctypes; raise SystemExit(ctypes.CDLL(None).ptrace(0, 0, 0, 0))'",
                    "`stat`": 'test "$(stat -c %U /srv/of-daemon)" = daemon',
                    "Control groups": "d=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/own && mkdir $d && rmdir $d",
                    "`ipcmk`": "python3 -c 'import ctypes; raise SystemExit(ctypes.CDLL(None).shmget(4711, 1, 0) < 0)'",
                    "`unshare`": "unshare --user --map-root-user --mount true",
                    "`bwrap --proc`": "unshare --user --map-root-user --pid --fork --mount-proc true",
                    "`modinfo`": "ls /lib/modules/x",
                    "`hostname NAME`": 'hostname "$(hostname)"'}
        before = {"`ipcmk`": "python3 -c 'import ctypes; ctypes.CDLL(None).shmget(4711, 1, 0o1600)'"}  # IPC_CREAT
        names = {command: f"hook{i}" for i, command in enumerate([*commands.values(), *before.values()])}
        self.machine.configure("".join(f'[hooks.{name}]\nauth = "none"\nrun = ["/bin/sh", "-c", {json.dumps(command)}]\n'
                                       for command, name in names.items()))

        def state_of(command: str) -> str:
            job = self.machine.post(names[command])[1]["job"]
            return self.machine.wait_job(job, *belay_machine.ENDED)["state"]

        def states_after_a_restart(*relaxed: str) -> dict[str, str]:
            for what in before.keys() & set(relaxed):
                self.assertEqual(state_of(before[what]), "succeeded")
                self.machine.run("systemctl", "restart", "belayd")
            return {what: state_of(commands[what]) for what in relaxed}

        self.start()
        self.assertEqual(states_after_a_restart(*commands), dict.fromkeys(commands, "failed"))
        paragraphs = self.machine.read("/usr/share/doc/belay/examples/systemd/hooks.conf").split("\n\n")[1:]
        for what in commands:
            with self.subTest(what):
                relaxation = next(paragraph for paragraph in paragraphs if what in paragraph)
                self.drop_in(re.sub(r"^#(\w+=)", r"\1", relaxation, flags=re.MULTILINE))
                self.machine.run("systemctl", "restart", "belayd")
                if what == "`bwrap --proc`" and " /proc/sys " in self.machine.read(f"/proc/{self.machine.main_pid()}/mountinfo"):
                    self.skipTest("the machine's /proc/sys is read-only, and its systemd passes that on to services")
                self.assertEqual(states_after_a_restart(what), {what: "succeeded"}, self.log())

    def test_a_stop_timeout_that_cannot_hold_a_drain_is_warned_of(self):
        self.drop_in("TimeoutStopSec=10\n")
        cursor = self.machine.since()
        self.start()
        self.assertEqual(self.stop_timeouts(cursor, "too short"), [("systemd", "10s", "12s")])
        self.machine.configure(belay_machine.CONFIGURATION.replace('"5s"', '"6s"'))
        self.machine.run("systemctl", "reload", "belayd")
        self.assertEqual(self.stop_timeouts(cursor, "too short", 2)[-1], ("systemd", "10s", "13s"))

    def test_the_units_own_holds_the_drain_of_the_defaults(self):
        self.machine.configure('[log]\nlevel = "debug"\n[hooks.deploy]\nauth = "none"\nrun = ["/bin/true"]\n')
        cursor = self.machine.since()
        self.start()
        self.assertEqual(self.stop_timeouts(cursor, "holds"), [("systemd", "1m", "45s")])

    def stop_timeouts(self, cursor: str, verdict: str, count: int = 1) -> list[tuple[str, str, str]]:
        """What belayd said of them, once it has said so often enough: it does not wait for systemd's answer."""
        def find():
            said = [record for record in self.machine.journal(cursor) if record["MESSAGE"].startswith("stop timeout ")]
            return said if len(said) >= count else None
        said = self.machine.wait("what belayd says of its stop timeout", find)
        for record in said:
            self.assertIn(verdict, record["MESSAGE"])
        return [(r["BELAY_MANAGER"], r["BELAY_STOP_TIMEOUT"], r["BELAY_DRAIN"]) for r in said]


if __name__ == "__main__":
    unittest.main()
