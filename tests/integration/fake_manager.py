"""A service manager's end of sd_notify(3): receives, answers barriers, and checks what systemd would trip over.

The rules are those of systemd's service.c (v252 to v262) and of sd_notify(3).
"""
import os
import socket
import struct
import threading

CREDENTIALS = struct.Struct("3i")  # pid, uid, gid: unix(7)
STATES = ("READY", "RELOADING", "STOPPING")
AFTER_STOPPING = {"STATUS", "EXTEND_TIMEOUT_USEC", "EXIT_STATUS", "ERRNO", "WATCHDOG", "BARRIER", "FDSTORE", "FDNAME",
                  "FDPOLL", "STOPPING"}


class FakeManager:
    """`messages` holds every notification as a dict, in order."""

    def __init__(self, path):
        self.messages = []
        self._senders = []
        self._malformed = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        path.unlink(missing_ok=True)  # of an earlier life of the same daemon
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _receive(self):
        while True:
            data, control, _, _ = self._socket.recvmsg(65536, 4096)
            if not data:
                return
            sender, fds = None, []
            for level, kind, value in control:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                    sender = CREDENTIALS.unpack(value)[0]
                elif (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds = list(memoryview(value).cast("i"))
            message = self._parse(data)
            if "BARRIER" in message and (len(message) != 1 or len(fds) != 1):
                self._malformed.append(f"a barrier comes alone and with one descriptor: {data!r}, {len(fds)}")
            for fd in fds:
                os.close(fd)  # this is how a barrier is answered
            self._senders.append(sender)
            self.messages.append(message)

    def _parse(self, data):
        try:
            lines = data.decode().rstrip("\n").split("\n")
        except UnicodeDecodeError:
            self._malformed.append(f"not UTF-8: {data!r}")
            return {}
        message = {}
        for line in lines:
            key, equals, value = line.partition("=")
            if not equals or not key.replace("_", "").isalnum() or not key.isupper() or key in message:
                self._malformed.append(f"not an assignment, or a second one: {line!r} in {data!r}")
            message[key] = value
        return message

    def violations(self, main_pid):
        """Sentences about what was wrong so far; an empty list if nothing was."""
        found = list(self._malformed)
        found += [f"sent by {pid}, not by the main process {main_pid}" for pid in self._senders if pid != main_pid]
        state, stamp = "starting", 0
        for message in list(self.messages):
            states = [key for key in STATES if message.get(key) == "1"]
            if len(states) > 1:
                found.append(f"several states in one message: {message}")
            if state == "stopping" and not AFTER_STOPPING.issuperset(message):
                found.append(f"after STOPPING=1: {message}")
            if state == "starting" and "WATCHDOG" in message:
                found.append(f"before READY=1: {message}")
            if "RELOADING" in message:
                if state != "ready":
                    found.append(f"RELOADING=1 while {state}")
                usec = int(message.get("MONOTONIC_USEC", -1))
                if usec < stamp:
                    found.append(f"MONOTONIC_USEC missing or going back: {message}")
                stamp = usec
            if "READY" in message and state not in ("starting", "reloading"):
                found.append(f"READY=1 while {state}")
            if states:
                state = {"READY": "ready", "RELOADING": "reloading", "STOPPING": "stopping"}[states[0]]
        if state == "reloading":
            found.append("RELOADING=1 without READY=1")
        return found
