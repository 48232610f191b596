"""A machine with belayd configured as an operator would, the ways to talk to it, and tests that have one."""

import base64
import ctypes
import hashlib
import hmac
import json
import os
import tempfile
import unittest

import machine
from tests.integration import harness, load
from tests.integration.builds import Builds

SECRET = harness.SECRET.decode()
CONFIGURATION = """
[daemon]
drain_timeout = "5s"

[runner]
kill_grace = "2s"

[hooks.deploy]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sh", "-c", "echo deployed $0 && wc -c", { payload = "/after" }]

[hooks.slow]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sleep", "600"]
"""
RUNS = "/var/lib/belay/runs"
LOAD = f"""
[daemon]
drain_timeout = "20s"

[hooks.load]
auth = {{ scheme = "github", secret_file = "github.secret" }}
run = ["/bin/sh", "-c", "echo $BELAY_JOB_ID >>{RUNS}"]
"""
ENDED = ("succeeded", "failed", "cancelled")
DATABASE = "/var/lib/belay/belay.db"
UNIT_SUCCESS = "7ad2d189f7e94e70a38c781354912448"  # SD_MESSAGE_UNIT_SUCCESS_STR, sd-messages.h
DROP_IN = "/run/systemd/system/belayd.service.d/test.conf"
CLONE_NEWNET = 0x40000000  # sched.h


class BelayMachine(machine.Machine):
    def __init__(self) -> None:
        super().__init__()
        self._builds: Builds | None = None

    def __enter__(self) -> "BelayMachine":
        super().__enter__()
        self.configure(CONFIGURATION)
        self.write("/etc/belay/github.secret", SECRET, "0640", "root:belay")
        return self

    def configure(self, text: str) -> None:
        self.write("/etc/belay/belay.toml", text, "0640", "root:belay")

    def post(self, hook: str, payload: dict | None = None, secret: str = SECRET, server: str = "http://127.0.0.1:9080",
             options: tuple[str, ...] = ()) -> tuple[int, dict]:
        """A signed event from the machine's loopback: status (0: no answer) and the answer."""
        body = json.dumps(payload if payload is not None else {"after": "1234abcd"}).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        done = self.on_its_network(
            "curl", "--silent", "--show-error", "--max-time", str(int(machine.DEADLINE) - 5), "--data-binary", "@-",
            "--header", "Content-Type: application/json", "--header", "X-GitHub-Event: push",
            "--header", f"X-Hub-Signature-256: sha256={signature}", "--write-out", "\n%{http_code}",
            *options, f"{server}/hooks/{hook}", stdin=body)
        answer, _, status = done.stdout.decode().rpartition("\n")
        return int(status), json.loads(answer) if answer else {"error": done.stderr.decode()}

    def load(self, hook: str, longest_pause: float = 0.0) -> load.Load:
        return load.Load("127.0.0.1:9080", hook, longest_pause=longest_pause, prepare=self._join_its_network)

    def _join_its_network(self) -> None:
        with open(f"/proc/{self.init}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def get(self, target: str) -> tuple[int, str]:
        """From the admin port."""
        done = self.on_its_network("curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}",
                                   f"http://127.0.0.1:9081{target}")
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), text

    def metric(self, name: str) -> float:
        [value] = [line.rsplit(" ", 1)[1] for line in self.get("/metrics")[1].splitlines() if line.startswith(name + " ")]
        return float(value)

    def belay(self, *arguments: str) -> dict:
        return json.loads(self.run("belay", "--json", *arguments).stdout)

    def job(self, identifier: str) -> dict:
        return self.belay("job", identifier)

    def wait_job(self, identifier: str, *states: str) -> dict:
        def find():
            job = self.job(identifier)
            return job if job["state"] in states else None
        return self.wait(f"job {identifier} to be {' or '.join(states)}", find)

    def stored(self) -> dict[str, tuple[str, str, int]]:
        """What the store of a belayd that has stopped has of each delivery: its job, the state and attempts of that."""
        with tempfile.NamedTemporaryFile() as database:
            database.write(base64.b64decode(self.run("base64", DATABASE).stdout))
            database.flush()
            return load.stored(database.name)

    def put_other_build(self) -> None:
        """In the place of the one that was installed."""
        if self._builds is None:
            self._builds = Builds(f"/proc/{self.init}/root/usr/bin")
        else:
            self._builds.put_next()

    def version_of_systemd(self) -> int:
        return int(self.run("systemctl", "--version").stdout.split()[1])

    def main_pid(self) -> int:
        return int(self.properties("belayd", "MainPID")["MainPID"])

    def since(self) -> str:
        """An argument for journal(): what comes from now on.  Not with matches, for which journalctl skips one too many."""
        return "--after-cursor=" + self.journal("--lines=1")[-1]["__CURSOR"]


