"""What ingress answers beyond one event, one 202: hooks that share a path, queues that are full, limits of rates, jobs
whose end is waited for."""
import base64
import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import sqlite3
import tempfile
import unittest

from tests.integration.harness import Answer, Belayd, TestCase, connect, fetch, hook, sign, wait_until
from tests.integration.senders_test import KEY, signed


def events_total(metrics, hook_name, result):
    return metrics[f'belay_events_total{{hook="{hook_name}",result="{result}"}}']


class SharedPath(TestCase):
    """Fan-out: hooks of one path."""

    def belayd(self, config, **secrets):
        base = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-")))
        for name, text in secrets.items():  # before it starts
            secret = base / f"{name}.secret"
            secret.write_text(text)
            secret.chmod(0o600)
        return self.start(Belayd(config, directory=base))

    def rows(self, belayd, sql):
        with sqlite3.connect(f"file:{belayd.base}/state/belay.db?mode=ro", uri=True) as database:
            return database.execute(sql).fetchall()

    def counts(self, belayd, *hooks):
        metrics = belayd.metrics()
        return [{result: int(events_total(metrics, name, result)) for result in ("accepted", "duplicate", "ignored", "refused")
                 if events_total(metrics, name, result)} for name in hooks]

    def test_each_hook_gets_a_job_of_its_own(self):
        echo = ["/bin/sh", "-c", "echo $BELAY_HOOK; cat"]
        belayd = self.belayd(hook("b", echo, 'path = "p"') + hook("a", echo, 'path = "p"') + hook("c", echo))
        answer = belayd.post("p", b'{"n":1}', delivery="d")
        self.assertEqual(answer.status, 202, answer)
        events = answer.json()["events"]
        self.assertEqual([(e["hook"], e["state"]) for e in events], [("a", "queued"), ("b", "queued")])
        self.assertEqual(len({e["event"] for e in events} | {e["job"] for e in events}), 4)
        for event in events:
            belayd.wait_job(event["job"], "succeeded")
            self.assertEqual(belayd.output(event["job"])["stdout"], event["hook"] + '\n{"n":1}')
        again = belayd.post("p", b'{"n":1}', delivery="d")
        self.assertEqual(again.status, 200)
        self.assertEqual([(e["job"], e["duplicate"], e["state"]) for e in again.json()["events"]],
                         [(e["job"], True, "succeeded") for e in events])
        self.assertEqual(belayd.post("a").status, 404, "the name is no path where there is one")
        self.assertEqual(belayd.post("c").json()["state"], "queued", "who is alone at its path is answered as ever")
        self.assertEqual(self.counts(belayd, "a", "b", "c"),
                         [{"accepted": 1, "duplicate": 1}, {"accepted": 1, "duplicate": 1}, {"accepted": 1}])
        belayd.stop()

    def test_a_sender_learns_nothing_of_hooks_whose_secret_it_has_not(self):
        belayd = self.belayd(hook("a", ["/bin/true"], 'path = "p"') + """
[hooks.b]
path = "p"
auth = { scheme = "bearer", secret_file = "b.secret" }
run = ["/bin/true"]
""", b="token")
        body = b"{}"
        github, bearer = {"X-Hub-Signature-256": sign(body)}, {"Authorization": "Bearer token"}

        def send(headers):
            return fetch(belayd.address("ingress"), "POST", "/hooks/p", body, headers)
        for headers, hooks in ((github, ["a"]), (bearer, ["b"]), (github | bearer, ["a", "b"])):
            answer = send(headers)
            self.assertEqual((answer.status, [e["hook"] for e in answer.json()["events"]]), (202, hooks), answer)
        refused = send({"Authorization": "Bearer other", "X-Hub-Signature-256": sign(body, b"other")})
        self.assertEqual((refused.status, refused.headers["WWW-Authenticate"]), (401, "X-Hub-Signature-256, Bearer"))
        self.assertEqual(refused.json()["detail"], "the request is authentic to no hook of this path")
        # Who is meant for another hook is not counted: only who is meant for none.
        self.assertEqual(self.counts(belayd, "a", "b"), [{"accepted": 2, "refused": 1}, {"accepted": 2, "refused": 1}])
        self.assertEqual(len(belayd.api("GET", "/events").json()["events"]), 4)
        belayd.stop()

    def test_what_one_refuses_none_gets(self):
        belayd = self.belayd(hook("a", ["/bin/true"], 'path = "p"\nmax_body = "1KiB"') + """
[hooks.b]
path = "p"
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/echo", { payload = "/name" }]
max_body = "4KiB"
""")
        for body, status in ((b"{}", 422), (b"[", 400), (json.dumps({"name": "x" * 1024}).encode(), 413),
                             (b'{"name":"x","":"' + b"x" * 4096 + b'"}', 413)):
            answer = belayd.post("p", body)
            self.assertEqual((answer.status, "events" in answer.json()), (status, False), answer)
        self.assertEqual(self.rows(belayd, "SELECT count(*) FROM events"), [(0,)])
        self.assertEqual(self.counts(belayd, "a", "b"), [{"refused": 4}, {"refused": 4}])
        self.assertEqual(belayd.post("p", b'{"name":"x"}').status, 202)
        belayd.stop()

    def test_what_one_ignores_another_may_take(self):
        belayd = self.belayd("""
[hooks.a]
path = "p"
auth = "none"
run = ["/bin/true"]
[hooks.b]
path = "p"
auth = { scheme = "bearer", secret_file = "b.secret" }
run = ["/bin/true"]
""", b="token")

        def ping(headers):
            return fetch(belayd.address("ingress"), "POST", "/hooks/p", b"{}", {"X-GitHub-Event": "ping", **headers})
        answer = ping({"Authorization": "Bearer token"})
        ignored = {"hook": "a", "state": "ignored", "reason": "ping"}
        self.assertEqual((answer.status, answer.json()["events"][0]), (202, ignored))
        self.assertEqual((answer.json()["events"][1]["hook"], answer.json()["events"][1]["state"]), ("b", "queued"))
        answer = ping({})
        self.assertEqual((answer.status, answer.json()), (200, {"events": [ignored]}))
        self.assertEqual(self.counts(belayd, "a", "b"), [{"ignored": 2}, {"accepted": 1}])
        belayd.stop()

    def test_a_challenge_is_answered_and_runs_nothing(self):
        belayd = self.belayd("""
[hooks.log]
path = "p"
auth = "none"
run = ["/bin/echo", { payload = "/event/type" }]
[hooks.slack]
path = "p"
auth = { scheme = "slack", secret_file = "slack.secret" }
run = ["/bin/true"]
""", slack=KEY.decode())
        body = b'{"type":"url_verification","challenge":"3eZbrw1aB"}'
        answer = fetch(belayd.address("ingress"), "POST", "/hooks/p", body,
                       {"Content-Type": "application/json", **signed("slack", body)})
        self.assertEqual((answer.status, answer.json()), (200, {"challenge": "3eZbrw1aB"}))
        self.assertEqual(self.counts(belayd, "log", "slack"), [{"ignored": 1}, {"ignored": 1}])
        belayd.stop()

    def test_a_death_leaves_both_events_or_none(self):
        """kill -9 under load, a few times: what a 202 named is there, and no event without its sibling."""
        config = hook("a", ["/bin/true"], 'path = "p"') + hook("b", ["/bin/true"], 'path = "p"')
        belayd = Belayd(config)
        acknowledged = []
        for life in range(4):
            self.start(belayd)
            with concurrent.futures.ThreadPoolExecutor(8) as senders:
                def send(number, target=belayd, prefix=life):
                    try:
                        answer = target.post("p", delivery=f"{prefix}-{number}")
                    except OSError:
                        return None
                    if answer.status == 202 and len(acknowledged) > 20 * prefix + 20:
                        target.process.kill()
                    acknowledged.extend(e["event"] for e in answer.json()["events"])
                    return answer.status
                list(senders.map(send, range(200)))
            belayd.process.kill()
            belayd.process.wait()
            belayd.owns_directory = False
            belayd.close()
            rows = self.rows_of(belayd.base)
            self.assertEqual([row for row in rows if row[1] != 2], [], "each delivery is two events")
            self.assertLessEqual(set(acknowledged), self.ids_of(belayd.base))
            belayd = Belayd(config, directory=belayd.base)
        belayd.owns_directory = True
        self.start(belayd)
        self.assertGreaterEqual(len(acknowledged), 8)
        belayd.stop()

    def rows_of(self, base):
        with sqlite3.connect(base / "state" / "belay.db") as database:
            return database.execute("SELECT delivery_id, count(*) FROM events GROUP BY delivery_id").fetchall()

    def ids_of(self, base):
        with sqlite3.connect(base / "state" / "belay.db") as database:
            ids = [row[0].hex() for row in database.execute("SELECT id FROM events")]
        return {f"{i[:8]}-{i[8:12]}-{i[12:16]}-{i[16:20]}-{i[20:]}" for i in ids}


