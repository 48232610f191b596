"""Servers that are measured, each the same to whoever measures: start, ask, look at, stop."""

import dataclasses
import http.client
import pathlib
import socket
import subprocess
import time

from tests.bench.harness import processes
from tests.bench.harness.processes import PATIENCE, Failed

RETRY = 0.0005  # seconds between attempts to connect: what a start is measured to


@dataclasses.dataclass(eq=False)
class Server:
    """A process that listens on ports of loopback.  `name` is what the report calls it."""

    name: str
    command: list
    port: int
    directory: pathlib.Path  # its own: configuration, log, what it stores
    probe: str = "/healthz"  # answered with anything once it serves
    process: subprocess.Popen | None = None
    start_seconds: float = 0

    def start(self) -> "Server":
        """Until its first answer."""
        begin = time.perf_counter()
        self.launch()
        self.wait_for_answer()
        self.start_seconds = time.perf_counter() - begin
        return self

    def launch(self, env: dict[str, str] | None = None) -> None:
        with open(self.directory / "log", "ab") as log:
            self.process = processes.start(self.command, stdout=log, stderr=log, cwd=self.directory, env=env)

    def wait_for_answer(self) -> None:
        deadline = time.monotonic() + PATIENCE
        request = f"GET {self.probe} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as connection:
                    connection.sendall(request)
                    if connection.recv(4096):
                        return
            except ConnectionError:
                pass
            self.check_alive()
            if time.monotonic() > deadline:
                raise Failed(f"{self.name} does not answer:\n{self.log_end()}")
            time.sleep(RETRY)

    def check_alive(self) -> None:
        if self.process.poll() is not None:
            raise Failed(f"{self.name} ended with {self.process.returncode}:\n{self.log_end()}")

    def stop(self) -> None:
        if self.process is not None:
            processes.stop(self.process)
            self.process = None

    def log_end(self) -> str:
        return (self.directory / "log").read_text(errors="replace")[-2000:]

    def cpu_seconds(self) -> float:
        return processes.cpu_seconds(self.process.pid)

    def resident_mib(self) -> float:
        return processes.resident_kib(self.process.pid) / 1024

    def get(self, target: str, port: int | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise Failed(f"{self.name} answers {response.status} to GET {target}: {text}")
        return text
