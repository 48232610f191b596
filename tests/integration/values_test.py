"""What a request says becomes exactly one argument, variable or file of a command, or the request is refused."""
import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import tempfile
import urllib.parse

from tests.integration.builds import Builds
from tests.integration.harness import DEADLINE, Belayd, TestCase, fetch, sign, wait_until

LARGEST = 131071  # bytes of an argument, execve(2)

HOSTILE = {
    "empty": b"",
    "plain": b"refs/heads/main",
    "option": b"-rf",
    "long option": b"--upload-pack=touch /tmp/x",
    "dash": b"-",
    "command": b";id",
    "substitution": b"$(id)",
    "backticks": b"`id`",
    "pipe": b"| id > /tmp/x & id",
    "glob": b"* ? [a-z] ~ {a,b} !!",
    "quotes": b"a'b\"c''d\"\"",
    "backslashes": b"\\\\a\\n\\'\\\"\\",
    "blanks": b"a  b\tc",
    "newline": b"a\nb",
    "CRLF": b"a\r\nb",
    "NUL": b"a\0b",
    "escape": b"\x1b[2J\x07",
    "invalid UTF-8": b"a\xff\xc0\xafb",
    "surrogate in UTF-8": b"\xed\xa0\x80",
    "bidirectional": "a\u202eb".encode(),
    "percent": b"%s%n%00${HOME}",
    "placeholder": b"{\"payload\":\"/x\"}",
    "64 KiB": b"x" * 65536,
    "the longest": b"y" * LARGEST,
    "too long": b"z" * (LARGEST + 1),
    "200 KiB": b"w" * 204800,
}

SHOW_ARGUMENTS = "cat /proc/$$/cmdline"
SHOW_VARIABLE = "cat /proc/$$/environ"
SHOW_FILE = 'cat "$V"'


def hooks(source, text):
    value = f"{{ {source} = \"{text}\" }}"
    name = "form" if source == "payload" and text == "/form" else source
    pointer = value.replace("/form", "/v")
    command = "['/bin/sh', '-c', '%s', 'sh'%s]"
    return f"""
[hooks.argument-{name}]
auth = "none"
run = {command % (SHOW_ARGUMENTS, ", " + pointer)}
[hooks.variable-{name}]
auth = "none"
run = {command % (SHOW_VARIABLE, "")}
env = {{ V = {pointer} }}
[hooks.file-{name}]
auth = "none"
run = {command % (SHOW_FILE, "")}
files = {{ V = {pointer} }}
"""


def request_of(source, value):
    """(target's query, fields, body), or nothing where there is no such request."""
    if source == "payload":
        try:
            return b"", b"Content-Type: application/json\r\n", json.dumps({"v": value.decode()}).encode()
        except UnicodeDecodeError:
            return b"", b"Content-Type: application/json\r\n", b'{"v":"' + value + b'"}'
    if source == "header":
        return b"", b"V: " + value + b"\r\n", b"{}"
    encoded = b"v=" + urllib.parse.quote_from_bytes(value, safe=b"").encode()
    if source == "query":
        return b"?" + encoded, b"", b"{}"
    return b"", b"Content-Type: application/x-www-form-urlencoded\r\n", encoded


