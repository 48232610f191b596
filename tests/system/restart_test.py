"""`systemctl restart` keeps idle connections: with the socket unit, and systemd's descriptor store."""

import unittest

import belay_machine

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
[hooks.open]
auth = "none"
run = ["/bin/true"]
"""
WAITING_JOB = """
[hooks.open]
auth = "none"
run = ["/bin/sh", "-c", "until test -e /var/lib/belay/go; do sleep 0.05; done"]
"""
# On the machine: a restart waits for the job, and a stop takes its place.
RESTART_BECOMES_STOP = """
systemctl restart --no-block belayd
until systemctl show -P StatusText belayd | grep -q "draining: jobs: 1 running"; do sleep 0.05; done
systemctl stop --no-block belayd.socket belayd.service
touch /var/lib/belay/go
systemctl stop belayd.socket belayd.service
"""


class RestartTest(belay_machine.ServiceTest):
    def setUp(self):
        super().setUp()
        self.machine.configure(CONFIGURATION)

    def left(self) -> list[dict]:
        return [record for record in self.machine.journal(self.cursor)
                if record["MESSAGE"].startswith("connections left to the next process")]

    def answers_of_idle_connections(self, count: int, *command: str) -> list[str]:
        self.start("belayd.socket", "belayd.service")
        self.cursor = self.machine.since()
        return self.machine.run("python3", "-c", IDLE_CONNECTIONS, str(count), *command).stdout.split()

    def test_a_restart_keeps_all_idle_connections(self):
        answers = self.answers_of_idle_connections(1000, "systemctl", "restart", "belayd")
        self.assertEqual(answers, ["200"] * 1000, self.log())
        self.assertEqual([record["BELAY_CONNECTIONS"] for record in self.left()], ["1000"])
        self.machine.wait("the store to be emptied", lambda: self.machine.properties(
            "belayd", "NFileDescriptorStore")["NFileDescriptorStore"] == "0")

    def test_a_stop_leaves_none(self):
        answers = self.answers_of_idle_connections(3, "systemctl", "stop", "belayd.socket", "belayd.service")
        self.assertEqual(answers, ["end"] * 3)
        self.assertEqual(self.left(), [])

    def test_a_stop_that_takes_the_place_of_a_restart_leaves_none(self):
        self.machine.configure(WAITING_JOB)
        self.addCleanup(self.machine.run, "rm", "-f", "/var/lib/belay/go")
        answers = self.answers_of_idle_connections(3, "sh", "-c", RESTART_BECOMES_STOP)
        self.assertEqual(answers, ["end"] * 3)
        self.assertEqual(self.left(), [], self.log())


if __name__ == "__main__":
    unittest.main()
