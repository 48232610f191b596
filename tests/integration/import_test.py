"""Hooks imported from adnanh/webhook decide as the real one does: both are asked the same, and must agree to run or not."""
import collections
import copy
import datetime
import hmac
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import socket
import subprocess
import tempfile
import unittest
import urllib.parse

from tests.integration.harness import BUILD, ROOT, Belayd, TestCase, connect, wait_until

EXAMPLES = sorted((ROOT / "tests" / "cli" / "import" / "examples").iterdir())
SEED = int(os.environ.get("BELAY_SEED", "20261128"))
REQUESTS = int(os.environ.get("BELAY_IMPORT_REQUESTS", "2000"))
NOT_MATCHED = b"Hook rules were not satisfied."

# Notes that it was run, as what; tells its arguments, to one stream and the other, and fails if it is told so.
RECORDER = """#!/bin/sh
echo "${0##*/}" >> "${0%/*}/runs"
printf 'to stdout: %s\\n' "$@"
printf 'to stderr: %s\\n' "$@" >&2
echo end
test "$1" != fail
"""
FAILED = (b"Error occurred while executing the hook's command. Please check your logs for more details.", b"to stdout: fail")


class Raw(float):
    """A number as it is to be written."""

    def __new__(cls, text):
        number = super().__new__(cls, 0)
        number.text = text
        return number


def to_json(value):
    if isinstance(value, Raw):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value)


# What runs each hook: its body, its headers and its query.
GOOD = {
    "site": ({"ref": "refs/heads/main", "head_commit": {"id": "1f"}, "pusher": {"name": "ada", "email": "a@example.org"}},
             {"X-Hub-Signature": ("sha1", "a github secret", "sha1=")}, {}),
    "site-256": ({"ref": "refs/tags/v1"}, {"X-Hub-Signature-256": ("sha256", "the old secret", "sha256=")}, {}),
    "bitbucket": ({"actor": {"username": "ada"}}, {}, {}),
    "gitlab": ({"user_name": "ada"}, {"X-Gitlab-Token": "a gitlab token"}, {}),
    "gogs": ({"ref": "refs/heads/main", "pusher": {"name": "ada"}}, {"X-Gogs-Signature": ("sha256", "a gogs secret", "")}, {}),
    "gitea": ({"ref": "refs/heads/main", "head_commit": {"id": 7}}, {"X-Gitea-Signature": ("sha256", "a gitea secret", "")}, {}),
    "slack": ({"token": "a slack token", "text": "now"}, {}, {}),
    "simple": ({}, {}, {"token": "4711"}),
    "jira": ({"webhookEvent": "jira:issue_created", "issue": {"key": "A-1", "fields": {"archived": False}}}, {}, {"project": "A"}),
    "file": ({"picture": "aGVsbG8=", "caption": "hello"}, {}, {}),
    "scalr": ({"eventName": "HostUp", "data": {"SCALR_SERVER_HOSTNAME": "h"}}, {"X-Signature": "scalr", "Date": "now"}, {}),
    "travis": ({"payload": '{"state":"passed","branch":"main"}'}, {}, {}),
    "array": ([{"email": "a@example.org", "event": "processed"}, {"event": "deferred"}], {}, {}),
    "multipart": ({"payload": '{"event":"media.play","n":1}'}, {}, {}),
    "strings": ({"pusher": {"email": "a@example.org"}}, {}, {}),
    "synology": ({"message": "full"}, {"api-key": "an API key"}, {}),
    "registry": ({"action": "push", "target": {"repository": "r", "tag": "t"}}, {"X-Static-Token": "a static token"}, {}),
    "whole": ({"a": "<b>"}, {"X-A": "b"}, {"q": "1"}),
    "nested": ({"a": {"b": 7}, "skip": False, "none": 0}, {"X-Event": "push"}, {"q": "y"}),
    "optional": ({"a": 1, "b": {"c": 3}}, {}, {}),
    "missing": ({"a": "y"}, {}, {}),
    "methods": ({}, {}, {}),
    "as-json": ({"a": {"b": {"c": [1, Raw("2.50"), None]}}}, {}, {}),
    "hard": ({"a": {"b": {"c": 0}}}, {"X-Sign": ("sha512", "one", "sha512=")}, {}),
    "soft": ({"a": {"b": {"c": 0}}}, {"X-Sign": ("sha1", "two", "")}, {}),
    "header-json": ({}, {"X-Meta": '{"kind":"deploy","list":[1]}'}, {"meta": '{"list":[2,3]}'}),
    "never": ({}, {}, {}),
    "empty": ({}, {}, {}),
    "signed-query": ({"n": 1}, {}, {"sig": ("sha256", "a query secret", "sha256=")}),
    "signed-payload": ({"sig": "sha1=00", "a": 1}, {}, {}),
    "output": ({"result": "done", "a": {"b": "c"}}, {}, {"q": "1"}),
    "output-on-error": ({"result": "fail"}, {"X-A": "a"}, {}),
    "on-error-alone": ({"result": "fail"}, {}, {}),
    "xml": ({"list": {"people": {"person": [{"-name": "Ada"}]}, "notes": {"note": {"#text": "Hi!"}}}}, {}, {}),
}
FORMS = {"slack", "travis", "multipart", "synology", "registry", "missing", "optional", "simple", "file"}
ASK_NO_PAYLOAD = {"simple", "signed-query", "methods", "never", "empty"}  # XML is not read: who asks for something of it is refused