class Values(TestCase):
    def send(self, belayd, hook, query, fields, body):
        """As it is: http.client would refuse some of it.  Returns the status and, if there is one, the job."""
        host, port = belayd.address("ingress").rsplit(":", 1)
        with contextlib.closing(socket.create_connection((host, int(port)), DEADLINE)) as connection:
            head = b"POST /hooks/%s%s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n" % (
                hook.encode(), query, fields, len(body))
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                connection.sendall(head + body)
            response = http.client.HTTPResponse(connection)
            response.begin()
            answer = response.read()
        return response.status, json.loads(answer).get("job") if response.status == 202 else None

    def output(self, belayd, job):
        output = belayd.output(job)
        return base64.b64decode(output["stdout_base64"]) if "stdout_base64" in output else output["stdout"].encode()

    def seen(self, belayd, use, job):
        """The value that the command was given."""
        self.assertEqual(belayd.wait_job(job, "succeeded", "failed")["state"], "succeeded")
        output = self.output(belayd, job)
        if use == "file":
            return output
        *strings, end = output.split(b"\0")
        self.assertEqual(end, b"")
        if use == "argument":
            self.assertEqual(strings[:-1], [b"/bin/sh", b"-c", SHOW_ARGUMENTS.encode(), b"sh"])
            return strings[-1]
        variables = [string[2:] for string in strings if string.startswith(b"V=")]
        self.assertEqual(len(variables), 1, strings)
        self.assertEqual([string for string in strings if b"=" not in string], [])
        return variables[0]

    def expected(self, use, source, value):
        """202, or the statuses that are right."""
        if source == "header" and any(byte in value for byte in b"\r\n\0\x1b\x07"):
            return {400}
        if source == "header" and len(value) > 8000:
            return {431}
        if source == "query" and b"\0" in value:
            return {400}
        if source == "query" and len(urllib.parse.quote_from_bytes(value)) > 2000:
            return {414, 431}
        if source == "payload" and (b"\xff" in value or b"\xed" in value):
            return {400}
        if use == "file":
            return {202}
        if b"\0" in value:
            return {400}
        if len(value) + (2 if use == "variable" else 0) > LARGEST:
            return {413}
        if use == "argument" and value.startswith(b"-"):
            return {422}
        return {202}

    def test_each_reaches_the_command_as_exactly_one_or_is_refused_and_nothing_runs(self):
        belayd = self.start(Belayd(hooks("payload", "/v") + hooks("payload", "/form") + hooks("header", "V") +
                                   hooks("query", "v"), sections={"runner": "max_jobs = 8\n"}))
        jobs = {}
        refused = 0
        for name, value in HOSTILE.items():
            for source in ("payload", "form", "header", "query"):
                for use in ("argument", "variable", "file"):
                    with self.subTest(value=name, source=source, use=use):
                        status, job = self.send(belayd, f"{use}-{source}", *request_of(source, value))
                        self.assertIn(status, self.expected(use, source, value))
                        if job is None:
                            refused += 1
                        else:
                            jobs[job] = (name, source, use, value)
        for job, (name, source, use, value) in jobs.items():
            with self.subTest(value=name, source=source, use=use):
                self.assertEqual(self.seen(belayd, use, job)[:300], value[:300])
                self.assertEqual(self.seen(belayd, use, job), value)
        self.assertGreater(len(jobs), 150)
        self.assertGreater(refused, 60)
        metrics = belayd.metrics()
        self.assertEqual(sum(count for key, count in metrics.items() if key.startswith("belay_attempts_total")), len(jobs))
        self.assertEqual(os.listdir(belayd.base / "state" / "files"), [])
        belayd.stop()

    def test_json_that_is_not_text(self):
        """What JSON can write and UTF-8 cannot, and what C ends at."""
        belayd = self.start(Belayd(hooks("payload", "/v")))
        for body, status in {b'{"v":"a\\u0000b"}': 400, b'{"v":"\\ud800"}': 400, b'{"v":"\\udc00\\ud800"}': 400,
                             b'{"v":"\\ud83d\\ude00"}': 202, b'{"v":"a\0b"}': 400, b'{"v":"\\x41"}': 400}.items():
            with self.subTest(body=body):
                got, job = self.send(belayd, "argument-payload", b"", b"", body)
                self.assertEqual(got, status)
                if job:
                    self.assertEqual(self.seen(belayd, "argument", job), "\U0001f600".encode())
        got, job = self.send(belayd, "file-payload", b"", b"", b'{"v":"a\\u0000b"}')
        self.assertEqual(self.seen(belayd, "file", job), b"a\0b")
        belayd.stop()

    def test_defaults_decoding_and_files_of_what_is_too_long(self):
        belayd = self.start(Belayd("""
[hooks.a]
auth = "none"
run = ["/bin/sh", "-c", 'printf "%s|" "$@" "${LONG-unset}"; [ -z "$LONG_FILE" ] || wc -c < "$LONG_FILE"', "sh",
       { payload = "/dash", default = "-none", allow_dash = true }, { payload = "/code", decode = "base64", default = "" }]
env = { LONG = { payload = "/long", overflow_file = "LONG_FILE" } }
"""))
        def run(**payload):
            answer = belayd.post("a", json.dumps(payload).encode())
            if answer.status != 202:
                return answer.status
            belayd.wait_job(answer.json()["job"], "succeeded")
            return belayd.output(answer.json()["job"])["stdout"]
        self.assertEqual(run(), "-none||unset|")
        self.assertEqual(run(dash="--force", code="w7w=", long="x"), "--force|ü|x|")
        self.assertEqual(run(long="x" * 200000), "-none||unset|200000\n")
        self.assertEqual(run(code="w7w"), 422)
        belayd.stop()

    def test_an_event_is_known_to_its_command(self):
        belayd = self.start(Belayd("""
[hooks.a]
auth = "none"
run = ["/bin/sh", "-c", 'printf "%s|" "$@" "$BELAY_EVENT_ID" "$BELAY_JOB_ID" "$ID"', "sh", { event = "id" }, { event = "job" },
       { event = "hook" }, { event = "delivery_id", default = "none" }, { event = "received" }]
env = { ID = { event = "id" } }
"""))
        def run(**headers):
            answer = belayd.post("a", secret=None, headers=headers).json()
            belayd.wait_job(answer["job"], "succeeded")
            return answer, belayd.output(answer["job"])["stdout"].split("|")
        answer, seen = run()
        received = belayd.api("GET", "/events").json()["events"][0]["received"]
        event, job = answer["event"], answer["job"]
        self.assertEqual(seen, [event, job, "a", "none", received, event, job, event, ""])
        answer, seen = run(**{"X-GitHub-Delivery": "d-1"})
        self.assertEqual(seen[3], "d-1")
        again = belayd.post("a", secret=None, headers={"X-GitHub-Delivery": "d-1"})
        self.assertEqual((again.status, again.json()["event"], again.json()["job"]), (200, answer["event"], answer["job"]))
        belayd.stop()