class MismatchStatus(TestCase):
    WHEN = 'when = { payload = "/ref", equals = "main" }\n'

    def test_what_rules_do_not_match_is_answered_as_the_hook_says(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], self.WHEN + "mismatch_status = 404") +
                                   hook("b", ["/bin/true"], self.WHEN + "mismatch_status = 204") +
                                   hook("c", ["/bin/true"], self.WHEN)))
        answer = belayd.post("a")
        self.assertEqual((answer.status, answer.json()["state"]), (404, "ignored"), answer)
        self.assertEqual((belayd.post("b").status, belayd.post("b").body), (204, b""))
        self.assertEqual(belayd.post("c").status, 200)
        self.assertEqual(belayd.post("a", event="ping").status, 200, "a ping is no mismatch")
        self.assertEqual(belayd.post("a", b'{"ref":"main"}').status, 202)
        self.assertEqual(events_total(belayd.metrics(), "a", "ignored"), 2)
        belayd.stop()

    def test_of_hooks_that_share_a_path_the_first_one_says(self):
        belayd = self.start(Belayd(hook("b", ["/bin/true"], self.WHEN + 'path = "p"\nmismatch_status = 404') +
                                   hook("a", ["/bin/true"], self.WHEN + 'path = "p"\nmismatch_status = 403')))
        answer = belayd.post("p")
        self.assertEqual((answer.status, [e["state"] for e in answer.json()["events"]]), (403, ["ignored"] * 2), answer)
        belayd.stop()


