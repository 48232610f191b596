"""Upgrade in place: another executable, the same process, and nobody notices."""
import collections
import concurrent.futures
import contextlib
import http.client
import json
import os
import re
import signal
import sqlite3
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, children_of, connect, hook, sign, wait_until


STOPS = int(os.environ.get("BELAY_STOPS", "12"))  # 100 by hand
JOBS = int(os.environ.get("BELAY_JOBS", "20"))  # 200 by hand


def descendants_of(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def descriptors_of(pid):
    """How many there are of each kind: without numbers that differ from one socket or pipe to the next."""
    kinds = collections.Counter()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            kinds[re.sub(r":\[\d+\]$", "", os.readlink(f"/proc/{pid}/fd/{fd}"))] += 1
    return kinds


class Upgrade(TestCase):
    def start_build(self, config, **options):
        directory = tempfile.TemporaryDirectory(prefix="belay-builds-")
        self.addCleanup(directory.cleanup)
        self.builds = Builds(directory.name)
        belayd = Belayd(config, executable=self.builds.path, **options)
        if belayd.manager is not None:
            return self.start(belayd)
        self.addCleanup(belayd.close)
        belayd.wait_record("ready")
        return belayd

    def upgrade(self, belayd):
        self.builds.put_next()
        answer = belayd.api("POST", "/reload")
        self.assertEqual((answer.status, answer.json().get("ok")), (200, True), f"{answer}\n{belayd.log()[-3000:]}")
        return answer

    def test_process_connections_and_listeners_stay(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        kept = connect(belayd.address("ingress"))
        headers = {"X-Hub-Signature-256": sign(b"{}")}
        kept.request("POST", "/hooks/a", b"{}", headers)
        first = kept.getresponse()
        self.assertEqual((first.status, first.read() != b""), (202, True))
        socket_before = kept.sock
        before = os.readlink(f"/proc/{belayd.pid}/exe")
        starts = belayd.count_records("starting", 1)
        seen = len(belayd.messages)
        self.upgrade(belayd)
        self.assertEqual(belayd.count_records("starting", starts + 1), starts + 1)
        self.assertIn("deleted", os.readlink(f"/proc/{belayd.pid}/exe") + before + " (deleted)")
        begun = belayd.wait_message("RELOADING", "1", after=seen)
        belayd.wait_message("READY", "1", after=begun)
        kept.request("POST", "/hooks/a", b"{}", headers)
        second = kept.getresponse()
        self.assertEqual((second.status, second.read() != b""), (202, True))
        self.assertIs(kept.sock, socket_before)
        kept.close()
        self.assertEqual(belayd.post("a").status, 202)
        wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 3, "three jobs to have succeeded")
        belayd.stop()
        self.assertEqual(belayd.records("leak"), [])

    def test_what_was_half_closed_is_only_lingered_on(self):
        """Its peer has seen the end: no answer could get there, so the POST that it still sends is not to be done."""
        belayd = self.start_build(hook("a", ["/bin/true"]), sections={"ingress": 'listen = "127.0.0.1:0"\nidle_timeout = "100ms"\n'})
        late = connect(belayd.address("ingress"))
        headers = {"X-Hub-Signature-256": sign(b"{}")}
        late.request("POST", "/hooks/a", b"{}", headers)
        response = late.getresponse()
        self.assertEqual((response.status, response.read() != b""), (202, True))
        self.assertEqual(late.sock.recv(1), b"")
        self.upgrade(belayd)
        late.request("POST", "/hooks/a", b"{}", headers)
        late.close()
        wait_until(lambda: belayd.connections() == 0, "the end of the connection")
        self.assertEqual(len(belayd.api("GET", "/jobs").json()["jobs"]), 1)
        belayd.stop()

    def test_what_a_removed_listener_had_accepted_goes_on_draining(self):
        belayd = self.start_build(hook("a", ["/bin/true"]), sections={
            "ingress": f'listen = ["127.0.0.1:0", "unix:{self.enterContext(tempfile.TemporaryDirectory())}/removed.sock"]\n'})
        path = belayd.sections["ingress"].split('"')[3]
        upload = connect(path)
        upload.connect()
        body = b"{}"
        request = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(body)}\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        upload.sock.sendall(request[:-1])
        wait_until(lambda: belayd.connections() == 1, "the upload")
        belayd.sections["ingress"] = 'listen = ["127.0.0.1:0"]\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.upgrade(belayd)
        upload.sock.sendall(request[-1:])
        response = http.client.HTTPResponse(upload.sock)
        response.begin()
        self.assertEqual((response.status, response.headers["Connection"], response.read() != b""), (202, "close", True))
        self.assertEqual(upload.sock.recv(1), b"")
        upload.close()
        belayd.stop()

    def test_it_changes_the_tables_of_an_older_version_and_keeps_what_runs(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-fifo-")
        self.addCleanup(directory.cleanup)
        fifo = f"{directory.name}/end"
        os.mkfifo(fifo)
        belayd = self.start_build(hook("a", ["/bin/true"]) +
                                  hook("slow", ["/bin/sh", "-c", 'read line < "$0"; echo "$line"', fifo]))
        job = belayd.post("slow").json()["job"]
        belayd.wait_job(job, "running")
        done = belayd.post("a", delivery="d-1").json()
        earlier = done["event"]
        belayd.wait_job(done["job"], "succeeded")  # else it may be claimed from the tables of the older version
        with contextlib.closing(sqlite3.connect(belayd.base / "state" / "belay.db")) as database:
            for column in ("checksum", "segment", "files", "request"):  # what the first version did not have
                database.execute(f"ALTER TABLE events DROP COLUMN {column}")
            database.execute("DROP TABLE segments")
            database.execute("PRAGMA user_version = 1")
        self.upgrade(belayd)
        with contextlib.closing(sqlite3.connect(belayd.base / "state" / "belay.db")) as database:
            self.assertGreater(database.execute("PRAGMA user_version").fetchone()[0], 1)
        self.assertEqual(belayd.post("a").status, 202)
        again = belayd.post("a", delivery="d-1")
        self.assertEqual((again.status, again.json()["event"]), (200, earlier))
        with open(fifo, "w") as end:
            end.write("adopted\n")
        self.assertEqual(belayd.wait_job(job, "succeeded")["attempts"], 1)
        self.assertEqual(belayd.output(job)["stdout"], "adopted\n")
        belayd.stop()

    def test_a_bucket_that_was_empty_still_is(self):
        limits = 'rate_limit = { per_source = "2/1h", per_hook = "3/1h" }'
        belayd = self.start_build(hook("a", ["/bin/true"], limits) +
                                  hook("b", ["/bin/true"], 'rate_limit = { per_hook = "1/1h" }'))
        self.assertEqual([belayd.post(name).status for name in "aaab"], [202, 202, 429, 202])
        self.upgrade(belayd)
        self.assertEqual([belayd.post(name).status for name in "ab"], [429, 429])
        left = connect(belayd.address("ingress"))
        left.source_address = ("127.0.0.2", 0)
        statuses = []
        for _ in range(2):  # of another address: of the hook's three one is left
            left.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})
            response = left.getresponse()
            statuses.append((response.status, response.read() != b""))
        left.close()
        self.assertEqual(statuses, [(202, True), (429, True)])
        metrics = belayd.metrics()
        self.assertEqual([metrics[f'belay_rate_limited_total{{hook="{name}",limit="{limit}"}}'] for name, limit in
                          (("a", "per_source"), ("a", "per_hook"), ("b", "per_hook"))], [2, 1, 1])
        belayd.stop()

    def test_whoever_waits_for_a_job_is_answered_at_once(self):
        """The job goes on; the connection, too, and may ask again."""
        directory = tempfile.TemporaryDirectory(prefix="belay-fifo-")
        self.addCleanup(directory.cleanup)
        fifo = f"{directory.name}/end"
        os.mkfifo(fifo)
        belayd = self.start_build(hook("a", ["/bin/sh", "-c", 'read line < "$0"; echo "$line"', fifo], 'wait = "1h"'))
        waiting = connect(belayd.address("ingress"))
        headers = {"X-Hub-Signature-256": sign(b"{}"), "X-GitHub-Delivery": "d"}
        waiting.request("POST", "/hooks/a", b"{}", headers)
        wait_until(lambda: belayd.metrics()['belay_jobs{state="running"}'] == 1, "the job to run")
        self.upgrade(belayd)
        response = waiting.getresponse()
        answer = json.loads(response.read())
        self.assertEqual((response.status, "attempt" in answer), (202, False))
        waiting.request("POST", "/hooks/a", b"{}", headers)
        wait_until(lambda: belayd.metrics()['belay_events_total{hook="a",result="duplicate"}'] == 1, "the duplicate")
        with open(fifo, "w") as end:
            end.write("over\n")
        response = waiting.getresponse()
        again = json.loads(response.read())
        self.assertEqual((response.status, again["job"], again["state"], again["attempt"]["stdout"]),
                         (200, answer["job"], "succeeded", "over\n"))
        waiting.close()
        belayd.stop()

    def test_back_to_back(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        for _ in range(5):
            self.upgrade(belayd)
            self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()

    def test_no_descriptor_is_left_by_an_upgrade(self):
        """With everything that is handed over: listeners, a connection, a running job."""
        belayd = self.start_build(hook("a", ["/bin/true"]) + hook("slow", ["/bin/sleep", "1000"]))
        kept = connect(belayd.address("ingress"))
        kept.connect()
        job = belayd.post("slow").json()["job"]
        belayd.wait_job(job, "running")
        self.upgrade(belayd)
        after_one = descriptors_of(belayd.pid)
        for _ in range(5):
            self.upgrade(belayd)
        # What went to the last request is closed in its own time.
        wait_until(lambda: not descriptors_of(belayd.pid) - after_one, f"no more descriptors than {after_one}")
        kept.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})
        self.assertEqual(kept.getresponse().status, 202)
        kept.close()
        belayd.api("POST", f"/jobs/{job}/cancel")
        belayd.wait_job(job, "cancelled")
        belayd.stop()

    def test_whoever_waits_is_told(self):
        """Those that asked before an upgrade began, and while it was under way: in its question, and with main held."""
        failpoints = Failpoints(self)
        belayd = self.start_build(hook("a", ["/bin/true"]), env=failpoints.environment)
        waiting = 'belay_connections{server="control",state="in_flight"}'
        for starts, point in enumerate(("upgrade.question", "upgrade.asked"), 2):
            with self.subTest(point), concurrent.futures.ThreadPoolExecutor(6) as pool:
                self.builds.put_next()
                failpoints.arm(point, "wedge")
                answers = [pool.submit(belayd.api, "POST", "/reload") for _ in range(3)]
                failpoints.wait_reached(point)
                answers += [pool.submit(belayd.api, "POST", "/reload") for _ in range(3)]
                wait_until(lambda: belayd.metrics()[waiting] == 6, "all to have asked")
                failpoints.release(point)
                for answer in answers:
                    self.assertEqual((answer.result().status, answer.result().json().get("ok")), (200, True), belayd.log()[-3000:])
                self.assertEqual(belayd.count_records("starting", starts), starts)
        belayd.stop()

    def test_an_upload_goes_on_where_it_was(self):
        belayd = self.start_build(hook("a", ["/bin/cat"], 'max_body = "1MiB"'))
        body = json.dumps({"text": "x" * 300_000}).encode()
        head = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                f"X-Hub-Signature-256: {sign(body)}\r\n")
        middle = len(body) // 2
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:])) + b"0\r\n\r\n"
        for wire in (head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body,
                     head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks):
            upload = connect(belayd.address("ingress"))
            upload.connect()
            upload.sock.sendall(wire[:100_000])
            self.upgrade(belayd)
            upload.sock.sendall(wire[100_000:200_000])
            self.upgrade(belayd)
            upload.sock.sendall(wire[200_000:])
            response = http.client.HTTPResponse(upload.sock)
            response.begin()
            answer = response.read()
            self.assertEqual(response.status, 202, answer)
            job = json.loads(answer)["job"]
            upload.close()
            belayd.wait_job(job, "succeeded")
            self.assertEqual(belayd.output(job)["stdout"].encode(), body)
        belayd.stop()

    def test_running_jobs_go_on(self):
        """What they wrote before, between and after upgrades is whole, and their exit status is theirs."""
        script = ('echo before; read line < "$0.one"; echo between $line; head -c 100000 /dev/zero | tr "\\0" x; '
                  'read line < "$0.two"; echo after $line >&2; exit 7')
        directory = tempfile.TemporaryDirectory(prefix="belay-gates-")
        self.addCleanup(directory.cleanup)
        config = "".join(hook(f"job{i}", ["/bin/sh", "-c", script, f"{directory.name}/gate{i}"]) for i in range(JOBS))
        belayd = self.start_build(config, sections={"runner": f'max_jobs = {JOBS}\nkill_grace = "2s"\n'})
        for i in range(JOBS):
            os.mkfifo(f"{directory.name}/gate{i}.one")
            os.mkfifo(f"{directory.name}/gate{i}.two")
        jobs = [belayd.post(f"job{i}").json()["job"] for i in range(JOBS)]

        def open_gates(word):
            for i in range(JOBS):
                with open(f"{directory.name}/gate{i}.{word}", "w") as gate:  # waits until the job reads
                    gate.write(f"{word}{i}\n")

        for _ in range(3):
            self.upgrade(belayd)
        open_gates("one")
        for _ in range(4):
            self.upgrade(belayd)
        open_gates("two")
        for _ in range(3):
            self.upgrade(belayd)
        for i, job in enumerate(jobs):
            ended = belayd.wait_job(job, "failed")
            self.assertEqual(ended["attempts"], 1, ended)
            self.assertEqual((ended["attempt_list"][0]["outcome"], ended["attempt_list"][0]["exit_status"]), ("exited", 7))
            output = belayd.output(job)
            self.assertEqual(output["stdout"], f"before\nbetween one{i}\n" + "x" * 100_000)
            self.assertEqual(output["stderr"], f"after two{i}\n")
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_reloads_total{result="success"}'], 10)
        self.assertEqual(metrics['belay_events_total{hook="job0",result="accepted"}'], 1)  # counted by the first image
        belayd.stop()
        self.assertEqual(belayd.records("leak"), [])

    def test_what_cannot_change_keeps_the_old_image(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        self.builds.put_next()
        for change in ({"store": 'url = "sqlite:other.db"\n'}, {"daemon": ""}):
            before = belayd.sections
            belayd.sections = {**before, **change}
            if "daemon" in change:
                belayd.base, elsewhere = belayd.base / "elsewhere", belayd.base
                belayd.base.mkdir()
            belayd.write_config(hook("a", ["/bin/true"]))
            if "daemon" in change:
                (belayd.base / "belay.toml").rename(elsewhere / "belay.toml")
                belayd.base = elsewhere
            answer = belayd.api("POST", "/reload")
            self.assertEqual(answer.status, 422, answer)
            self.assertIn("cannot change while belayd runs", answer.body.decode())
            self.assertEqual(belayd.count_records("starting", 1), 1)
            belayd.sections = before
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        belayd.stop()

    def test_an_executable_that_is_gone_does_not_keep_a_reload_from_working(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        self.builds.path.unlink()
        belayd.write_config(hook("b", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(belayd.post("b").status, 202)
        self.assertEqual(belayd.api("POST", "/upgrade").status, 422)
        belayd.stop()

    def test_a_stop_at_any_moment_of_an_upgrade_is_a_stop(self):
        for i in range(STOPS):
            belayd = self.start_build(hook("a", ["/bin/true"]))
            self.builds.put_next()
            belayd.send_signal(signal.SIGUSR2)
            time.sleep(i * 0.06 / STOPS)  # not to let something happen: to meet every moment of it once
            belayd.stop()

    def test_as_process_1(self):
        """As in a container: no default signal actions, and orphans are its to reap, before and after."""
        belayd = self.start_build(hook("a", ["/bin/sh", "-c", "setsid sleep 600 & echo $PPID"]),
                                  prefix=self.prefix_of_process_1(), notify=False)
        for _ in range(3):
            job = belayd.wait_job(belayd.post("a").json()["job"], "succeeded")["id"]
            self.assertEqual(belayd.output(job)["stdout"], "1\n")
            self.upgrade(belayd)
        [inner] = children_of(belayd.pid)
        self.assertEqual(children_of(inner), [])  # the sleeps were killed and reaped
        os.kill(inner, signal.SIGTERM)
        self.assertEqual(belayd.wait(), 0, belayd.log()[-3000:])
        self.assertEqual(belayd.records("leak"), [])

    def test_what_ran_beside_it_before_it_started_stays(self):
        """A helper that a container's entry point starts before it becomes belayd is nobody's job, and no leak."""
        directory = tempfile.TemporaryDirectory(prefix="belay-helper-")
        self.addCleanup(directory.cleanup)
        # The helper has a child of its own, and makes another on request.
        helper = 'sh -c \'sleep 1000 & read line < "$0"; sleep 1000 & wait\' "$0" & exec "$@"'
        gate = f"{directory.name}/gate"
        os.mkfifo(gate)
        belayd = self.start_build(hook("a", ["/bin/sh", "-c", "setsid sleep 600 & echo done"]),
                                  prefix=["/bin/sh", "-c", helper, gate], notify=False)
        self.addCleanup(self.kill_all, helpers := [])
        helpers += wait_until(lambda: len(found := descendants_of(belayd.pid)) == 2 and found, "the helper and its child")
        belayd.wait_job(belayd.post("a").json()["job"], "succeeded")
        self.assertEqual(descendants_of(belayd.pid), helpers)
        with open(gate, "w") as line:
            line.write("\n")
        wait_until(lambda: len(descendants_of(belayd.pid)) == 3, "the helper's other child")
        for _ in range(2):
            self.upgrade(belayd)
            belayd.wait_job(belayd.post("a").json()["job"], "succeeded")
        helpers[:] = descendants_of(belayd.pid)
        self.assertEqual(len(helpers), 3, helpers)  # and the sleeps of the jobs are gone
        belayd.stop()
        self.assertEqual(belayd.records("leak"), [])
        for pid in helpers:
            os.kill(pid, 0)

    @staticmethod
    def kill_all(pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def test_same_executable_is_a_plain_reload(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        starts = belayd.count_records("starting", 1)
        belayd.send_signal(signal.SIGUSR2)
        belayd.wait_record("reloaded")
        self.assertEqual(belayd.count_records("starting", starts), starts)
        answer = belayd.api("POST", "/upgrade")
        self.assertEqual(answer.status, 422)
        self.assertIn("nothing to upgrade to", answer.body.decode())
        belayd.stop()

    def test_what_cannot_take_over_changes_nothing(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        for program, reason in (("/bin/false", "exit status 1"), ("/bin/true", "does not know the question")):
            self.builds.put_file(program)
            answer = belayd.api("POST", "/reload")
            self.assertEqual(answer.status, 422, answer)
            self.assertIn(reason, answer.body.decode())
            self.assertEqual(belayd.count_records("starting", 1), 1)
            self.assertEqual(belayd.post("a").status, 202)
            self.assertEqual(belayd.metrics()["belay_config_last_reload_successful"], 0)
        self.upgrade(belayd)
        self.assertEqual(belayd.metrics()["belay_config_last_reload_successful"], 1)
        belayd.stop()

    def test_bad_configuration_stays_with_the_old_image(self):
        belayd = self.start_build(hook("a", ["/bin/true"]))
        self.builds.put_next()
        belayd.write_config("nonsense")
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("belay.toml:", answer.body.decode())
        self.assertEqual(belayd.count_records("starting", 1), 1)
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
