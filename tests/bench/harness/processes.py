"""Processes that are measured: started on the server's core, and ended whatever happens."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys

from tests.bench.harness import machine

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent.parent))
from processes import descendants, end  # noqa: E402  (tests/processes.py)

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60  # seconds, for what should take one


class Failed(Exception):
    """Something that is measured did not do what it is for: a figure would mean nothing."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(command, core: int = machine.SERVER_CORE, **options) -> subprocess.Popen:
    """Pinned by inheritance, for a taskset(1) before it would be part of its start.  Of a session of its own: what ends
    the harness from a terminal leaves it to the harness to end the others."""
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen([str(part) for part in command], start_new_session=True,
                                **{"stdin": subprocess.DEVNULL, **options})
    finally:
        machine.pin_to_client_core()


def stop(process: subprocess.Popen) -> None:
    """SIGTERM, and after a while SIGKILL for it and all that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
    end(process)


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, its descendants, and those that have ended and were waited for."""
    ticks = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):  # it ended meanwhile
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(") ", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def resident_kib(pid: int) -> int:
    """Of the process and its descendants; what they share counts for each."""
    total = 0
    for one in [pid, *descendants(pid)]:
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{one}/status").read_text())
            total += int(found.group(1)) if found else 0
    return total
