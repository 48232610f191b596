"""A small machine: a real systemd as PID 1 of namespaces of its own, over a Debian root with belay installed.

The root is this host's own Debian release, so that what was built here runs there.  It is made once by mmdebstrap, kept
under /var/tmp/belay-test-roots and never written again: each machine puts a tmpfs over it.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOTS = pathlib.Path("/var/tmp/belay-test-roots")
PACKAGES = ["systemd", "dbus", "procps", "supervisor", "prometheus", "nginx", "caddy", "openssl"]
NAMESPACES = ["--mount", "--pid", "--ipc", "--uts", "--cgroup", "--net"]
DEADLINE = 60.0  # seconds: for whatever should take one


class MachineError(RuntimeError):
    pass


def unavailable() -> str | None:
    """Why no machine can be had here; None when one can."""
    if os.geteuid() != 0:
        return "a machine needs root"
    if shutil.which("mmdebstrap") is None:
        return "a machine needs mmdebstrap"
    if os_release().get("ID") != "debian":
        return "a machine needs a Debian host: its root is the host's release"
    with tempfile.TemporaryDirectory(prefix="belay-probe-") as directory:
        probe = subprocess.run(
            ["unshare", "--fork", "--kill-child", *NAMESPACES, "mount", "-t", "cgroup2", "none", directory],
            capture_output=True, text=True)
    if probe.returncode != 0:
        return f"no namespaces here: {probe.stderr.strip()}"
    return None


def build_directory() -> pathlib.Path:
    return pathlib.Path(os.environ["BELAY_BUILD"]).resolve()


def os_release() -> dict[str, str]:
    lines = pathlib.Path("/etc/os-release").read_text().splitlines()
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def runtime_packages(*programs: pathlib.Path) -> list[str]:
    """The packages of the libraries that the programs load."""
    linked = subprocess.run(["ldd", *map(str, programs)], check=True, capture_output=True, text=True).stdout
    names = sorted(set(re.findall(r"^\s*(\S+\.so\S*) => /", linked, re.MULTILINE)))
    # By name alone: /lib is /usr/lib, and dpkg knows a file under one of the two.
    owners = subprocess.run(["dpkg-query", "-S", *(f"*/{name}" for name in names)], capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"^([a-z0-9.+-]+)(?::\S+)?: /(?:usr/)?lib/[^/]+/[^/]+$", owners, re.MULTILINE)))


def debian_root(packages: list[str]) -> pathlib.Path:
    """A root of the host's release with these packages: from the cache, or made now."""
    codename = os_release()["VERSION_CODENAME"]
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    root = ROOTS / f"{codename}-{key}"
    ROOTS.mkdir(mode=0o755, exist_ok=True)
    with open(ROOTS / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if root.exists():
            return root
        unfinished = root.with_suffix(".new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unneeded = ["doc", "man", "locale", "javascript", "fonts"]
        made = subprocess.run(
            ["mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--include=" + ",".join(packages),
             *(f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in unneeded),
             # What the packages would start at boot; tests start it when they want it.
             '--customize-hook=chroot "$1" systemctl --quiet disable supervisor prometheus nginx caddy',
             '--customize-hook=chroot "$1" systemctl --quiet mask console-getty getty@tty1 systemd-logind '
             "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer",
             codename, str(unfinished)],
            capture_output=True, text=True)
        if made.returncode != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise MachineError(f"mmdebstrap {codename}: {made.stdout}{made.stderr}")
        unfinished.rename(root)
    return root


def remove_cgroup(directory: pathlib.Path) -> None:
    """That of the machine in `directory`, deepest first.  Killed processes leave it a moment after they are dead to their
    parent."""
    script = ('mount -t cgroup2 none "$1" && cd "$1" && for try in $(seq 250); do '
              'find "$2" -depth -type d -exec rmdir {} + 2>/dev/null; [ -d "$2" ] || exit 0; sleep 0.02; done; exit 1')
    removed = subprocess.run(["unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", str(directory),
                              directory.name], capture_output=True, text=True)
    if removed.returncode != 0:
        raise MachineError(f"cgroup {directory.name} is still there: {removed.stderr}")


def find_init(unshare: int) -> int | None:
    """The systemd that is the only child of unshare(1).  Before it is there, a command of boot may be in its place, which may
    end while it is looked at: before its file is opened (ENOENT) or before it is read (ESRCH)."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = pathlib.Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        if len(children) == 1 and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "systemd":
            return int(children[0])
    return None


class Machine(contextlib.AbstractContextManager):
    """Boots on __enter__, is gone after __exit__: processes, mounts, cgroups, files."""

    def __init__(self) -> None:
        build = build_directory()
        libraries = runtime_packages(build / "belayd/belayd", build / "cli/belay")
        self._root = debian_root(sorted({*PACKAGES, *libraries}))
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="belay-machine-"))
        self._console = self._directory / "console"
        self._unshare: subprocess.Popen | None = None
        self.init = 0  # its PID as the host sees it

    def __enter__(self) -> "Machine":
        try:
            self._boot()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def run(self, *command: str, check: bool = True, stdin: str | bytes | None = None,
            timeout: float = DEADLINE) -> subprocess.CompletedProcess:
        """A command inside, as root.  Output is text."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        # --root: where the host is itself a chroot, the root of the mount namespace is not PID 1's.
        done = subprocess.run(["nsenter", f"--target={self.init}", *NAMESPACES, "--root", "--wd", *command],
                              capture_output=True, input=data if data is not None else b"", timeout=timeout,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"})
        done.stdout, done.stderr = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        if check and done.returncode != 0:
            raise MachineError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def on_its_network(self, *command: str, stdin: bytes | None = None) -> subprocess.CompletedProcess:
        """A command of the host, with its files, on the machine's loopback."""
        return subprocess.run(["nsenter", f"--target={self.init}", "--net", *command], capture_output=True,
                              input=stdin if stdin is not None else b"", timeout=DEADLINE)

    def write(self, path: str, text: str, mode: str = "0644", owner: str = "root:root") -> None:
        self.run("sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1" && chown "$3" "$1"', "sh", path,
                 mode, owner, stdin=text)

    def read(self, path: str) -> str:
        return self.run("cat", path).stdout

    def properties(self, unit: str, *names: str) -> dict[str, str]:
        shown = self.run("systemctl", "show", unit, "--property=" + ",".join(names)).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def journal(self, *arguments: str) -> list[dict]:
        """Records, oldest first; what was written before the call is in."""
        self.run("journalctl", "--sync")
        return [json.loads(line) for line in self.run("journalctl", "--output=json", "--all", *arguments).stdout.splitlines()]

    def wait(self, what: str, condition, deadline: float = DEADLINE):
        """Asks until the condition holds; returns what it returned."""
        end = time.monotonic() + deadline
        while True:
            result = condition()
            if result:
                return result
            if time.monotonic() > end:
                raise MachineError(f"waited {deadline:.0f} s for {what}")
            time.sleep(0.02)

    def _boot(self) -> None:
        environment = {
            "PATH": os.environ["PATH"], "LANG": "C.UTF-8", "BELAY_ROOT": str(self._root),
            "BELAY_BUILD": str(build_directory()), "BELAY_MACHINE": str(self._directory),
            "BELAY_CGROUP": self._directory.name,
        }
        with open(self._console, "wb") as console:
            # Its own session: systemd as PID 1 takes no terminal, and ^C reaches the tests alone.  But it ends with them,
            # even when they are killed (with this thread, to be exact, prctl(2)).
            self._unshare = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", str(HERE / "boot"), "cgroup"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=environment, start_new_session=True)
        self.wait("PID 1", self._find_init)
        self.wait("the end of booting", self._is_up)

    def _find_init(self) -> bool:
        if self._unshare.poll() is not None:
            raise MachineError(f"boot ended with {self._unshare.returncode}:\n{self._console.read_text(errors='replace')}")
        self.init = find_init(self._unshare.pid) or 0
        return self.init != 0

    def _is_up(self) -> bool:
        if self._unshare.poll() is not None:
            raise MachineError(f"PID 1 ended:\n{self._console.read_text(errors='replace')}")
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        if state == "degraded":
            failed = self.run("systemctl", "--failed", "--plain", "--no-legend").stdout
            raise MachineError(f"booted with failed units:\n{failed}")
        return state == "running"

    def close(self) -> None:
        if self._unshare is not None:
            self._unshare.kill()  # --kill-child: PID 1 with it, and with that all of its namespace
            self._unshare.wait()
            self._unshare = None
            remove_cgroup(self._directory)
        shutil.rmtree(self._directory, ignore_errors=True)
