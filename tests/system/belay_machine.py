"""A machine with belayd configured as an operator would, and the ways to talk to it."""

import hashlib
import hmac
import json

import machine

SECRET = "a secret for tests only"
CONFIGURATION = """
[daemon]
drain_timeout = "5s"

[runner]
kill_grace = "2s"

[hooks.deploy]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sh", "-c", "echo deployed $0 && wc -c", { payload = "/after" }]

[hooks.slow]
auth = { scheme = "github", secret_file = "github.secret" }
run = ["/bin/sleep", "600"]
"""
ENDED = ("succeeded", "failed", "cancelled")


# Another build of the same code: a new build-id (the note of elf(5)), put in place by rename as a package manager does.
OTHER_BUILD = r"""
import os, sys
path = sys.argv[1]
image = bytearray(open(path, "rb").read())
at = image.index(b"\x04\0\0\0\x14\0\0\0\x03\0\0\0GNU\0") + 16
image[at:at + 20] = os.urandom(20)
with open(path + ".new", "wb") as new:
    new.write(image)
os.chmod(path + ".new", 0o755)
os.rename(path + ".new", path)
"""


class BelayMachine(machine.Machine):
    def __enter__(self) -> "BelayMachine":
        super().__enter__()
        self.configure(CONFIGURATION)
        self.write("/etc/belay/github.secret", SECRET, "0640", "root:belay")
        return self

    def configure(self, text: str) -> None:
        self.write("/etc/belay/belay.toml", text, "0640", "root:belay")

    def post(self, hook: str, payload: dict | None = None, secret: str = SECRET, server: str = "http://127.0.0.1:9080",
             options: tuple[str, ...] = ()) -> tuple[int, dict]:
        """A signed event from the machine's loopback: status (0: no answer) and the answer."""
        body = json.dumps(payload if payload is not None else {"after": "1234abcd"}).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        done = self.on_its_network(
            "curl", "--silent", "--show-error", "--max-time", str(int(machine.DEADLINE) - 5), "--data-binary", "@-",
            "--header", "Content-Type: application/json", "--header", "X-GitHub-Event: push",
            "--header", f"X-Hub-Signature-256: sha256={signature}", "--write-out", "\n%{http_code}",
            *options, f"{server}/hooks/{hook}", stdin=body)
        answer, _, status = done.stdout.decode().rpartition("\n")
        return int(status), json.loads(answer) if answer else {"error": done.stderr.decode()}

    def get(self, target: str) -> tuple[int, str]:
        """From the admin port."""
        done = self.on_its_network("curl", "--silent", "--max-time", "30", "--write-out", "\n%{http_code}",
                                   f"http://127.0.0.1:9081{target}")
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), text

    def belay(self, *arguments: str) -> dict:
        return json.loads(self.run("belay", "--json", *arguments).stdout)

    def job(self, identifier: str) -> dict:
        return self.belay("job", identifier)

    def wait_job(self, identifier: str, *states: str) -> dict:
        def find():
            job = self.job(identifier)
            return job if job["state"] in states else None
        return self.wait(f"job {identifier} to be {' or '.join(states)}", find)

    def put_other_build(self) -> None:
        self.run("python3", "-c", OTHER_BUILD, self.run("sh", "-c", "command -v belayd").stdout.strip())

    def main_pid(self) -> int:
        return int(self.properties("belayd", "MainPID")["MainPID"])