class QueueFull(TestCase):
    def test_what_is_beyond_the_bound_is_told_to_come_again(self):
        config = hook("a", ["/bin/sleep", "1000"], "concurrency = 1\nmax_queued = 2") + hook("b", ["/bin/true"])
        belayd = self.start(Belayd(config, sections={"runner": 'kill_grace = "2s"\nmax_jobs = 1\n'}))
        running = belayd.post("a", delivery="1").json()["job"]
        belayd.wait_job(running, "running")
        next_one, _ = [belayd.post("a", delivery=delivery).json()["job"] for delivery in ("2", "3")]
        answer = belayd.post("a", delivery="4")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (503, "30"), answer)
        self.assertEqual(answer.json()["detail"], "too many jobs of this hook are waiting; try again later")
        for delivery in ("1", "3"):
            known = belayd.post("a", delivery=delivery)
            self.assertEqual((known.status, known.json()["duplicate"]), (200, True))
        self.assertEqual(belayd.post("b").status, 202)
        metrics = belayd.metrics()
        self.assertEqual([events_total(metrics, "a", r) for r in ("accepted", "duplicate", "refused")], [3, 2, 1])
        belayd.api("POST", f"/jobs/{running}/cancel")
        belayd.wait_job(next_one, "running")
        self.assertEqual(belayd.post("a", delivery="4").status, 202, "there is room again")
        belayd.stop()