ODD = [None, True, False, "", "x", "true", "main", "refs/heads/main", "<nil>", 0, 1, 7, Raw("7.0"), Raw("1e3"), Raw("1E+2"),
       Raw("-0"), Raw("2.50"), Raw("1E400"), Raw("12345678901234567890123"), Raw("0.1e-7"), {}, [], [1, [2, None]], {"b": 7},
       {"b": None}, {"b": {"c": 0}}, {"b.c": 2}, "\u00fc\u2028<&>", "\ud83d", "deferred", "push", "fail", "fail"]


def places(value, at=()):
    """Every place in a JSON value."""
    yield at
    for name, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*at, name))


def put(value, place, new):
    """The value with `new` there; None removes it: for null there is ODD."""
    if not place:
        return new
    value = copy.copy(value)
    value[place[0]] = put(value[place[0]], place[1:], new)
    return value


def remove(value, place):
    value = copy.deepcopy(value)
    inner = value
    for name in place[:-1]:
        inner = inner[name]
    del inner[place[-1]]
    return value


class Request:
    def __init__(self, hook, method, headers, query, body):
        self.hook, self.method, self.headers, self.query, self.body = hook, method, headers, query, body

    @property
    def target(self):
        return f"/hooks/{self.hook}" + (f"?{self.query}" if self.query else "")

    def __repr__(self):
        return f"{self.method} {self.target}\n{self.headers}\n{self.body!r}"


