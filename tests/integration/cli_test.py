"""belay against the real belayd: what an operator types, and what comes of it."""
import json
import os
import subprocess
import tempfile
import unittest

from tests.integration import harness


class CliTest(harness.TestCase):
    def belayd(self, config="", **options):
        daemon = self.start(harness.Belayd(config, **options))
        self.daemon = daemon
        return daemon

    def belay(self, *arguments, expect=0, stdin=b""):
        """Runs belay against self.daemon; its result, after checking the exit status."""
        result = subprocess.run(self.command(*arguments), input=stdin, capture_output=True, env=self.environment(),
                                timeout=harness.DEADLINE)
        self.assertEqual(result.returncode, expect, result)
        return result

    def command(self, *arguments):
        return [str(a) for a in (harness.BUILD / "cli" / "belay", *arguments)]

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if k == "PATH" or k.endswith("SAN_OPTIONS")}
        return kept | {"BELAY_SOCKET": self.daemon.control[len("unix:"):]}

    def json(self, *arguments, **options):
        return json.loads(self.belay("--json", *arguments, **options).stdout)

    def send(self, hook, *arguments, **options):
        """The answer to a signed event."""
        return self.json("send", hook, "--url", f"http://{self.daemon.address('ingress')}", "--secret-file",
                         self.daemon.base / "secret", *arguments, **options)

    def test_an_event_from_send_to_logs(self):
        daemon = self.belayd(harness.hook("greet", ["/bin/sh", "-c", "cat; echo to stderr >&2"]))
        sent = self.send("greet", "--data", "-", "--delivery", "d1", stdin=b'{"a":1}')
        self.assertEqual(sent["state"], "queued")
        daemon.wait_job(sent["job"], "succeeded")

        logs = self.belay("logs", sent["job"])
        self.assertEqual((logs.stdout, logs.stderr), (b'{"a":1}', b"to stderr\n"))
        self.assertEqual([j["id"] for j in self.json("jobs", "--hook", "greet")["jobs"]], [sent["job"]])
        self.assertEqual(self.json("jobs", "--state", "failed")["jobs"], [])
        shown = self.belay("job", sent["job"]).stdout.decode()
        for expected in (sent["job"], sent["event"], "succeeded", "d1", "7 bytes", "/bin/sh -c"):
            self.assertIn(expected, shown)
        self.assertIn("1 succeeded", self.belay("status").stdout.decode())
        self.assertTrue(self.send("greet", "--data", "-", "--delivery", "d1", stdin=b'{"a":1}')["duplicate"])
        daemon.stop()

    def test_an_event_that_is_refused(self):
        self.belayd(harness.hook("greet", ["/bin/true"]))
        url = f"http://{self.daemon.address('ingress')}"
        self.assertIn(b"401", self.belay("send", "greet", "--url", url, expect=1).stderr)
        self.assertIn(b"404", self.belay("send", "nobody", "--url", url, expect=1).stderr)
        self.assertIn(b"ignored", self.belay("send", "greet", "--url", url, "--event", "ping", "--secret-file",
                                             self.daemon.base / "secret").stdout)

    def test_logs_follow_a_running_job(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        fifo = os.path.join(directory.name, "fifo")
        os.mkfifo(fifo)
        script = f'echo begun; read x < "{fifo}"; printf "%s\\n" "$x"; exit 3'
        self.belayd(harness.hook("slow", ["/bin/sh", "-c", script]))
        job = self.send("slow")["job"]
        follower = subprocess.Popen(self.command("logs", "-f", job), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env=self.environment())
        self.addCleanup(follower.communicate)
        self.addCleanup(follower.kill)
        self.assertEqual(follower.stdout.readline(), b"begun\n")  # while the job is running
        with open(fifo, "w") as f:
            f.write("the end\n")
        out, err = follower.communicate(timeout=harness.DEADLINE)
        self.assertEqual((out, err, follower.returncode), (b"the end\n", b"", 0))
        self.assertEqual(self.daemon.wait_job(job, "failed")["attempt_list"][0]["exit_status"], 3)

    def test_cancel_and_retry(self):
        daemon = self.belayd(harness.hook("sleep", ["/bin/sleep", "1000"]))
        job = self.send("sleep")["job"]
        daemon.wait_job(job, "running")
        self.assertIn(b"being terminated", self.belay("cancel", job).stdout)
        daemon.wait_job(job, "cancelled")
        self.assertIn(b"409", self.belay("cancel", job, expect=1).stderr)
        self.assertIn(b"queued", self.belay("retry", job).stdout)
        daemon.wait_job(job, "running")
        self.assertIn(b"409", self.belay("retry", job, expect=1).stderr)
        self.belay("cancel", job)
        daemon.wait_job(job, "cancelled")

    def test_reload_waits_for_the_verdict(self):
        daemon = self.belayd(harness.hook("one", ["/bin/true"]))
        daemon.write_config(harness.hook("one", ["/bin/true"]) + harness.hook("two", ["/bin/true"]))
        self.belay("reload")
        self.send("two")

        daemon.write_config("[hooks.bad]\nrun = 3\nfrobnicate = true\n")
        refused = self.belay("reload", expect=1).stderr.decode()
        self.assertIn("what ran goes on", refused)
        self.assertIn("frobnicate", refused)
        self.assertFalse(self.json("reload", expect=1)["ok"])
        self.send("two")  # still there
        self.belay("check", daemon.base / "belay.toml", expect=78)

    def test_nothing_to_talk_to(self):
        daemon = self.belayd()
        self.belay("job", "0193a1b2-0000-7000-8000-00000000002a", expect=1)
        self.belay("logs", "-f", "0193a1b2-0000-7000-8000-00000000002a", expect=1)
        self.belay("job", "nonsense", expect=64)
        daemon.stop()
        self.assertIn(b"is belayd running?", self.belay("status", expect=69).stderr)
        self.belay("send", "x", "--url", "http://127.0.0.1:1", expect=69)


if __name__ == "__main__":
    unittest.main()