class RateLimit(TestCase):
    def limited(self, metrics, hook_name, limit):
        return metrics[f'belay_rate_limited_total{{hook="{hook_name}",limit="{limit}"}}']

    def test_a_source_is_told_when_to_come_again(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], 'rate_limit = { per_source = "3/1h" }') +
                                   hook("b", ["/bin/true"], 'rate_limit = { per_source = "3/1h" }') + hook("c", ["/bin/true"])))
        self.assertEqual([belayd.post("a", delivery=str(n)).status for n in range(3)], [202] * 3)
        answer = belayd.post("a")
        self.assertEqual((answer.status, answer.json()["detail"]),
                         (429, "too many requests from this address; try again later"), answer)
        self.assertGreater(int(answer.headers["Retry-After"]), 1100)
        self.assertLessEqual(int(answer.headers["Retry-After"]), 1200)  # a third of the hour
        self.assertEqual(belayd.post("a", secret=b"wrong").status, 429, "before authentication")
        self.assertEqual([belayd.post(name).status for name in "bc"], [202, 202], "each hook counts for itself")
        other = socket.create_connection(("127.0.0.1", int(belayd.address("ingress").rsplit(":", 1)[1])), timeout=60,
                                         source_address=("127.0.0.2", 0))
        self.addCleanup(other.close)
        other.sendall(b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
        self.assertIn(b" 401 ", other.recv(65536), "each source, too")
        metrics = belayd.metrics()
        self.assertEqual([self.limited(metrics, name, "per_source") for name in "ab"], [2, 0])
        self.assertEqual([events_total(metrics, "a", result) for result in ("accepted", "refused")], [3, 3])
        self.assertNotIn('belay_rate_limited_total{hook="a",limit="per_hook"}', metrics)
        belayd.stop()

    def test_no_byte_of_a_body_is_read_for_a_429(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], 'rate_limit = { per_hook = "1/1h" }')))
        self.assertEqual(belayd.post("a").status, 202)
        host, port = belayd.address("ingress").rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=60) as raw:
            raw.sendall(b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n")
            self.assertTrue(raw.recv(65536).startswith(b"HTTP/1.1 429 "))
        self.assertEqual(self.limited(belayd.metrics(), "a", "per_hook"), 1)
        belayd.stop()

    def test_a_hook_refills_as_time_passes(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], 'rate_limit = { per_hook = "2/2s" }')))
        statuses = [belayd.post("a").status for _ in range(2)]
        self.assertEqual(statuses, [202, 202])
        wait_until(lambda: (answer := belayd.post("a")).status == 429 and answer.headers["Retry-After"] == "1", "a 429")
        wait_until(lambda: belayd.post("a").status == 202, "a token")
        belayd.stop()

    def test_who_is_over_its_own_limit_takes_nothing_from_the_hook(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], 'rate_limit = { per_source = "1/1h", per_hook = "3/1h" }')))
        self.assertEqual([belayd.post("a").status for _ in range(5)], [202] + [429] * 4)
        port = int(belayd.address("ingress").rsplit(":", 1)[1])
        statuses = []
        for source in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0)) as other:
                other.sendall(b"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
                statuses.append(other.recv(65536).split()[1])
        self.assertEqual(statuses, [b"401", b"401", b"429"])
        metrics = belayd.metrics()
        self.assertEqual([self.limited(metrics, "a", limit) for limit in ("per_source", "per_hook")], [4, 1])
        belayd.stop()

    def test_one_request_is_one_for_each_hook_of_its_path(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"], 'path = "p"\nrate_limit = { per_hook = "2/1h" }') +
                                   hook("b", ["/bin/true"], 'path = "p"\nrate_limit = { per_hook = "1/1h" }')))
        self.assertEqual([belayd.post("p").status for _ in range(3)], [202, 429, 429])
        metrics = belayd.metrics()
        self.assertEqual([self.limited(metrics, name, "per_hook") for name in "ab"], [1, 1])
        self.assertEqual(len(belayd.api("GET", "/events").json()["events"]), 2, "of one request")
        belayd.stop()

    def test_a_reload_keeps_what_a_limit_has_left_unless_it_changes(self):
        limited = 'rate_limit = { per_source = "2/1h", per_hook = "3/1h" }'
        belayd = self.start(Belayd(hook("a", ["/bin/true"], limited)))
        self.assertEqual([belayd.post("a").status for _ in range(3)], [202, 202, 429])
        belayd.write_config(hook("a", ["/bin/true"], limited + "\nattempts = 2"))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(belayd.post("a").status, 429)
        belayd.write_config(hook("a", ["/bin/true"], 'rate_limit = { per_source = "3/1h", per_hook = "3/1h" }'))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual([belayd.post("a").status for _ in range(2)], [202, 429], "of the hook's own one is left")
        self.assertEqual(self.limited(belayd.metrics(), "a", "per_hook"), 1)
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()


