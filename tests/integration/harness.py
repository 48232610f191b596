"""Drives real daemons from tests: start, wait for events with a deadline, talk HTTP, read the log.

Nothing here sleeps for a fixed time to let something happen: every wait is for an event and has a deadline that is
generous, since test machines are slow.  Ports are 0 and directories temporary, so that suites can run side by side.
Needs Python's standard library only.
"""
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from tests.integration.fake_manager import FakeManager

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BELAY_BUILD", ROOT / "build")).resolve()
DEADLINE = float(os.environ.get("BELAY_TEST_DEADLINE", "60"))  # seconds: only a hang takes this long
RELOAD_SIGNALS = (signal.SIGHUP, signal.SIGUSR2)
SECRET = b"It's a Secret to Everybody"


def wait_until(condition, what, deadline=DEADLINE, interval=0.01):
    """Returns the first true value of condition(); fails the test, saying what was waited for, at the deadline."""
    end = time.monotonic() + deadline
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline:g} s in vain for {what}")
        time.sleep(interval)


def sign(body, secret=SECRET):
    return "sha256=" + hmac.new(secret, body, hashlib.sha256).hexdigest()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


class UnixHTTPConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def connect(endpoint, timeout=DEADLINE):
    """An HTTP connection to "host:port" or "unix:/path"."""
    if endpoint.startswith("unix:"):
        return UnixHTTPConnection(endpoint[len("unix:"):], timeout)
    host, port = endpoint.rsplit(":", 1)
    return http.client.HTTPConnection(host, int(port), timeout=timeout)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


def fetch(endpoint, method, target, body=None, headers=None, timeout=DEADLINE):
    """One request on a connection of its own."""
    connection = connect(endpoint, timeout)
    try:
        connection.request(method, target, body=body, headers=headers or {})
        return Answer(connection.getresponse())
    finally:
        connection.close()


# Socket activation, sd_listen_fds(3): the descriptors come to stand from 3 on, and the process is the same.
PASS = """
import fcntl, os, sys
names, numbers = sys.argv[1], [int(n) for n in sys.argv[2].split(",")]
copies = [fcntl.fcntl(n, fcntl.F_DUPFD, 3 + len(numbers)) for n in numbers]
for i, copy in enumerate(copies):
    os.dup2(copy, 3 + i)
os.closerange(3 + len(numbers), max(copies + numbers) + 1)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(numbers)), LISTEN_FDNAMES=names)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Daemon:
    """A process that speaks sd_notify and logs JSON lines, in a directory of its own.

    `messages` holds every notification as a dict, in order; `records()` the log.  `watchdog` is the interval in seconds
    at whose halves it has to ping, or None: as its environment says, unless the test, which may wedge a loop, says else.
    """

    def __init__(self, argv, directory=None, env=None, notify=True, preexec_fn=None, passed=(), stored=(),
                 manager_answers=True):
        """passed, stored: (name, descriptor) of what the service manager passes; the latter from its store, and owned by it."""
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="belay-test-"))
        self.owns_directory = directory is None
        self.manager = None
        self.process = None
        self.log_path = self.directory / "log"
        self.log_path.touch()
        self.earlier_records = len(self.records())  # of lives before this one
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                environment[name] = os.environ[name]
        environment.update(env or {})
        self.watchdog = int(environment["WATCHDOG_USEC"]) / 1e6 if "WATCHDOG_USEC" in environment else None
        if notify:
            self.manager = FakeManager(self.directory / "notify", manager_answers)
            self.manager.stored = list(stored)
            environment["NOTIFY_SOCKET"] = str(self.directory / "notify")
        passed = [*passed, *stored]
        descriptors = [fd for _, fd in passed]
        if passed:
            argv = [sys.executable, "-c", PASS, ":".join(name for name, _ in passed), ",".join(map(str, descriptors)), *argv]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=environment, preexec_fn=preexec_fn, pass_fds=descriptors)

    @property
    def messages(self):
        return self.manager.messages

    @property
    def pid(self):
        return self.process.pid

    def wait_message(self, key, value=None, after=0, deadline=DEADLINE):
        """The index of the first notification from `after` on that has the assignment."""
        def find():
            for i, message in enumerate(self.messages[after:], after):
                if key in message and value in (None, message[key]):
                    return i + 1
            if self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode} before {key}:\n{self.log()}")
            return None
        return wait_until(find, f"{key}={value or ''} in {self.messages}", deadline) - 1

    def wait_ready(self):
        self.wait_message("READY", "1")
        return self

    def log(self):
        return self.log_path.read_text(errors="replace")

    def records(self, message=None):
        """The log's JSON records, all or those with that message."""
        found = []
        for line in self.log().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue  # a sanitizer's report, or the last line half written
            if message is None or record.get("msg") == message:
                found.append(record)
        return found

    def wait_record(self, message, count=1, deadline=DEADLINE, **fields):
        def find():
            found = [r for r in self.records(message) if all(r.get(k) == v for k, v in fields.items())]
            return found if len(found) >= count else None
        return wait_until(find, f"{count} log records {message!r} {fields} in:\n{self.log()[-4000:]}", deadline)[-1]

    def count_records(self, message, expected):
        """How many there are once there are as many as expected: a thread of the daemon's own writes them."""
        self.wait_record(message, expected)
        return len(self.records(message))

    def send_signal(self, number):
        if self.manager is not None and number in RELOAD_SIGNALS:
            self.manager.request_reload(lambda: self.process.send_signal(number))
        else:
            self.process.send_signal(number)

    def wait_reloads(self):
        """Each reload that a signal asked for has had a cycle RELOADING=1, READY=1 that began after it."""
        wait_until(lambda: not self.manager.unanswered(), f"RELOADING=1, READY=1 in {self.messages}")

    def wait(self, deadline=DEADLINE):
        try:
            return self.process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {deadline:g} s:\n{self.log()[-4000:]}") from None

    def stop(self, expect=0):
        """SIGTERM, and the exit code that is expected."""
        self.send_signal(signal.SIGTERM)
        code = self.wait()
        if code != expect:
            raise AssertionError(f"ended with {code}, expected {expect}:\n{self.log()[-4000:]}")
        self.check_messages()

    def check_messages(self):
        """What it told the service manager was in order, and came from itself."""
        if self.manager is None:
            return
        if self.process.poll() is not None:
            self.manager.close()  # what it said last is in
        if violations := self.manager.violations(self.pid, self.watchdog):
            raise AssertionError("\n".join(violations + [str(m) for m in self.messages]))

    def close(self):
        """For addCleanup: leaves no process and no directory behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.manager is not None:
            self.manager.close()
            for _, fd in self.manager.take_stored():
                os.close(fd)
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)


HOOK = """
[hooks.{name}]
auth = {{ scheme = "github", secret_file = "secret" }}
run = {run}
{extra}
"""


def hook(name, run, extra=""):
    """The configuration of a hook with the tests' secret."""
    return HOOK.format(name=name, run=json.dumps(run), extra=extra)


