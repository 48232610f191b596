"""System calls per request, counted by strace(1).  It slows everything down, and batches grow with that."""

import collections
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from tests.bench.harness import machine, processes
from tests.bench.harness.bench import Bench
from tests.bench.harness.client import Client, Load, signed_post
from tests.bench.harness.processes import PATIENCE, Failed
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.servers import Server
from tests.bench.harness.slices import Series

REQUESTS = 2_000
SHOWN = 6  # the most frequent ones


@dataclasses.dataclass
class Calls:
    per_request: float
    by_name: dict[str, float]  # per request, the most frequent first

    def __str__(self) -> str:
        return ", ".join(f"{name} {count:.2f}" for name, count in list(self.by_name.items())[:SHOWN] if count >= 0.005)


def count_syscalls(client: Client, server: Server, load: Load, requests: int = REQUESTS) -> Calls:
    """Of all threads and children of the server, while it answers that many requests."""
    if not shutil.which("strace"):
        raise Failed("strace is not there: packaging/install-packages bench")
    client.run(load, requests=load.connections)  # what is done once is done
    with tempfile.NamedTemporaryFile(prefix="belay-bench-") as summary:
        with traced(server.process.pid, summary.name):
            answered = client.run(load, requests=requests)
        return parse(pathlib.Path(summary.name).read_text(), answered["requests"])


@contextlib.contextmanager
def traced(pid: int, summary: str):
    """Ends in a summary in that file."""
    pids = [argument for one in [pid, *processes.descendants(pid)] for argument in ("-p", one)]
    tracer = processes.start(["strace", "-f", "-c", "-U", "calls,name", "-o", summary, *pids], machine.CLIENT_CORE,
                             stderr=subprocess.PIPE, text=True)
    try:
        await_attached(tracer, pid)
        yield
        tracer.send_signal(signal.SIGINT)
        tracer.wait(PATIENCE)
    finally:
        processes.end(tracer)
        tracer.stderr.close()


def await_attached(tracer: subprocess.Popen, pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while any(tracer_of(pid, task) != tracer.pid for task in os.listdir(f"/proc/{pid}/task")):
        if tracer.poll() is not None:
            raise Failed(f"strace: {tracer.stderr.read()}")
        if time.monotonic() > deadline:
            raise Failed("strace does not attach")
        time.sleep(0.01)


def tracer_of(pid: int, task: str) -> int:
    status = pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text()
    return int(re.search(r"TracerPid:\s+(\d+)", status).group(1))


def parse(summary: str, requests: int) -> Calls:
    """Lines of `calls name`, a heading before and a total after them."""
    counts = collections.Counter()
    for line in summary.splitlines():
        if found := re.fullmatch(r"\s*(\d+)\s+(\w+)\s*", line):
            counts[found.group(2)] += int(found.group(1))
    counts.pop("total", None)
    return Calls(sum(counts.values()) / requests, {name: count / requests for name, count in counts.most_common()})


def syscalls(bench: Bench) -> Result:
    limit, gin, belayd, body = bench.peers.limit_get(), bench.peers.go("gin"), bench.belayd(), bench.body()
    log = bench.peers.limit_post(stores=True)
    n = bench.options.connections
    series, lines = Series(), []
    with bench.running(limit, gin, belayd, log):
        for name, server, load in (
                ("limit (epoll): GET", limit, Load(limit.port, connections=n)),
                ("gin: GET", gin, Load(gin.port, connections=n)),
                ("belayd: GET /healthz", belayd, Load(belayd.admin_port, connections=n)),
                ("belayd: OPTIONS of a hook", belayd, Load(belayd.port, "/hooks/durable", "OPTIONS", connections=n)),
                ("belayd: POST, ignored", belayd, signed_post(belayd.port, "ignored", body, connections=n)),
                ("belayd: POST, durable", belayd, signed_post(belayd.port, "durable", body, connections=n)),
                ("belayd: POST, durable, 1 connection", belayd, signed_post(belayd.port, "durable", body, connections=1)),
                ("limit (log): POST", log, signed_post(log.port, "durable", body, connections=n)),
                ("gin: POST", gin, signed_post(gin.port, "durable", body, connections=n))):
            calls = count_syscalls(bench.client, server, load)
            series.add(name, syscalls=calls.per_request)
            lines.append(f"- {name}: {calls}")
    what = f"System calls per request, of {REQUESTS} requests under strace.\n\n" + "\n".join(lines)
    return Result("syscalls", what, series, [
        Comparison("GET: system calls per request", series.of("belayd: GET /healthz", "syscalls"), at_most=2.2),
    ], headline="syscalls")
