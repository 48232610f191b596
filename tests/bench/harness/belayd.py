"""A belayd that is measured."""

import contextlib
import os
import pathlib
import re
import socket
import time

from tests.bench.harness import processes
from tests.bench.harness.processes import PATIENCE, Failed
from tests.bench.harness.servers import Server

SECRET = "bench-secret"
KEPT_ENVIRONMENT = ("PATH", "HOME", "LANG")

# One thread serves HTTP: one core is all it gets.  Deadlines are out of the way of idle connections.
CONFIGURATION = """
[daemon]
state_dir = "{directory}/state"
http_threads = 1
drain_timeout = "1s"
[log]
format = "json"
[ingress]
listen = "127.0.0.1:{port}"
max_connections = 100000
header_timeout = "10m"
idle_timeout = "1h"
body_memory = "1GiB"
[admin]
listen = "127.0.0.1:{admin_port}"
[runner]
max_jobs = {max_jobs}
kill_grace = "1s"
"""

# What signs as GitHub does: one that stores its events and whose first job never ends, so that accepting is all that
# is measured; one whose rule matches nothing; one that runs what ends at once.
HOOKS = """
[hooks.durable]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/sleep", "1000"]
max_body = "2MiB"
concurrency = 1
[hooks.ignored]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/true"]
max_body = "2MiB"
when = { header = "X-GitHub-Event", equals = "none" }
[hooks.true]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/true"]
"""

ONE_MORE_HOOK = """
[hooks.more-{number}]
auth = {{ scheme = "github", secret_file = "secret" }}
run = ["/bin/true"]
"""


class Belayd(Server):
    """Its `port` is ingress; start_seconds is until READY=1."""

    def __init__(self, build: pathlib.Path, directory: pathlib.Path, name: str = "belayd", more_hooks: int = 0,
                 max_jobs: int = 2) -> None:
        self.admin_port = processes.free_port()
        super().__init__(name, [build / "belayd" / "belayd", "--config", directory / "belay.toml"],
                         processes.free_port(), directory)
        (directory / "secret").touch(mode=0o600)
        (directory / "secret").write_text(SECRET)
        text = CONFIGURATION.format(directory=directory, port=self.port, admin_port=self.admin_port, max_jobs=max_jobs)
        more = "".join(ONE_MORE_HOOK.format(number=number) for number in range(more_hooks))
        (directory / "belay.toml").write_text(text + HOOKS + more)

    @property
    def database(self) -> pathlib.Path:
        return self.directory / "state" / "belay.db"

    def start(self) -> "Belayd":
        path = self.directory / "notify"
        path.unlink(missing_ok=True)
        environment = {name: os.environ[name] for name in KEPT_ENVIRONMENT if name in os.environ}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(path))
            manager.settimeout(1)
            begin = time.perf_counter()
            self.launch({**environment, "NOTIFY_SOCKET": str(path)})
            self.await_ready(manager)
            self.start_seconds = time.perf_counter() - begin
        return self

    def await_ready(self, manager: socket.socket) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in manager.recv(65536).split(b"\n"):
                    return
            self.check_alive()
        raise Failed(f"belayd is not ready:\n{self.log_end()}")

    def stop(self) -> None:
        """It has to leave in order: what crashed at its end has measured nothing."""
        process = self.process
        super().stop()
        if process is not None and process.returncode != 0:
            raise Failed(f"{self.name} ended with {process.returncode}:\n{self.log_end()}")

    def metric(self, pattern: str) -> float:
        """The sum of all series that match."""
        text = self.get("/metrics", self.admin_port)
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(pattern, line))

    def count_series(self) -> int:
        return sum(1 for line in self.get("/metrics", self.admin_port).splitlines() if not line.startswith("#"))