class Wait(TestCase):
    """Answers that wait for the jobs' end."""

    GATE = ["/bin/sh", "-c", 'read line < "$0"; echo "$line"; echo err >&2; exit 3']

    def fifo(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-fifo-")
        self.addCleanup(directory.cleanup)
        os.mkfifo(f"{directory.name}/gate")
        return f"{directory.name}/gate"

    def open_gate(self, fifo, line="open"):
        """Blocks until the command reads."""
        with open(fifo, "w") as gate:
            gate.write(line + "\n")

    def ask(self, belayd, path, wait=None, delivery=None):
        """Sends, and returns the connection on which the answer will come."""
        connection = connect(belayd.address("ingress"))
        self.addCleanup(connection.close)
        headers = {"X-Hub-Signature-256": sign(b"{}")}
        if wait is not None:
            headers["Prefer"] = wait
        if delivery:
            headers["X-GitHub-Delivery"] = delivery
        connection.request("POST", f"/hooks/{path}", b"{}", headers)
        return connection

    def answer(self, connection):
        return Answer(connection.getresponse())

    def running(self, belayd, count=1):
        wait_until(lambda: belayd.metrics()['belay_jobs{state="running"}'] == count, f"{count} running jobs")

    def test_the_outcome_and_the_output_are_answered(self):
        belayd = self.start(Belayd(
            hook("good", ["/bin/sh", "-c", "cat; echo oops >&2"]) + hook("bad", ["/bin/sh", "-c", "echo no; exit 3"]) +
            hook("dies", ["/bin/sh", "-c", "kill -9 $$"]) + hook("bytes", ["/usr/bin/printf", r"\377\000x"]) +
            hook("again", ["/bin/sh", "-c", "exit $((BELAY_ATTEMPT < 2))"], 'attempts = 2\nbackoff = "10ms"') +
            hook("none", ["/bin/true"])))
        answer = belayd.post("good", b'{"n":1}', {"Prefer": "wait=20"})
        self.assertEqual((answer.status, answer.headers["Preference-Applied"]), (200, "wait=20"), answer)
        document = answer.json()
        self.assertEqual((document["state"], document["attempt"]["outcome"], document["attempt"]["exit_status"]),
                         ("succeeded", "succeeded", 0))
        self.assertEqual([document["attempt"][key] for key in ("stdout", "stdout_dropped", "stderr", "stderr_dropped")],
                         ['{"n":1}', 0, "oops\n", 0])
        self.assertEqual(belayd.job(document["job"])["event"], document["event"])
        bad = belayd.post("bad", headers={"Prefer": "wait=20"})
        self.assertEqual((bad.status, bad.json()["state"], bad.json()["attempt"]["exit_status"]), (200, "failed", 3), bad)
        self.assertEqual((bad.json()["attempt"]["stdout"], bad.json()["reason"] != ""), ("no\n", True))
        dies = belayd.post("dies", headers={"Prefer": "wait=20"}).json()
        self.assertEqual((dies["state"], dies["attempt"]["outcome"], dies["attempt"]["signal"]), ("failed", "signalled", 9))
        raw = belayd.post("bytes", headers={"Prefer": "wait=20"}).json()["attempt"]
        self.assertEqual((base64.b64decode(raw["stdout_base64"]), "stdout" in raw), (b"\xff\0x", False))
        again = belayd.post("again", headers={"Prefer": "wait=20"}).json()
        self.assertEqual((again["state"], again["attempt"]["attempt"]), ("succeeded", 2))
        without = belayd.post("none")
        self.assertEqual((without.status, without.json()["state"], without.headers["Preference-Applied"]),
                         (202, "queued", None))
        record = belayd.wait_record("request answered", path="/hooks/good", status=200)
        self.assertEqual(record["request_bytes"], 7)
        belayd.stop()

    def test_output_is_cut_where_a_character_begins(self):
        script = "i=0; while [ $i -lt 40000 ]; do echo é; i=$((i+1)); done | tr -d '\\n'; head -c 65536 /dev/zero | tr '\\0' y >&2"
        belayd = self.start(Belayd(hook("a", ["/bin/sh", "-c", "printf x; " + script], 'wait = "1m"')))
        attempt = belayd.post("a").json()["attempt"]
        self.assertEqual(attempt["stdout"], "x" + "é" * 32767)
        self.assertEqual((attempt["stdout_dropped"], attempt["stderr"], attempt["stderr_dropped"]),
                         (80001 - 65535, "y" * 65536, 0))
        belayd.stop()

    def test_what_is_not_done_in_time_is_accepted(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo], 'max_wait = "50ms"') +
                                   hook("deaf", [*self.GATE, fifo], 'max_wait = "0s"') +
                                   hook("own", [*self.GATE, fifo], 'wait = "50ms"'),
                                   sections={"runner": 'kill_grace = "2s"\nmax_jobs = 1\n'}))
        answer = belayd.post("a", headers={"Prefer": "respond-async, wait=3600"}, delivery="d")
        self.assertEqual((answer.status, answer.json()["state"], "attempt" in answer.json()), (202, "queued", False))
        again = belayd.post("a", headers={"Prefer": "wait=3600"}, delivery="d")
        self.assertEqual((again.status, again.json()["duplicate"], again.json()["job"]), (200, True, answer.json()["job"]))
        deaf = belayd.post("deaf", headers={"Prefer": "wait=3600"})
        self.assertEqual((deaf.status, deaf.headers["Preference-Applied"]), (202, None))
        own = belayd.post("own")
        self.assertEqual((own.status, own.headers["Preference-Applied"]), (202, None))
        not_now = belayd.post("own", headers={"Prefer": "wait=0"})
        self.assertEqual((not_now.status, not_now.headers["Preference-Applied"]), (202, "wait=0"))
        for accepted in answer, deaf, own, not_now:  # in this order; one after the other, at one gate
            self.open_gate(fifo)
            done = belayd.wait_job(accepted.json()["job"], "failed")
        self.assertEqual(done["attempt_list"][0]["exit_status"], 3)
        late = belayd.post("own", headers={"Prefer": "wait=nonsense"}, delivery="e")
        self.assertEqual(late.status, 202)
        belayd.stop()

    def test_whoever_waits_is_woken_when_it_ends_and_a_known_delivery_may_wait_too(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo])))
        first = self.ask(belayd, "a", "wait=30", "d")
        self.running(belayd)
        second = self.ask(belayd, "a", "wait=30", "d")
        wait_until(lambda: belayd.metrics()['belay_events_total{hook="a",result="duplicate"}'] == 1, "the duplicate")
        self.open_gate(fifo)
        answers = [self.answer(connection) for connection in (first, second)]
        self.assertEqual([a.status for a in answers], [200, 200])
        self.assertEqual([a.json()["attempt"]["stdout"] for a in answers], ["open\n"] * 2)
        self.assertEqual([a.json().get("duplicate", False) for a in answers], [False, True])
        first.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}"), "X-GitHub-Delivery": "d", "Prefer": "wait=0"})
        self.assertEqual(self.answer(first).status, 202, "it had failed: it runs again; the connection goes on")
        self.open_gate(fifo)
        belayd.stop()

    def test_a_job_that_is_cancelled_has_ended(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo]), sections={"runner": 'kill_grace = "2s"\nmax_jobs = 1\n'}))
        running = self.ask(belayd, "a", "wait=30")
        self.running(belayd)
        queued = self.ask(belayd, "a", "wait=30")
        job = wait_until(lambda: belayd.api("GET", "/jobs?state=queued").json()["jobs"], "the second job")[0]["id"]
        belayd.api("POST", f"/jobs/{job}/cancel")
        answer = self.answer(queued)
        self.assertEqual((answer.status, answer.json()["state"], answer.json()["reason"], "attempt" in answer.json()),
                         (200, "cancelled", "cancelled", False), answer)
        self.open_gate(fifo)
        self.assertEqual(self.answer(running).json()["state"], "failed")
        belayd.stop()

    def test_hooks_of_one_path_are_all_waited_for(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", ["/bin/echo", "quick"], 'path = "p"\nwait = "1m"') +
                                   hook("b", [*self.GATE, fifo], 'path = "p"')))
        waiting = self.ask(belayd, "p")
        wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 1, "the quick one")
        self.open_gate(fifo)
        answer = self.answer(waiting)
        self.assertEqual(answer.status, 200)
        self.assertEqual([(e["hook"], e["state"], e["attempt"]["stdout"]) for e in answer.json()["events"]],
                         [("a", "succeeded", "quick\n"), ("b", "failed", "open\n")])
        early = belayd.post("p", headers={"Prefer": "wait=1"})
        self.assertEqual(early.status, 202)
        self.assertEqual([(e["hook"], e["state"]) for e in early.json()["events"]], [("a", "succeeded"), ("b", "queued")])
        self.open_gate(fifo)
        belayd.stop()

    def test_a_client_that_leaves_waits_no_more(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo], 'max_wait = "1h"'),  # two would share what is written
                                   sections={"runner": 'kill_grace = "2s"\nmax_jobs = 1\n'}))
        leaving = self.ask(belayd, "a", "wait=3600")
        self.running(belayd)
        leaving.close()
        belayd.wait_record("request answered", path="/hooks/a", status=202)
        wait_until(lambda: belayd.connections() == 0, "the end of the connection")
        half = self.ask(belayd, "a", "wait=3600")
        half.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.answer(half).status, 202)
        for ended in 1, 2:
            self.open_gate(fifo)
            wait_until(lambda: belayd.metrics()['belay_jobs{state="failed"}'] == ended, f"the end of {ended} jobs")
        belayd.stop()

    def test_no_more_than_so_many_wait(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sleep", "1000"], 'wait = "1h"\nmax_queued = 2000'),
                                   sections={"ingress": 'listen = "127.0.0.1:0"\nmax_connections = 2000\n'}))
        waiting = [self.ask(belayd, "a") for _ in range(1000)]
        wait_until(lambda: belayd.metrics()['belay_events_total{hook="a",result="accepted"}'] == 1000, "1,000 events")
        wait_until(lambda: belayd.connections() == 1000, "1,000 connections")
        self.assertEqual(belayd.post("a").status, 202)
        waiting.pop().close()
        wait_until(lambda: belayd.connections() == 999, "one to leave")
        one_more = self.ask(belayd, "a")
        one_more.sock.settimeout(0.2)
        with self.assertRaises(TimeoutError):  # what is under test is time that passes
            one_more.getresponse()
        belayd.stop()

    def test_a_drain_answers_when_its_jobs_have_ended(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo], 'wait = "1h"'), sections={
            "daemon": 'drain_timeout = "30s"\n', "runner": 'kill_grace = "2s"\nmax_jobs = 1\n'}))
        running = self.ask(belayd, "a")
        self.running(belayd)
        queued = self.ask(belayd, "a")
        wait_until(lambda: belayd.metrics()['belay_jobs{state="queued"}'] == 1, "a queued job")
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_message("STOPPING", "1")
        self.open_gate(fifo)
        answers = [self.answer(connection) for connection in (running, queued)]
        self.assertEqual([(a.status, a.json()["state"]) for a in answers], [(200, "failed"), (202, "queued")], answers)
        self.assertEqual(answers[1].headers["Connection"], "close")
        self.assertEqual(belayd.wait(), 0)

    def test_a_drain_does_not_wait_for_who_waits(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sleep", "1000"], 'wait = "1h"'), sections={
            "daemon": 'drain_timeout = "100ms"\n', "runner": 'kill_grace = "1s"\n'}))
        waiting = self.ask(belayd, "a")
        self.running(belayd)
        belayd.send_signal(signal.SIGTERM)
        answer = self.answer(waiting)
        self.assertEqual((answer.status, answer.json()["state"]), (202, "queued"))
        self.assertEqual(belayd.wait(), 0)
        self.assertEqual(belayd.records("leak"), [])

    def test_a_reload_disturbs_nobody(self):
        fifo = self.fifo()
        belayd = self.start(Belayd(hook("a", [*self.GATE, fifo], 'wait = "1h"')))
        waiting = self.ask(belayd, "a")
        self.running(belayd)
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.open_gate(fifo)
        self.assertEqual(self.answer(waiting).json()["attempt"]["stdout"], "open\n")
        belayd.stop()


