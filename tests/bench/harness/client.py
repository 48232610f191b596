"""Asks servers, by tests/bench/native/client.cpp on a core of its own."""

import contextlib
import dataclasses
import hashlib
import hmac
import json
import pathlib
import re
import subprocess

from tests.bench.harness import machine, processes
from tests.bench.harness.belayd import SECRET
from tests.bench.harness.processes import PATIENCE, Failed


@dataclasses.dataclass(frozen=True)
class Load:
    """What is asked for, and by how many."""

    port: int
    target: str = "/healthz"
    method: str = "GET"
    headers: tuple[str, ...] = ()
    body: pathlib.Path | None = None
    unique: str | None = None  # a field that differs in each request
    connections: int = 64
    pipeline: int = 1
    rate: float = 0  # so many in a second, whatever the answers; 0: as fast as they are answered

    def arguments(self) -> list[str]:
        found = ["--port", self.port, "--target", self.target, "--method", self.method, "--connections", self.connections,
                 "--pipeline", self.pipeline]
        for header in self.headers:
            found += ["--header", header]
        if self.body:
            found += ["--body", self.body]
        if self.unique:
            found += ["--unique", self.unique]
        if self.rate:
            found += ["--rate", self.rate]
        return [str(part) for part in found]


def make_body(path: pathlib.Path, size: int) -> pathlib.Path:
    """A JSON document of that many bytes."""
    start, end = b'{"ref":"refs/heads/main","padding":"', b'"}'
    path.write_bytes(start + b"x" * (size - len(start) - len(end)) + end)
    return path


def signed_post(port: int, hook: str, body: pathlib.Path, **options) -> Load:
    """As GitHub sends it: each with a delivery id of its own, so that none is a duplicate."""
    signature = hmac.new(SECRET.encode(), body.read_bytes(), hashlib.sha256).hexdigest()
    headers = ("Content-Type: application/json", "X-GitHub-Event: push", f"X-Hub-Signature-256: sha256={signature}")
    return Load(port, f"/hooks/{hook}", "POST", headers, body, unique="X-GitHub-Delivery", **options)


class Client:
    """Runs the program."""

    def __init__(self, program: pathlib.Path) -> None:
        self.program = program

    def start(self, load: Load, *options) -> subprocess.Popen:
        return processes.start([self.program, *load.arguments(), *options], machine.CLIENT_CORE,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, load: Load, seconds: float = 0, requests: int = 0) -> dict:
        """What it printed.  @param requests: then it stops after so many, not after a time"""
        amount = ("--requests", requests) if requests else ("--seconds", seconds)
        return self.finish(load, self.start(load, *amount), seconds + PATIENCE)

    @staticmethod
    def finish(load: Load, process: subprocess.Popen, patience: float = PATIENCE) -> dict:
        try:
            printed = process.communicate(timeout=patience)[0]
        finally:
            processes.end(process)
        return judge(load, printed)

    @contextlib.contextmanager
    def idle(self, load: Load):
        """That many connections, each of which has been answered once, as long as the block lasts."""
        process = self.start(load, "--idle")
        try:
            yield judge(load, process.stdout.readline())
            process.stdin.close()
            process.wait(PATIENCE)
        finally:
            processes.end(process)
            process.stdout.close()


def rate_by_wrk(load: Load, seconds: float) -> float:
    """What another client sees: GET only, and whole seconds."""
    process = processes.start(["wrk", "-t1", f"-c{load.connections}", f"-d{max(1, round(seconds))}s",
                               f"http://127.0.0.1:{load.port}{load.target}"], machine.CLIENT_CORE,
                              stdout=subprocess.PIPE, text=True)
    try:
        printed = process.communicate(timeout=seconds + PATIENCE)[0]
    finally:
        processes.end(process)
    if "Non-2xx" in printed or "Socket errors" in printed or "Requests/sec" not in printed:
        raise Failed(f"wrk: {printed}")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", printed).group(1))


def judge(load: Load, printed: str) -> dict:
    """Only who answers, and what was asked for, has a rate."""
    what = f"{load.method} {load.target} of port {load.port}"
    if not printed.strip():
        raise Failed(f"{what}: the client printed nothing")
    found = json.loads(printed)
    if found["closed"] or not found["requests"] or any(status[0] != "2" for status in found["statuses"]):
        raise Failed(f"{what}: not every request was answered as it should be: {printed.strip()}")
    return found