class Belayd(Daemon):
    """The real belayd with a configuration of the test's."""

    def __init__(self, config="", directory=None, env=None, arguments=("--strict-leaks",), sections=None,
                 executable=BUILD / "belayd" / "belayd", prefix=(), **options):
        self.base = pathlib.Path(directory or tempfile.mkdtemp(prefix="belay-test-"))
        self.sections = {"daemon": 'drain_timeout = "5s"\n', "runner": 'kill_grace = "2s"\n', **(sections or {})}
        secret = self.base / "secret"
        secret.write_bytes(SECRET)
        secret.chmod(0o600)
        self.write_config(config)
        super().__init__([*prefix, executable, "--config", self.base / "belay.toml", *arguments],
                         directory=self.base, env=env, **options)
        self.owns_directory = directory is None

    def write_config(self, config):
        """Replaces belay.toml the way an editor does: whole, by rename."""
        text = "".join(f"[{name}]\n{body}\n" for name, body in {
            "log": 'level = "debug"\nformat = "json"\n',
            "ingress": 'listen = "127.0.0.1:0"\n',
            "admin": 'listen = "127.0.0.1:0"\n',
            **self.sections,
            "daemon": f'state_dir = "{self.base}/state"\n' + self.sections.get("daemon", ""),
        }.items())
        temporary = self.base / "belay.toml.new"
        temporary.write_text(text + config)
        temporary.rename(self.base / "belay.toml")

    def address(self, server):
        """Where "ingress" or "admin" listens, from the newest record that says so: it may come after READY=1."""
        def find():
            return [record["address"] for record in self.records()[self.earlier_records:]
                    if (record.get("msg"), record.get("server")) == ("listening", server)]
        return wait_until(find, f"{server} to listen")[-1]

    @property
    def control(self):
        return f"unix:{self.base}/state/control.sock"

    def post(self, name, body=b"{}", headers=None, secret=SECRET, **fields):
        """A signed delivery; keyword delivery= and event= set GitHub's headers."""
        all_headers = {"Content-Type": "application/json", "X-GitHub-Event": fields.get("event", "push")}
        if secret is not None:
            all_headers["X-Hub-Signature-256"] = sign(body, secret)
        if "delivery" in fields:
            all_headers["X-GitHub-Delivery"] = fields["delivery"]
        all_headers.update(headers or {})
        return fetch(self.address("ingress"), "POST", f"/hooks/{name}", body, all_headers)

    def api(self, method, target, body=None):
        return fetch(self.control, method, "/api/v1" + target, body)

    def job(self, identifier):
        return self.api("GET", f"/jobs/{identifier}").json()

    def wait_job(self, identifier, *states):
        """The job once it is in one of the states."""
        def find():
            job = self.job(identifier)
            return job if job["state"] in states else None
        return wait_until(find, f"job {identifier} to be {' or '.join(states)}; it is {self.job(identifier)}")

    def output(self, identifier):
        return self.api("GET", f"/jobs/{identifier}/output").json()

    def metrics(self):
        """The samples of /metrics: {'belay_jobs{state="queued"}': 0.0, …}."""
        samples = {}
        for line in fetch(self.address("admin"), "GET", "/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    def connections(self):
        """How many ingress has, in whatever state."""
        return sum(value for name, value in self.metrics().items() if name.startswith('belay_connections{server="ingress"'))


class TestCase(unittest.TestCase):
    def prefix_of_process_1(self):
        """What a command is preceded by to be PID 1 of a namespace, as in a container."""
        unshare = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no PID namespace can be made here")
        return unshare

    def start(self, daemon):
        """Starts nothing itself: makes sure that `daemon` is gone after the test, and waits for READY=1."""
        self.addCleanup(daemon.close)
        return daemon.wait_ready()