class Generator:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def request(self):
        hook = self.random.choice(sorted(GOOD))
        value, headers, query = copy.deepcopy(GOOD[hook])
        for _ in range(self.random.choice([0, 0, 1, 1, 2])):
            value = self.spoil(value)
        content_type, body = self.encode(hook, value)
        headers = self.spoil_headers({name: self.header(name, text, body) for name, text in headers.items()})
        if content_type is not None:
            headers["Content-Type"] = content_type
        query = {name: self.header(name, text, body) for name, text in query.items()}
        method = "POST"
        if self.chance(0.1) or (hook == "methods" and self.chance(0.7)):
            method = self.random.choice(["GET", "PUT", "PATCH", "DELETE"])
        return Request(hook, method, headers, self.encode_query(query), body)

    def spoil(self, value):
        place = self.random.choice(list(places(value)))
        what = self.random.random()
        if what < 0.5 or not place:
            return put(value, place, self.random.choice(ODD)) if place or self.chance(0.2) else value
        if what < 0.75:
            return remove(value, place)
        if isinstance(value, dict):  # a name with dots, which goes before the path
            return {**value, ".".join(map(str, place)): self.random.choice(ODD)}
        return [value, value]

    def encode(self, hook, value):
        """The content type and the body."""
        what = self.random.random()
        is_form = hook in FORMS and self.chance(0.5)
        if isinstance(value, dict) and (is_form or what < 0.05):
            fields = [(name, item if isinstance(item, str) else to_json(item)) for name, item in value.items()]
            fields += [(name, "again") for name, _ in fields if self.chance(0.1)]
            fields = [(name.encode(errors="replace"), text.encode(errors="replace")) for name, text in fields]
            if hook == "multipart" and self.chance(0.7) or self.chance(0.3):
                return self.multipart(fields)
            body = urllib.parse.urlencode(fields).encode()
            if self.chance(0.1):
                body += self.random.choice([b"&%zz=1", b"&a;b", b"&", b"&&=", b"&a=%"])
            return self.random.choice(["application/x-www-form-urlencoded", "x-www-form-urlencoded; charset=utf-8"]), body
        body = to_json(value).encode()
        if what > 0.9:
            body = self.random.choice([body[:-1], body + b" more", b"\xef\xbb\xbf" + body, b" \n\t" + body, b"", b"null", b"[" + body,
                                       b"[" + body + b"]", body.replace(b'"', b"'"), body.replace(b":", b": \r\n"), b"\x0b" + body,
                                       body.replace(b'":"', b'":"\xff\xc3'), body[:-1] + b"," + body[1:] if len(body) > 2 else body])
        types = ["application/json"] * 12 + ["application/json; charset=utf-8", "application/vnd.x+json", "application/JSON",
                                             "text/plain", "text/json-x-www-form-urlencoded", None, ""]
        if hook in ASK_NO_PAYLOAD:
            types.append("application/xml")
        return self.random.choice(types), body

    def multipart(self, fields):
        lines = []
        for name, text in fields:
            is_file = self.chance(0.2)
            lines += [b"--b0undary", b'Content-Disposition: form-data; name="%s"%s' % (
                name.replace(b'"', b"_").replace(b"\r", b"_").replace(b"\n", b"_"), b'; filename="f"' if is_file else b"")]
            if self.chance(0.2):
                lines.append(b"Content-Type: application/json")
            lines += [b"", text]
        body = b"\r\n".join([*lines, b"--b0undary--", b""])
        if self.chance(0.1):
            body = self.random.choice([body[:-6], body.replace(b"\r\n", b"\n"), b"preamble\r\n" + body, b"", body + b"after"])
        return self.random.choice(["multipart/form-data; boundary=b0undary"] * 6 + [
            "multipart/form-data", "multipart/form-data; boundary=other", "multipart/form-data;boundary=\"b0undary\"; x=json"]), body

    def header(self, name, text, body):
        if isinstance(text, tuple):
            algorithm, secret, prefix = text
            signed = self.random.choice([body] * 8 + [b"", body + b" "])
            digest = hmac.new(secret.encode(), signed, algorithm).hexdigest()
            return self.random.choice([prefix + digest] * 8 + [
                digest, f"{algorithm}={digest}", prefix + digest.upper(), f"{prefix}0,{algorithm}={digest}", f"{digest},{digest}",
                f"{algorithm}={digest}, {algorithm}=1", "", ",", prefix + digest[:-1], "sha1=" + digest])
        if name == "Date":
            return self.date
        if text == "scalr":
            offset = self.random.choice([0, 0, 0, 0, -200, 200, -900, 900])
            self.date = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset)).strftime(
                "%a %d %b %Y %H:%M:%S " + self.random.choice(["UTC"] * 8 + ["nonsense"]))
            return hmac.new(b"a signing key of Scalr", body + self.date.encode(), "sha1").hexdigest()
        return text

    def spoil_headers(self, headers):
        spoilt = {}
        for name, text in headers.items():
            if self.chance(0.12):
                continue
            if self.chance(0.08):
                text = self.random.choice(["", "x", text + "x", text.upper(), '{"kind":null}', "[1]", "null"])
            if self.chance(0.2):
                name = self.random.choice([name.lower(), name.upper()])
            spoilt[name] = text
        return spoilt

    def encode_query(self, query):
        pairs = [(name, text) for name, text in query.items() if not self.chance(0.15)]
        if self.chance(0.2):
            pairs.insert(self.random.randrange(len(pairs) + 1), self.random.choice(
                [("token", "1"), ("q", "x1"), ("q", "y"), ("meta", "{}"), ("meta.list.1", "3"), ("meta", '{"list":null}')]))
        text = urllib.parse.urlencode(pairs)
        if self.chance(0.05):
            text += self.random.choice(["&", "&a;b", "&=", "&x"])
        return text.lstrip("&")


