"""The processes of a test run: bounded in time together, and ended with all that they started."""

import contextlib
import os
import pathlib
import signal
import subprocess
import threading
import time


def descendants(pid: int) -> list[int]:
    """Children, theirs, and so on: by parenthood, since jobs of belayd and machines have sessions of their own."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):  # it ended meanwhile
            for task in pathlib.Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found[1:]


def send(number: signal.Signals, pids: list[int]) -> None:
    foreign = []
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass
        except PermissionError:  # started through sudo
            foreign.append(str(pid))
    if foreign:
        subprocess.run(["sudo", "-n", "kill", f"-{number.value}", *foreign], start_new_session=True, stderr=subprocess.DEVNULL)


def end(child: subprocess.Popen) -> None:
    """Kills it and its descendants; stopped first, so that none starts another meanwhile."""
    known: list[int] = []
    while child.poll() is None and (new := [pid for pid in [child.pid, *descendants(child.pid)] if pid not in known]):
        send(signal.SIGSTOP, new)
        known += new
    send(signal.SIGKILL, known)
    child.wait()


class Processes:
    """Runs commands until the time of the whole run is over.  Thread-safe."""

    def __init__(self, minutes: float) -> None:
        self._over = f"the run's {minutes:g} minutes were over"
        self._deadline = time.monotonic() + 60 * minutes
        self._lock = threading.Lock()  # guards what follows
        self._running: set[subprocess.Popen] = set()
        self._stopped = False

    def why_over(self) -> str | None:
        """Why nothing is started any more."""
        if self._stopped:
            return "the run was interrupted"
        return self._over if time.monotonic() >= self._deadline else None

    def run(self, command: list[str], timeout: float = float("inf"), **options) -> str:
        """The exit status, or in words why it has none.  Standard error goes where standard output goes."""
        with self._lock:
            if reason := self.why_over():
                return f"did not run: {reason}"
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, start_new_session=True,
                                     **options)
            self._running.add(child)
        try:
            status = str(child.wait(min(timeout, max(0.0, self._deadline - time.monotonic()))))
            return f"killed: {self.why_over()}" if self._stopped else status
        except subprocess.TimeoutExpired:
            return f"killed: {self.why_over() or f'it took more than {timeout} s'}"
        finally:
            with self._lock:
                self._running.remove(child)
            end(child)

    def stop(self) -> None:
        """Ends what runs; run() starts nothing any more."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                end(child)
