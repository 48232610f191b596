"""Installs and builds what is measured."""

import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
GO_PATH = "/usr/share/gocode"  # Debian's packages of Go sources
TARGETS = ["belayd/belayd", *(f"tests/bench/{name}" for name in
                              ("bench_client", "limit_get", "limit_post", "limit_jobs", "fill_store"))]
VERSIONS = {
    "compiler": ["g++", "--version"],
    "Go": ["go", "version"],
    "webhook": ["webhook", "-version"],
    "nginx": ["/usr/sbin/nginx", "-v"],
}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def install() -> None:
    subprocess.run([ROOT / "packaging/install-packages", "bench"], check=True, stdout=sys.stderr)


class Programs:
    """What was built: belayd and our own programs in `build`, which is set up for release if it is not there yet."""

    def __init__(self, build: pathlib.Path) -> None:
        self.build = build.resolve()
        self.go_peer = self.build / "tests" / "bench" / "go_peer"

    def native(self, name: str) -> pathlib.Path:
        return self.build / "tests" / "bench" / name

    def make(self) -> None:
        if not (self.build / "build.ninja").exists():
            self._run("set up", ["meson", "setup", self.build, "-Dbuildtype=release", "-Dtests=true"])
        self._run("build", ["ninja", "-C", self.build, *TARGETS])
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": GO_PATH, "GOCACHE": str(self.build / "go-cache")}
        self._run("build the Go peer", ["go", "build", "-o", self.go_peer, ROOT / "tests/bench/peers/go_peer.go"],
                  env=environment)

    def _run(self, what: str, command: list, **options) -> None:
        say(f"bench: {what}: {self.build.name}")
        done = subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, **options)
        if done.returncode != 0:
            sys.exit(f"bench: cannot {what}:\n{(done.stdout + done.stderr)[-4000:]}")

    def describe(self) -> dict[str, str]:
        """Which versions, for the report."""
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
        found = {"belay": commit.stdout.strip() or "no git here"}
        for name, command in VERSIONS.items():
            if shutil.which(command[0]):
                done = subprocess.run(command, capture_output=True, text=True)
                found[name] = (done.stdout + done.stderr).splitlines()[0]
        return found
