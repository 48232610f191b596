"""`systemctl restart` under full load: with the socket unit, and systemd's descriptor store, no request fails."""

import base64
import ctypes
import os
import tempfile
import unittest

import belay_machine
import machine

from tests.integration.harness import SECRET
from tests.integration.load import Load, stored

RESTARTS = int(os.environ.get("BELAY_RESTARTS", "5"))  # 50 by hand
CLONE_NEWNET = 0x40000000  # sched.h

# On the machine: opens connections, has systemctl do something, and says how each of them then answers: 200, a duplicate.
IDLE_CONNECTIONS = r"""
import resource, socket, subprocess, sys
count, *command = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_NOFILE, (8192, 8192))
request = b"POST /hooks/open HTTP/1.1\r\nHost: idle\r\nIdempotency-Key: same\r\nContent-Length: 2\r\n\r\n{}"

def answer(connection):
    try:
        connection.sendall(request)
        return connection.recv(65536)[9:12].decode() or "end"
    except ConnectionError as e:
        return type(e).__name__

connections = [socket.create_connection(("127.0.0.1", 9080), timeout=60) for _ in range(int(count))]
for connection in connections:
    assert answer(connection) in ("202", "200")
subprocess.run(command, check=True)
print(*map(answer, connections))
"""
CONFIGURATION = """
[daemon]
drain_timeout = "20s"

[hooks.load]
auth = { scheme = "github", secret_file = "load.secret" }
run = ["/bin/sh", "-c", "echo $BELAY_JOB_ID >>/var/lib/belay/runs"]

[hooks.open]
auth = "none"
run = ["/bin/true"]
"""


def setUpModule() -> None:
    reason = machine.unavailable()
    if reason:
        raise unittest.SkipTest(reason)


class RestartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.machine = cls.enterClassContext(belay_machine.BelayMachine())
        cls.machine.write("/etc/belay/load.secret", SECRET.decode(), "0640", "root:belay")
        cls.machine.configure(CONFIGURATION)

    def setUp(self):
        self.machine.run("sh", "-c", "systemctl stop belayd.socket belayd.service && rm -rf /var/lib/belay")

    def log(self) -> str:
        return self.machine.run("journalctl", "--unit=belayd", "--no-pager", "--output=cat", "--lines=60").stdout

    def join_its_network(self) -> None:
        with open(f"/proc/{self.machine.init}/ns/net") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

    def metric(self, name: str) -> float:
        values = [line.rsplit(" ", 1)[1] for line in self.machine.get("/metrics")[1].splitlines()
                  if line.startswith(name + " ")]
        return float(values[0])

    def stored(self) -> dict:
        self.machine.run("systemctl", "stop", "belayd.socket", "belayd.service")
        with tempfile.NamedTemporaryFile() as database:
            database.write(base64.b64decode(self.machine.run("base64", "/var/lib/belay/belay.db").stdout))
            database.flush()
            return stored(database.name)

    def left(self) -> list[dict]:
        return [record for record in self.machine.journal(self.cursor)
                if record["MESSAGE"].startswith("connections left to the next process")]

    def answers_of_idle_connections(self, count: int, *command: str) -> list[str]:
        self.machine.run("systemctl", "start", "belayd.socket", "belayd.service")
        self.cursor = "--after-cursor=" + self.machine.journal("--lines=1")[-1]["__CURSOR"]
        return self.machine.run("python3", "-c", IDLE_CONNECTIONS, str(count), *command).stdout.split()

    def test_a_restart_keeps_as_many_idle_connections_as_there_is_room_for(self):
        answers = self.answers_of_idle_connections(600, "systemctl", "restart", "belayd")
        self.assertEqual((answers.count("200"), answers.count("end")), (512, 88), self.log())
        self.assertEqual([record["BELAY_CONNECTIONS"] for record in self.left()], ["512"])
        self.assertEqual(self.machine.properties("belayd", "NFileDescriptorStore")["NFileDescriptorStore"], "0")

    def test_a_stop_leaves_none(self):
        answers = self.answers_of_idle_connections(3, "systemctl", "stop", "belayd.socket", "belayd.service")
        self.assertEqual(answers, ["end"] * 3)
        self.assertEqual(self.left(), [])

    def test_restarts_under_load_fail_no_request(self):
        self.machine.run("systemctl", "start", "belayd.socket", "belayd.service")
        with Load("127.0.0.1:9080", "load", prepare=self.join_its_network) as load:
            for _ in range(RESTARTS):
                done = self.machine.run("systemctl", "restart", "belayd", check=False)
                self.assertEqual(done.returncode, 0, self.log())
        report = load.report
        print(f"\n    {RESTARTS} restarts, {report.answers} answers in {report.seconds:.1f} s, "
              f"longest gap {report.longest_gap * 1000:.0f} ms")
        self.assertEqual(dict(report.failures), {}, self.log())
        self.machine.wait("all jobs to have ended", lambda: not self.metric('belay_jobs{state="queued"}') and
                          not self.metric('belay_jobs{state="running"}'), deadline=300)
        rows = self.stored()
        self.assertEqual({delivery: (job, state) for delivery, (job, state, _) in rows.items()},
                         {delivery: (job, "succeeded") for delivery, job in report.acknowledged.items()})
        # Not by attempts: one that was claimed when the stop came is given back without having run.
        runs = self.machine.read("/var/lib/belay/runs").split()
        self.assertEqual(sorted(runs), sorted(report.acknowledged.values()))


if __name__ == "__main__":
    unittest.main()