class Client:
    """One connection, made anew where it was closed."""

    def __init__(self, address):
        self.address, self.connection = address, None

    def fetch(self, request):
        for _ in range(2):
            try:
                self.connection = self.connection or connect(self.address)
                headers = dict(request.headers)
                self.connection.request(request.method, request.target, body=request.body, headers=headers)
                response = self.connection.getresponse()
                answer = response.status, response.read()
                if response.will_close:
                    self.close()
                return answer
            except (ConnectionError, http.client.BadStatusLine):
                self.close()
        raise AssertionError(f"{self.address} closes every connection")

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def has_run(answer):
    status, body = answer
    return (status < 300 and body != NOT_MATCHED) or (status == 500 and body.startswith(FAILED))


def prepare(directory):
    """Examples whose commands note that they were run; the files, and a recorder for each hook."""
    recorder = directory / "recorder"
    recorder.write_text(RECORDER)
    recorder.chmod(0o755)
    files = []
    for example in EXAMPLES:
        number = iter(range(1000))

        def name_command(_):
            command = directory / f"{example.stem}-{next(number)}"
            command.symlink_to(recorder)
            return str(command)
        files.append(directory / example.name)
        files[-1].write_text(re.sub(r"/bin/true", name_command, example.read_text()))
    return files


@unittest.skipUnless(shutil.which("webhook"), "Debian's webhook is not installed, which is to be compared with")
class Import(TestCase):
    def setUp(self):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="belay-import-"))
        self.addCleanup(shutil.rmtree, self.base, ignore_errors=True)

    def start_webhook(self, files, *options, env=None):
        with connect_free_port() as port_holder:
            port = port_holder.getsockname()[1]
        arguments = [argument for file in files for argument in ("-hooks", str(file))]
        log = open(self.base / "webhook.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(["webhook", "-ip", "127.0.0.1", "-port", str(port), *options, *arguments],
                                   stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        client = Client(f"127.0.0.1:{port}")

        def answers():
            self.assertIsNone(process.poll(), (self.base / "webhook.log").read_text())
            try:
                return client.fetch(Request("", "GET", {}, "", None))
            except (ConnectionError, AssertionError):
                return None
        wait_until(answers, "webhook to listen")
        return client

    def start_belayd(self, files):
        base = self.base / "belayd"
        base.mkdir()
        done = subprocess.run([BUILD / "cli" / "belay", "import", "--compat", "strict", *files, "-o", base / "imported.toml"],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 4, done.stderr)  # the XML of one of them
        lost = [line for line in done.stderr.splitlines() if "not mapped" in line]
        self.assertTrue(lost and all("xml.json" in line and "XML" in line for line in lost), done.stderr)
        return self.start(Belayd((base / "imported.toml").read_text(), directory=base))

    def runs(self, directory):
        try:
            return collections.Counter((directory / "runs").read_text().split())
        except FileNotFoundError:
            return collections.Counter()

    def test_generated_requests_are_decided_alike(self):
        theirs, ours = self.base / "theirs", self.base / "ours"
        for directory in theirs, ours:
            directory.mkdir()
        webhook = self.start_webhook(prepare(theirs))
        self.addCleanup(webhook.close)
        belayd = self.start_belayd(prepare(ours))
        belay = Client(belayd.address("ingress"))
        self.addCleanup(belay.close)

        generator = Generator(SEED)
        ran = collections.Counter()
        statuses = collections.Counter()
        for number in range(REQUESTS):
            request = generator.request()
            wanted, got = webhook.fetch(request), belay.fetch(request)
            if wanted != got:
                request, wanted, got = self.shrink(request, webhook, belay)
                self.fail(f"request {number} of seed {SEED}: webhook answers {wanted}, belayd {got}\n{request}")
            ran[request.hook] += has_run(wanted)
            statuses[wanted[0]] += 1

        # Both answers tell the same; now what really ran.
        total = sum(ran.values())
        wait_until(lambda: sum(self.runs(theirs).values()) >= total, f"{total} runs of webhook")
        wait_until(lambda: sum(self.runs(ours).values()) >= total, f"{total} runs of belayd")
        self.assertEqual(self.runs(theirs), self.runs(ours))
        self.assertEqual(sum(self.runs(ours).values()), total)
        # It was no matter of course: every hook that can run has, and there was every kind of answer.
        for hook in GOOD:
            self.assertEqual(ran[hook] > 0, hook not in ("never",), f"{hook}: {ran}")
        self.assertGreater(min(total, REQUESTS - total), REQUESTS // 5)
        self.assertGreaterEqual(set(statuses), {200, 202, 403, 405, 500})
        belayd.stop()

    def test_templates_are_expanded_alike(self):
        theirs, ours = self.base / "theirs", self.base / "ours"
        environment = {"SECRET": "it's \"<a>\" \\ secret=\u00fc", "COMMAND_DIRECTORY": "", "TOKEN": "4711"}
        text = """[{{- /* "}}" in a comment */ -}}
          {"id": "signed", "execute-command": "{{ getenv "COMMAND_DIRECTORY" | js }}/recorder",
           "trigger-rule": {"match": {"type": "payload-hmac-sha256", "secret": "{{ getenv "SECRET" | js }}",
                                      "parameter": {"source": "header", "name": "X-Sign"}}}},
          {"id": "token", "execute-command": "{{getenv `COMMAND_DIRECTORY`}}/recorder", "response-message": "{{ getenv "NOT_SET" }}.",
           "trigger-rule": {"match": {"type": "value", "value": "{{- getenv "TOKEN" -}} ", "parameter": {"source": "url", "name": "t"}}}}
        ]"""
        file = self.base / "hooks.json"
        file.write_text(text)
        for directory in theirs, ours:
            directory.mkdir()
            (directory / "recorder").write_text(RECORDER)
            (directory / "recorder").chmod(0o755)
        webhook = self.start_webhook([file], "-template", env={**environment, "COMMAND_DIRECTORY": str(theirs)})
        self.addCleanup(webhook.close)
        base = self.base / "belayd"
        base.mkdir()
        done = subprocess.run([BUILD / "cli" / "belay", "import", "--template", "--compat", "strict", file, "-o", base / "imported.toml"],
                              capture_output=True, text=True, env={**os.environ, **environment, "COMMAND_DIRECTORY": str(ours)})
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual([line.split(": ")[0] for line in done.stderr.splitlines() if "not mapped" in line], [f"{file}:5"])
        self.assertIn("NOT_SET is not set", done.stderr)
        belayd = self.start(Belayd((base / "imported.toml").read_text(), directory=base))
        belay = Client(belayd.address("ingress"))
        self.addCleanup(belay.close)

        def sign(secret):
            return {"X-Sign": hmac.new(secret.encode(), b"{}", "sha256").hexdigest()}
        ran = 0
        for request in [Request("signed", "POST", sign(environment["SECRET"]), "", b"{}"), Request("signed", "POST", sign("x"), "", b"{}"),
                        Request("token", "POST", {}, "t=4711", b"{}"), Request("token", "POST", {}, "t=", b"{}")]:
            wanted, got = webhook.fetch(request), belay.fetch(request)
            self.assertEqual(wanted, got, request)
            ran += has_run(wanted)
        self.assertEqual(ran, 2)
        wait_until(lambda: self.runs(ours).total() == self.runs(theirs).total() == ran, "both to run")
        belayd.stop()

    def shrink(self, request, webhook, belay):
        """The same disagreement with less."""
        def ask(candidate):
            return webhook.fetch(candidate), belay.fetch(candidate)
        answers = ask(request)
        progress = True
        while progress:
            progress = False
            for candidate in smaller(request):
                found = ask(candidate)
                if found[0] != found[1]:
                    request, answers, progress = candidate, found, True
                    break
        return request, *answers


def smaller(request):
    for name in request.headers:
        rest = {key: text for key, text in request.headers.items() if key != name}
        yield Request(request.hook, request.method, rest, request.query, request.body)
    pairs = request.query.split("&") if request.query else []
    for i in range(len(pairs)):
        yield Request(request.hook, request.method, request.headers, "&".join(pairs[:i] + pairs[i + 1:]), request.body)
    if request.method != "POST":
        yield Request(request.hook, "POST", request.headers, request.query, request.body)
    try:
        value = json.loads(request.body)
    except (ValueError, UnicodeDecodeError):
        return
    for place in places(value):
        if place:
            yield Request(request.hook, request.method, request.headers, request.query, json.dumps(remove(value, place)).encode())


def connect_free_port():
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", 0))
    return holder


if __name__ == "__main__":
    unittest.main()
