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


if __name__ == "__main__":
    unittest.main()