class StoredRequests(TestCase):
    def test_what_came_in_is_kept_but_for_its_secrets(self):
        belayd = self.start(Belayd("""
[hooks.a]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/true"]
[hooks.b]
path = "a"
auth = { scheme = "gitlab", secret_file = "secret" }
run = ["/bin/true"]
"""))
        body = b'{"a":"\xc3\xbc"}'
        headers = {"X-Hub-Signature-256": sign(body), "Authorization": "Bearer x", "Cookie": "c", "X-Gitlab-Token": "t",
                   "Proxy-Authorization": "p", "X-GitHub-Event": "push"}
        answer = fetch(belayd.address("ingress"), "POST", "/hooks/a?q=%20", body, headers)
        self.assertEqual(answer.status, 202, answer)
        event = belayd.api("GET", "/events").json()["events"][0]
        stored = belayd.api("GET", f"/events/{event['id']}/request")
        self.assertEqual(stored.status, 200, stored)
        stored = stored.json()
        self.assertEqual(base64.b64decode(stored["body_base64"]), body)
        self.assertEqual((stored["hook"], stored["method"], stored["target"], stored["remote"], stored["received"]),
                         ("a", "POST", "/hooks/a?q=%20", "127.0.0.1", event["received"]))
        names = [name for name, _ in stored["headers"]]
        self.assertEqual(sorted(names), sorted(["Host", "Accept-Encoding", "Content-Length", "X-Hub-Signature-256",
                                                "X-GitHub-Event"]))
        self.assertIn(["X-GitHub-Event", "push"], stored["headers"])
        unknown = event["id"][:-4] + "0000"
        self.assertEqual(belayd.api("GET", f"/events/{unknown}/request").status, 404)
        self.assertEqual(belayd.api("GET", "/events/x/request").status, 400)
        belayd.stop()


