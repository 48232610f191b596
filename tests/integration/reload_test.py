"""Reload is all or nothing, says why not, and disturbs nobody."""
import concurrent.futures
import json
import select
import signal
import tempfile
import threading
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, connect, fetch, hook, sign, wait_until
from tests.integration.stopped_threads import StoppedThreads


class Reload(TestCase):
    def test_good_reload_takes_effect_and_keeps_connections_and_counters(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        kept = connect(belayd.address("ingress"))
        headers = {"X-Hub-Signature-256": sign(b"{}")}
        kept.request("POST", "/hooks/a", b"{}", headers)
        response = kept.getresponse()
        self.assertEqual((response.status, response.read() != b""), (202, True))
        socket_before = kept.sock
        belayd.write_config(hook("a", ["/bin/true"]) + hook("b", ["/bin/true"]))
        answer = belayd.api("POST", "/reload")
        self.assertEqual((answer.status, answer.json()["ok"]), (200, True), answer)
        kept.request("POST", "/hooks/b", b"{}", headers)
        response = kept.getresponse()
        self.assertEqual((response.status, response.read() != b""), (202, True))
        self.assertIs(kept.sock, socket_before)
        kept.close()
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_events_total{hook="a",result="accepted"}'], 1)
        self.assertEqual(metrics["belay_config_last_reload_successful"], 1)
        belayd.stop()

    def test_bad_reload_changes_nothing_and_says_where(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.write_config('[hooks.a]\nauth = "none"\nrun = ["relative"]\ncolour = "red"\n')
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422, answer)
        self.assertIn("belay.toml:", answer.body.decode())
        self.assertIn("colour", answer.body.decode())
        self.assertEqual(belayd.post("a", secret=b"wrong").status, 401)
        self.assertEqual(belayd.post("a").status, 202)
        self.assertEqual(belayd.metrics()["belay_config_last_reload_successful"], 0)
        belayd.stop()

    def test_every_reload_is_one_pair_on_the_wire_good_or_bad(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        seen = len(belayd.messages)
        for i in range(10):
            belayd.write_config(hook("a", ["/bin/true"]) + ("" if i % 2 == 0 else "nonsense"))
            belayd.send_signal(signal.SIGUSR2 if i % 3 else signal.SIGHUP)
            begun = belayd.wait_message("RELOADING", "1", after=seen)
            self.assertTrue(belayd.messages[begun]["MONOTONIC_USEC"].isdigit())
            seen = belayd.wait_message("READY", "1", after=begun) + 1
            self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()

    def test_what_cannot_change_is_refused_by_name(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.sections["store"] = 'url = "sqlite:other.db"\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422)
        self.assertIn("store.url", answer.body.decode())
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()

    def test_jobs_of_a_hook_that_is_gone_are_cancelled(self):
        belayd = self.start(Belayd(hook("a", ["/bin/sleep", "1000"], "concurrency = 1") + hook("b", ["/bin/true"])))
        running = belayd.post("a").json()["job"]
        belayd.wait_job(running, "running")
        queued = belayd.post("a").json()["job"]
        belayd.write_config(hook("b", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        job = belayd.wait_job(queued, "cancelled")
        self.assertIn("hook", job["reason"])
        self.assertEqual(belayd.post("a").status, 404)
        self.assertEqual(belayd.job(running)["state"], "running")
        belayd.api("POST", f"/jobs/{running}/cancel")
        belayd.wait_job(running, "cancelled")
        belayd.stop()

    def test_listeners_are_reconciled(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        first = belayd.address("ingress")
        path = belayd.base / "new.sock"
        belayd.sections["ingress"] = f'listen = ["unix:{path}"]\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        kept = connect(first)
        kept.connect()
        self.assertEqual(belayd.api("POST", "/reload").status, 200)

        headers = {"X-Hub-Signature-256": sign(b"{}")}
        self.assertEqual(fetch(f"unix:{path}", "POST", "/hooks/a", b"{}", headers).status, 202)

        def refused():
            try:
                fetch(first, "POST", "/hooks/a", b"{}", headers, timeout=5)
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
            return False
        wait_until(refused, "the old listener to be gone")
        kept.close()
        belayd.sections["ingress"] = 'listen = ["unix:/nonexistent/x.sock"]\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422)
        self.assertIn("/nonexistent/x.sock", answer.body.decode())
        self.assertEqual(fetch(f"unix:{path}", "POST", "/hooks/a", b"{}", headers).status, 202)
        belayd.stop()

    def test_reload_under_traffic_loses_nothing(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        kept = connect(belayd.address("ingress"))
        for i in range(100):
            if i % 10 == 5:
                belayd.write_config(hook("a", ["/bin/true"]) + hook(f"b{i}", ["/bin/true"]))
                belayd.send_signal(signal.SIGHUP)
            kept.request("POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})
            response = kept.getresponse()
            self.assertEqual((response.status, json.loads(response.read())["state"]), (202, "queued"))
        kept.close()
        belayd.wait_reloads()
        belayd.stop()

    def test_the_first_events_of_a_new_hook_run(self):
        """While the http loops change over one by one: what the first of them accepts is no orphan to the scheduler."""
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), sections={
            "daemon": 'drain_timeout = "5s"\nhttp_threads = 4\n'}))
        address, headers = belayd.address("ingress"), {"X-Hub-Signature-256": sign(b"{}")}
        accepted, statuses, done = [], set(), threading.Event()

        def knock():
            """Posts from before the hook is there, each time on the next loop; one of them does not answer."""
            while not done.is_set():
                try:
                    answer = fetch(address, "POST", "/hooks/new", b"{}", headers, timeout=0.5)
                except TimeoutError:
                    continue
                statuses.add(answer.status)
                if answer.status == 202:
                    accepted.append(answer.json()["job"])

        belayd.write_config(hook("a", ["/bin/true"]) + hook("new", ["/bin/true"]))
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            try:
                with StoppedThreads(belayd.pid, "http-3"):  # the reload waits for it
                    knocking = [pool.submit(knock) for _ in range(4)]
                    wait_until(lambda: statuses, "the first refusal")
                    reload = pool.submit(belayd.api, "POST", "/reload")
                    wait_until(lambda: len(accepted) >= 5, "events of the new hook")
                    states = [belayd.wait_job(job, "succeeded", "cancelled")["state"] for job in accepted[:5]]
                    self.assertFalse(reload.done())
                self.assertEqual(reload.result().status, 200)
            finally:
                done.set()
            for one in knocking:
                one.result()
        self.assertEqual(statuses, {404, 202})
        self.assertEqual(set(states), {"succeeded"})
        for job in accepted:
            belayd.wait_job(job, "succeeded")
        belayd.stop()


class Answers(TestCase):
    """`systemctl reload` returns when `belay reload` does: by then the manager must have READY=1."""

    def ask(self, belayd):
        asking = connect(belayd.control)
        self.addCleanup(asking.close)
        asking.request("POST", "/api/v1/reload")
        return asking

    def check(self, belayd, asking):
        """READY=1 is said, but not yet sent."""
        for _ in range(5):
            belayd.metrics()  # by the loop that would answer
        self.assertEqual(select.select([asking.sock], [], [], 0)[0], [], "answered before READY=1 was on the wire")

    def finish(self, belayd, asking):
        self.assertEqual(asking.getresponse().status, 200)
        asking.close()
        belayd.wait_message("READY", "1", after=belayd.wait_message("RELOADING"))
        belayd.stop()

    def test_a_reload_is_answered_after_ready(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        with belayd.manager.held():
            asking = self.ask(belayd)
            belayd.wait_record("reloaded")
            self.check(belayd, asking)
        self.finish(belayd, asking)

    def test_an_upgrade_is_answered_after_ready(self):
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), executable=builds.path, env=failpoints.environment))
        builds.put_next()
        failpoints.arm("start.ready", "wedge")
        asking = self.ask(belayd)
        failpoints.wait_reached("start.ready")
        with belayd.manager.held():
            failpoints.release("start.ready")
            wait_until(lambda: belayd.metrics()['belay_state{state="ready"}'], "the new image to be ready")
            self.check(belayd, asking)
        self.finish(belayd, asking)


if __name__ == "__main__":
    unittest.main()