class MachineTest(unittest.TestCase):
    """Its tests share a machine; where none can be had, they are skipped."""

    @classmethod
    def setUpClass(cls):
        if reason := machine.unavailable():
            raise unittest.SkipTest(reason)
        cls.machine = cls.enterClassContext(BelayMachine())

    def check_load(self, report: load.Report) -> None:
        """No request to hook `load` failed, the ledger is the store, and each job has run once.  Stops belayd, as the subclass does."""
        print(f"\n    {report}")
        self.assertEqual((dict(report.failures), report.closed_idle), ({}, 0), self.log())
        self.machine.wait("all jobs to have ended", lambda: not self.machine.metric('belay_jobs{state="queued"}') and
                          not self.machine.metric('belay_jobs{state="running"}'), deadline=load.time_to_run(report))
        self.stop()
        rows = self.machine.stored()
        self.assertEqual({delivery: (job, state) for delivery, (job, state, _) in rows.items()},
                         {delivery: (job, "succeeded") for delivery, job in report.acknowledged.items()})
        # Not by attempts: one that was claimed when a stop came is given back without having run.
        self.assertEqual(sorted(self.machine.read(RUNS).split()), sorted(report.acknowledged.values()))


class ServiceTest(MachineTest):
    """Each test finds belayd.service stopped, without state, and with the configuration above."""

    def setUp(self):
        self.machine.configure(CONFIGURATION)
        self.addCleanup(self._reset)

    def log(self) -> str:
        """The end of what it said, and of what systemd said of it."""
        return self.machine.run("journalctl", "--unit=belayd", "--no-pager", "--output=cat", "--lines=60").stdout

    def _reset(self):
        self.machine.run("systemctl", "stop", "belayd.socket", "belayd.service")
        self.machine.run("sh", "-c", f"rm -rf /var/lib/belay {DROP_IN}; systemctl daemon-reload")
        self.machine.run("systemctl", "reset-failed")

    def drop_in(self, settings: str) -> None:
        self.machine.write(DROP_IN, "[Service]\n" + settings)
        self.machine.run("systemctl", "daemon-reload")

    def use_notify_reload(self) -> None:
        if (version := self.machine.version_of_systemd()) < 253:
            self.skipTest(f"systemd {version} does not know Type=notify-reload")
        self.machine.run("install", "-D", "/usr/share/doc/belay/examples/systemd/notify-reload.conf", DROP_IN)
        self.machine.run("systemctl", "daemon-reload")

    def start(self, *units: str) -> None:
        done = self.machine.run("systemctl", "start", *(units or ["belayd"]), check=False)
        self.assertEqual(done.returncode, 0, self.log())

    def stop(self) -> None:
        """Stops it, which must succeed: exit status 0, nothing killed."""
        cursor = self.machine.since()
        self.machine.run("systemctl", "stop", "belayd")
        # Not the unit's properties: once inactive, it may have been unloaded and know nothing any more.
        ended = [record for record in self.machine.journal(cursor)
                 if (record.get("UNIT"), record.get("MESSAGE_ID")) == ("belayd.service", UNIT_SUCCESS)]
        self.assertEqual(len(ended), 1, self.log())
        self.assertEqual(self.machine.properties("belayd", "ActiveState")["ActiveState"], "inactive")