class FilesOfJobs(TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-fifo-")
        self.addCleanup(directory.cleanup)
        self.fifo = f"{directory.name}/end"
        os.mkfifo(self.fifo)
        self.config = f"""
[hooks.a]
auth = "none"
run = ["/bin/sh", "-c", 'read line < "$0"; cat "$BODY" "$TEXT"', "{self.fifo}"]
files = {{ BODY = {{ request = "body" }}, TEXT = {{ payload = "/t" }} }}
"""

    def files(self, belayd):
        root = belayd.base / "state" / "files"
        return sorted(str(path.relative_to(root)) for path in root.rglob("*"))

    def start_job(self, belayd):
        job = belayd.post("a", b'{"t":"text"}', secret=None).json()["job"]
        self.wait_running(belayd, job)
        return job

    def wait_running(self, belayd, job):
        """Until the command has what it is given: that is written after the job is called running."""
        belayd.wait_job(job, "running")
        wait_until(lambda: len(self.files(belayd)) == 3, "the directory and two files of the attempt")

    def end_job(self):
        with open(self.fifo, "w") as end:
            end.write("\n")

    def test_they_are_private_and_gone_with_the_attempt(self):
        belayd = self.start(Belayd(self.config))
        job = self.start_job(belayd)
        self.assertEqual(self.files(belayd), [f"{job}-1", f"{job}-1/BODY", f"{job}-1/TEXT"])
        directory = belayd.base / "state" / "files" / f"{job}-1"
        self.assertEqual([oct(path.stat().st_mode & 0o777) for path in (directory.parent, directory, directory / "BODY")],
                         ["0o700", "0o700", "0o600"])
        self.end_job()
        belayd.wait_job(job, "succeeded")
        self.assertEqual(belayd.output(job)["stdout"], '{"t":"text"}text')
        self.assertEqual(self.files(belayd), [])
        belayd.stop()

    def test_they_stay_over_an_upgrade_and_go_after_it(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-builds-")
        self.addCleanup(directory.cleanup)
        builds = Builds(directory.name)
        belayd = self.start(Belayd(self.config, executable=builds.path))
        job = self.start_job(belayd)
        before = self.files(belayd)
        for _ in range(2):
            builds.put_next()
            self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(self.files(belayd), before)
        self.end_job()
        self.assertEqual(belayd.wait_job(job, "succeeded")["attempts"], 1)
        self.assertEqual(belayd.output(job)["stdout"], '{"t":"text"}text')
        self.assertEqual(self.files(belayd), [])
        belayd.stop()

    def test_what_an_interrupted_attempt_had_is_gone_and_written_again(self):
        belayd = self.start(Belayd(self.config, sections={"daemon": 'drain_timeout = "0s"\n'}))
        job = self.start_job(belayd)
        belayd.stop()
        self.assertEqual(self.files(belayd), [])
        again = self.start(Belayd(self.config, directory=belayd.base))
        self.wait_running(again, job)
        self.assertEqual(self.files(again), [f"{job}-2", f"{job}-2/BODY", f"{job}-2/TEXT"])
        self.end_job()
        again.wait_job(job, "succeeded")
        again.stop()

    def test_what_a_killed_belayd_left_goes_at_the_next_start(self):
        belayd = self.start(Belayd(self.config))
        job = self.start_job(belayd)
        belayd.process.send_signal(signal.SIGKILL)
        belayd.wait()
        self.assertEqual(len(self.files(belayd)), 3)
        again = self.start(Belayd(self.config, directory=belayd.base))
        self.wait_running(again, job)
        self.assertEqual(self.files(again), [f"{job}-2", f"{job}-2/BODY", f"{job}-2/TEXT"])
        self.end_job()
        again.wait_job(job, "succeeded")
        self.assertEqual(self.files(again), [])
        again.stop()