class CompatibleAnswers(TestCase):
    """Of hooks with compat = "webhook", what an operator has to say about them."""

    def test_headers_and_output_that_is_cut(self):
        belayd = self.start(Belayd("""
[hooks.text]
compat = "webhook"
auth = "none"
run = ["/bin/true"]
webhook = { response_message = "{}", response_headers = { "content-type" = "application/json", "X-A" = "b" } }
[hooks.long]
compat = "webhook"
auth = "none"
run = ["/bin/sh", "-c", "printf 0123456789"]
output_limit = "4B"
wait = "1m"
webhook = { answer_output = "always" }
"""))
        answer = fetch(belayd.address("ingress"), "POST", "/hooks/text", b"{}")
        self.assertEqual((answer.status, answer.body), (200, b"{}"))
        self.assertEqual(answer.headers.get_all("Content-Type"), ["application/json"])
        self.assertEqual(answer.headers["X-A"], "b")
        answer = fetch(belayd.address("ingress"), "POST", "/hooks/long", b"{}")
        self.assertEqual((answer.status, answer.body, answer.headers["Belay-Output-Dropped"]), (200, b"0123", "6"))
        for name in ("Content-Length", "transfer-encoding", "Connection", "Date"):
            belayd.write_config(f"""
[hooks.text]
compat = "webhook"
auth = "none"
run = ["/bin/true"]
webhook = {{ response_headers = {{ "{name}" = "3" }} }}
""")
            refused = belayd.api("POST", "/reload")
            self.assertEqual(refused.status, 422)
            self.assertIn(f'"{name}" is written by belayd', refused.json()["message"])
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
