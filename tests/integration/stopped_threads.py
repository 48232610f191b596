"""Holds threads of a daemon still while they are idle."""
import ctypes
import os
import pathlib

from tests.integration.harness import wait_until

PTRACE_CONT, PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 7, 17, 0x4206, 0x4207
WALL = 0x40000000


class StoppedThreads:
    """Holds the threads of a process whose names begin with `prefix` still, as a wedge would, by ptrace(2)."""

    def __init__(self, pid, prefix):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        tasks = pathlib.Path(f"/proc/{pid}/task")
        threads = [t for t in tasks.iterdir() if (t / "comm").read_text().startswith(prefix)]
        self.tids = [int(t.name) for t in threads]

        def idle():  # one that is stopped while it holds a lock stops others too
            return all((t / "stat").read_text().rsplit(")", 1)[1].split()[0] == "S" for t in threads)
        wait_until(idle, f"the threads {prefix} to be idle")

    def call(self, request, tid):
        if self.libc.ptrace(request, tid, None, None) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def __enter__(self):
        for tid in self.tids:
            self.call(PTRACE_SEIZE, tid)
            self.call(PTRACE_INTERRUPT, tid)
            os.waitpid(tid, WALL)
        return self.tids

    def __exit__(self, *_):
        for tid in self.tids:
            self.call(PTRACE_DETACH, tid)
