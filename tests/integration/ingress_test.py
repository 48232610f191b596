"""A signed webhook becomes a durable job, or is refused with the right status and leaves nothing."""
import json
import os
import pathlib
import socket
import sqlite3
import stat
import tempfile
import unittest

from tests.integration.harness import Belayd, TestCase, connect, fetch, hook, sign, wait_until

RECORD = ["/bin/sh", "-c", 'cat > "$0.$BELAY_ATTEMPT"; env > "$0.env"; printf "%s\\n" "$@" > "$0.args"']


class Ingress(TestCase):
    def belayd(self, config, **options):
        return self.start(Belayd(config, **options))

    def test_signed_push_is_stored_run_and_shown(self):
        """B57's good half, and the whole path: 202, ids, state, arguments, environment, stdin, output."""
        body = json.dumps({"ref": "refs/heads/main", "repository": {"full_name": "octo/belay"}, "n": [1, 2]}).encode()
        belayd = self.belayd("""
[hooks.deploy]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/sh", "-c", 'cat; echo "[$1|$2|$3|$REF|$N|$BELAY_HOOK|$BELAY_ATTEMPT]"; echo oops >&2', "sh",
       { payload = "/repository/full_name" }, { header = "X-GitHub-Event" }, { query = "env" }]
env = { REF = { payload = "/ref" }, N = { payload = "/n" }, FIXED = "x y" }
""")
        answer = fetch(belayd.address("ingress"), "POST", "/hooks/deploy?env=prod%20eu", body,
                       {"X-Hub-Signature-256": sign(body), "X-GitHub-Event": "push", "X-GitHub-Delivery": "d-1"})
        self.assertEqual(answer.status, 202, answer)
        accepted = answer.json()
        self.assertEqual(accepted["state"], "queued")
        self.assertTrue(answer.headers["X-Request-Id"])
        job = belayd.wait_job(accepted["job"], "succeeded")
        self.assertEqual(job["event"], accepted["event"])
        self.assertEqual(job["hook"], "deploy")
        self.assertEqual(job["delivery_id"], "d-1")
        self.assertEqual(job["arguments"][4:], ["octo/belay", "push", "prod eu"])
        output = belayd.output(accepted["job"])
        self.assertEqual(output["stdout"], body.decode() + "[octo/belay|push|prod eu|refs/heads/main|[1,2]|deploy|1]\n")
        self.assertEqual(output["stderr"], "oops\n")
        self.assertEqual((output["stdout_dropped"], output["stderr_dropped"]), (0, 0))
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_events_total{hook="deploy",result="accepted"}'], 1)
        self.assertEqual(metrics['belay_attempts_total{hook="deploy",outcome="succeeded"}'], 1)
        belayd.stop()

    def test_what_is_not_authentic_leaves_nothing(self):
        """A8: absent, empty, wrong algorithm, upper case, truncated, another hook's secret, twice, in a trailer."""
        belayd = self.belayd(hook("a", ["/bin/true"]))
        body = b'{"x":1}'
        good = sign(body)
        for name, headers in {
            "absent": {}, "empty": {"X-Hub-Signature-256": ""}, "sha1": {"X-Hub-Signature": "sha1=" + "0" * 40},
            "wrong algorithm": {"X-Hub-Signature-256": "sha1=" + good[7:]},
            "upper case": {"X-Hub-Signature-256": "sha256=" + good[7:].upper()},
            "truncated": {"X-Hub-Signature-256": good[:-1]},
            "other secret": {"X-Hub-Signature-256": sign(body, b"other")},
            "other body": {"X-Hub-Signature-256": sign(body + b" ")},
        }.items():
            with self.subTest(name):
                answer = fetch(belayd.address("ingress"), "POST", "/hooks/a", body, headers)
                self.assertEqual(answer.status, 401, answer)
                self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
                self.assertEqual(answer.headers["WWW-Authenticate"], "X-Hub-Signature-256")
        host, port = belayd.address("ingress").rsplit(":", 1)
        for name, request in {
            "twice": b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\nX-Hub-Signature-256: %s\r\n"
                     b"X-Hub-Signature-256: %s\r\n\r\n%s" % (good.encode(), good.encode(), body),
            "trailer": b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Hub-Signature-256"
                       b"\r\n\r\n7\r\n%s\r\n0\r\nX-Hub-Signature-256: %s\r\n\r\n" % (body, good.encode()),
        }.items():
            with self.subTest(name), socket.create_connection((host, int(port)), timeout=30) as raw:
                raw.sendall(request)
                status = raw.recv(65536).split(b" ", 2)[1]
                self.assertIn(status, (b"401", b"400"))
        self.assertEqual(belayd.api("GET", "/jobs").json()["jobs"], [])
        self.assertEqual(belayd.api("GET", "/events").json()["events"], [])
        belayd.stop()

    def test_rotated_secrets_are_both_good(self):
        belayd = self.belayd("""
[hooks.a]
auth = { scheme = "github", secret_env = ["OLD_SECRET", "NEW_SECRET"] }
run = ["/bin/true"]
""", env={"OLD_SECRET": "old", "NEW_SECRET": "new"})
        for secret, status in ((b"old", 202), (b"new", 202), (b"older", 401)):
            self.assertEqual(belayd.post("a", secret=secret).status, status)
        belayd.stop()

    def test_a_ping_is_answered_and_runs_nothing(self):
        belayd = self.belayd(hook("a", ["/bin/true"]) + '[hooks.open]\nauth = "none"\nrun = ["/bin/true"]\n')
        answer = belayd.post("a", event="ping")
        self.assertEqual((answer.status, answer.json()["state"]), (200, "ignored"))
        self.assertEqual(belayd.post("a", event="ping", secret=b"wrong").status, 401)
        self.assertEqual(belayd.post("open", event="ping").json()["state"], "ignored")
        self.assertEqual(belayd.api("GET", "/jobs").json()["jobs"], [])
        belayd.stop()

    def test_a_repeated_delivery_is_one_job(self):
        """B58; per hook; also when 32 come at once."""
        belayd = self.belayd(hook("a", ["/bin/true"]) + hook("b", ["/bin/true"]))
        first = belayd.post("a", delivery="x")
        self.assertEqual(first.status, 202)
        again = belayd.post("a", delivery="x")
        self.assertEqual((again.status, again.json()["duplicate"]), (200, True))
        self.assertEqual(again.json()["job"], first.json()["job"])
        self.assertEqual(again.json()["event"], first.json()["event"])
        self.assertEqual(belayd.post("b", delivery="x").status, 202)
        for key in ("k 1", "k" * 256):  # else the repetition would run, too
            answer = belayd.post("a", headers={"Idempotency-Key": key})
            self.assertEqual((answer.status, "Idempotency-Key" in answer.json()["detail"]), (400, True))
        by_key = belayd.post("a", headers={"Idempotency-Key": "k"})
        self.assertEqual(belayd.post("a", headers={"Idempotency-Key": "k"}).json()["job"], by_key.json()["job"])

        connections = [connect(belayd.address("ingress")) for _ in range(32)]
        for connection in connections:
            connection.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}"), "X-GitHub-Delivery": "y"})
        answers = []
        for connection in connections:
            response = connection.getresponse()
            answers.append((response.status, json.loads(response.read())["job"]))
            connection.close()
        self.assertEqual(sorted(status for status, _ in answers), [200] * 31 + [202])
        self.assertEqual(len({job for _, job in answers}), 1)
        belayd.stop()

    def test_a_repeated_delivery_of_a_failed_job_runs_it_again(self):
        belayd = self.belayd(hook("a", ["/bin/sh", "-c", "exit $((BELAY_ATTEMPT == 1))"]))
        first = belayd.post("a", delivery="x").json()
        belayd.wait_job(first["job"], "failed")
        again = belayd.post("a", delivery="x")
        self.assertEqual((again.status, again.json()["job"]), (202, first["job"]))
        job = belayd.wait_job(first["job"], "succeeded")
        self.assertEqual([a["outcome"] for a in job["attempt_list"]], ["exited", "succeeded"])
        belayd.stop()

    def test_limits_come_before_bodies(self):
        """B09, B10: 413 by Content-Length at once and never 100; B63: a 10 MiB upload still reads its 413."""
        belayd = self.belayd(hook("a", ["/bin/true"], "max_body = \"1KiB\""))
        host, port = belayd.address("ingress").rsplit(":", 1)
        head = b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10485760\r\n"
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            raw.sendall(head + b"Expect: 100-continue\r\n\r\n")
            self.assertTrue(raw.recv(65536).startswith(b"HTTP/1.1 413 "))
        with socket.create_connection((host, int(port)), timeout=30) as raw:
            raw.sendall(head + b"\r\n")
            raw.sendall(b"x" * 10485760)
            self.assertTrue(raw.recv(65536).startswith(b"HTTP/1.1 413 "))
        self.assertEqual(belayd.post("a", b"x" * 1024).status, 202)
        belayd.stop()

    def test_every_refusal_is_counted_once(self):
        """At admission, while the body comes, and after it."""
        sections = {"ingress": 'listen = "127.0.0.1:0"\nbody_memory = "64KiB"\n'}
        config = hook("a", ["/bin/true"], 'max_body = "1KiB"') + hook("b", ["/bin/true"], 'max_body = "64KiB"')
        belayd = self.belayd(config, sections=sections)
        host, port = belayd.address("ingress").rsplit(":", 1)

        def send(hook_name, rest):
            raw = socket.create_connection((host, int(port)), timeout=60)
            self.addCleanup(raw.close)
            raw.sendall(f"POST /hooks/{hook_name} HTTP/1.1\r\nHost: a\r\n{rest}".encode())
            return raw

        def status(raw):
            return int(raw.recv(65536).split()[1])

        def status_of(hook_name, rest):
            with send(hook_name, rest) as raw:
                return status(raw)

        def refused(hook_name="a"):
            return belayd.metrics()[f'belay_events_total{{hook="{hook_name}",result="refused"}}']
        expected = 0
        for what, code, answer in (
            ("signature", 401, lambda: belayd.post("a", secret=b"wrong").status),
            ("method", 405, lambda: fetch(belayd.address("ingress"), "GET", "/hooks/a").status),
            ("length", 413, lambda: belayd.post("a", b"x" * 1025).status),
            ("chunked", 413, lambda: status_of("a", "Transfer-Encoding: chunked\r\n\r\n800\r\n")),
        ):
            with self.subTest(what):
                self.assertEqual(answer(), code)
                expected += 1
                self.assertEqual(refused(), expected)

        holder = send("b", "Content-Length: 65536\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(status(holder), 100)  # it has some of body_memory
        self.assertEqual(belayd.post("b", b"x" * 65536).status, 503)
        self.assertEqual(refused("b"), 1)
        holder.sendall(b"x" * 65536)
        self.assertEqual(status(holder), 401)
        holder.close()
        self.assertEqual(refused("b"), 2)

        belayd.sections["ingress"] += 'body_timeout = "10ms"\n'
        belayd.write_config(config)
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(status_of("a", "Content-Length: 10\r\n\r\n"), 408)
        self.assertEqual(belayd.post("nope").status, 404)
        self.assertEqual((refused(), refused("b")), (expected + 1, 2))
        self.assertEqual(belayd.metrics()['belay_events_total{hook="a",result="accepted"}'], 0)
        belayd.stop()

    def test_connections_over_the_cap_are_counted(self):
        belayd = self.belayd(hook("a", ["/bin/true"]),
                             sections={"ingress": 'listen = "127.0.0.1:0"\nmax_connections = 1\n'})
        kept = connect(belayd.address("ingress"))
        self.addCleanup(kept.close)
        kept.request("POST", "/hooks/a", b"{}")
        answer = kept.getresponse()
        self.assertEqual((answer.status, answer.read() != b""), (401, True))
        refused = 'belay_connections_refused_total{server="ingress",reason="%s"}'
        self.assertEqual(belayd.metrics()[refused % "total"], 0)
        self.assertEqual(belayd.post("a").status, 503)
        metrics = belayd.metrics()
        self.assertEqual((metrics[refused % "total"], metrics[refused % "address"]), (1, 0))
        belayd.stop()

    def test_unknown_hooks_and_methods(self):
        belayd = self.belayd(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.post("nope").status, 404)
        answer = fetch(belayd.address("ingress"), "GET", "/hooks/a")
        self.assertEqual((answer.status, answer.headers["Allow"]), (405, "POST, OPTIONS"))
        for path in ("/healthz", "/metrics", "/api/v1/jobs", "/"):
            self.assertEqual(fetch(belayd.address("ingress"), "GET", path).status, 404)
        for path in ("/api/v1/jobs", "/debug/threads", "/hooks/a"):
            self.assertEqual(fetch(belayd.address("admin"), "GET", path).status, 404)
        belayd.stop()

    def test_hook_without_authentication_runs_only_because_it_says_so(self):
        belayd = self.belayd('[hooks.open]\nauth = "none"\nrun = ["/bin/true"]\n')
        self.assertEqual(belayd.post("open", secret=None).status, 202)
        belayd.stop()

    def test_a_refusal_is_one_record_that_says_why(self):
        belayd = self.belayd(hook("a", ["/bin/true"]))
        answer = belayd.post("a", secret=b"wrong")
        self.assertEqual(answer.status, 401)
        belayd.stop()
        told = [r for r in belayd.records() if answer.headers["X-Request-Id"] in r.values()]
        self.assertEqual(len(told), 1, told)
        self.assertEqual((told[0]["level"], told[0]["path"], told[0]["status"]), ("info", "/hooks/a", 401))
        self.assertEqual(told[0]["reason"], answer.json()["detail"])

    def test_extraction_failures_are_refused(self):
        belayd = self.belayd("""
[hooks.a]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/echo", { payload = "/name" }]
""")
        for body, status in ((b"{}", 422), (b"not json", 400), (b'{"name":"-rf"}', 422), (b'{"name":"a\\u0000b"}', 400),
                             (b"[" * 100_000, 400), (json.dumps({"name": "x" * 131_072}).encode(), 413),
                             (b'{"name":"$(id);`id`\\n x"}', 202)):
            answer = belayd.post("a", body)
            self.assertEqual(answer.status, status, (body[:40], answer))
        job = belayd.api("GET", "/jobs").json()["jobs"][0]["id"]
        belayd.wait_job(job, "succeeded")
        self.assertEqual(belayd.output(job)["stdout"], "$(id);`id`\n x\n")
        belayd.stop()

    def test_a_refusal_for_want_of_a_store_tells_nothing_of_it(self):
        """Neither of a store that is known to be unavailable nor of one that turns out to be: no path, no SQLite."""
        belayd = self.belayd(hook("a", ["/bin/true"]))
        other = sqlite3.connect(belayd.base / "state" / "belay.db")
        other.execute("BEGIN IMMEDIATE")
        locked = belayd.post("a")
        other.close()
        belayd.wait_record("another process has locked the database, retrying")
        self.assertEqual(belayd.post("a").status, 202)
        belayd.sections["store"] = 'free_space_floor = "1024TiB"\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        belayd.wait_record("free space is below the floor, accepting and starting nothing")
        below = wait_until(lambda: (a := belayd.post("a")).status == 503 and a, "503 below the floor")
        for answer in (locked, below):
            self.assertEqual(answer.status, 503, answer)
            self.assertEqual(answer.headers["Retry-After"], "5")
            self.assertEqual(answer.json()["detail"], "events cannot be stored now; try again")
            self.assertNotIn("belay.db", str(answer.headers) + answer.body.decode())
        belayd.stop()

    def test_unix_socket_listener_and_its_mode(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-test-")
        self.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name) / "ingress.sock"
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), sections={"ingress": f'listen = ["unix:{path}"]\n'}))
        self.assertTrue(stat.S_ISSOCK(os.stat(path).st_mode))
        self.assertEqual(fetch(f"unix:{path}", "POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")}).status, 202)
        belayd.stop()
        self.assertFalse(path.exists())


class Trace(TestCase):
    def test_the_trace_reaches_the_job_with_a_span_of_its_own(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "echo $TRACEPARENT"])))
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        job = belayd.post("a", headers={"traceparent": parent}).json()["job"]
        belayd.wait_job(job, "succeeded")
        version, trace, span, flags = belayd.output(job)["stdout"].strip().split("-")
        self.assertEqual((version, trace, flags), ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01"))
        self.assertNotEqual(span, "00f067aa0ba902b7")
        record = belayd.wait_record("attempt finished", job=job)
        self.assertEqual(record["hook"], "a")
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
