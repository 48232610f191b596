"""The state directory: one owner, one schema, and a disk that may be full."""
import os
import pathlib
import signal
import sqlite3
import subprocess
import unittest

from tests.integration.harness import BUILD, Belayd, TestCase, fetch, hook, wait_until


class State(TestCase):
    def test_a_second_daemon_on_one_state_dir_exits_69_and_names_the_first(self):
        first = self.start(Belayd(hook("a", ["/bin/true"])))
        second = subprocess.run([BUILD / "belayd" / "belayd", "--config", first.base / "belay.toml"],
                                capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertEqual(second.returncode, 69, second)
        self.assertIn(str(first.pid), second.stderr)
        first.process.kill()
        first.wait()
        again = self.start(Belayd(hook("a", ["/bin/true"]), directory=first.base))  # the lock dies with its holder
        again.stop()

    def test_a_second_daemon_on_one_database_exits_69_and_names_the_first(self):
        first = self.start(Belayd(hook("a", ["/bin/true"])))
        store = {"store": f'url = "sqlite:{first.base}/state/belay.db"\n'}
        second = Belayd(hook("a", ["/bin/true"]), sections=store)
        self.addCleanup(second.close)
        self.assertEqual(second.wait(), 69)
        self.assertIn(f"belay.db is in use by belayd with pid {first.pid}", second.log())
        self.assertEqual(first.post("a").status, 202)

    def test_a_newer_schema_is_refused(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.stop()
        database = sqlite3.connect(belayd.base / "state" / "belay.db")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        self.assertGreater(version, 0)
        database.execute(f"PRAGMA user_version = {version + 1}")
        database.close()
        belayd = Belayd(hook("a", ["/bin/true"]), directory=belayd.base)
        self.addCleanup(belayd.close)
        self.assertEqual(belayd.wait(), 69)
        self.assertIn("newer", belayd.log())

    def test_a_corrupt_database_is_refused_and_kept(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.stop()
        path = belayd.base / "state" / "belay.db"
        garbage = b"this is no database" * 1000
        path.write_bytes(garbage)
        belayd = Belayd(hook("a", ["/bin/true"]), directory=belayd.base)
        self.addCleanup(belayd.close)
        self.assertEqual(belayd.wait(), 69)
        self.assertEqual(path.read_bytes(), garbage)

    def test_everything_is_private(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        belayd.post("a")
        for path in (belayd.base / "state").iterdir():
            if path.name != "control.sock":
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        self.assertEqual((belayd.base / "state" / "control.sock").stat().st_mode & 0o007, 0)
        belayd.stop()

    def test_listener_that_cannot_be_had_exits_69(self):
        first = self.start(Belayd(hook("a", ["/bin/true"])))
        second = Belayd(hook("a", ["/bin/true"]), sections={"ingress": f'listen = "{first.address("ingress")}"\n'})
        self.addCleanup(second.close)
        self.assertEqual(second.wait(), 69)
        self.assertIn(first.address("ingress"), second.log())
        second.check_messages()
        first.stop()

    def test_an_admin_listener_that_cannot_be_had_exits_69(self):
        first = self.start(Belayd(hook("a", ["/bin/true"])))
        second = Belayd(hook("a", ["/bin/true"]), sections={"admin": f'listen = "{first.address("admin")}"\n'})
        self.addCleanup(second.close)
        self.assertEqual(second.wait(), 69)
        self.assertIn(first.address("admin"), second.log())
        second.check_messages()  # its service had started: STOPPING=1 is said when that is drained, and once
        self.assertEqual([m["EXIT_STATUS"] for m in second.messages if "EXIT_STATUS" in m], ["69"])
        self.assertRegex(second.messages[-1]["STATUS"], "^cannot start: ")  # what `systemctl status` shows
        first.stop()

    @unittest.skipUnless(os.geteuid() == 0, "needs root to mount a small tmpfs")
    def test_a_full_disk_stops_ingress_first_and_recovers_by_itself(self):
        """B59, F4: 503 with Retry-After at the floor, /readyz red, health green; room again: 202 again."""
        belayd = Belayd()
        belayd.close()
        base = pathlib.Path(belayd.base)
        state = base / "state"
        state.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", state], check=True)
        self.addCleanup(lambda: subprocess.run(["umount", "-l", state], check=True))
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), directory=base,
                                   sections={"store": 'free_space_floor = "4MiB"\n'}))
        self.assertEqual(belayd.post("a").status, 202)
        ballast = state / "ballast"
        ballast.write_bytes(b"\0" * (10 << 20))
        answer = wait_until(lambda: (a := belayd.post("a")).status == 503 and a, "503 at the floor")
        self.assertTrue(answer.headers["Retry-After"])
        self.assertEqual(belayd.metrics()['belay_events_total{hook="a",result="refused"}'], 1)
        self.assertEqual(fetch(belayd.address("admin"), "GET", "/readyz").status, 503)
        self.assertEqual(fetch(belayd.address("admin"), "GET", "/healthz").status, 200)
        ballast.unlink()
        accepted = wait_until(lambda: (a := belayd.post("a")).status == 202 and a, "202 again").json()
        belayd.wait_job(accepted["job"], "succeeded")
        self.assertEqual(fetch(belayd.address("admin"), "GET", "/readyz").status, 200)
        belayd.stop()


class CommandLine(TestCase):
    def run_belayd(self, *arguments):
        return subprocess.run([BUILD / "belayd" / "belayd", *arguments], capture_output=True, text=True, timeout=60)

    def test_exit_codes(self):
        self.assertEqual(self.run_belayd("--nonsense").returncode, 64)
        self.assertEqual(self.run_belayd("--config", "/nonexistent.toml").returncode, 78)
        self.assertEqual(self.run_belayd("--help").returncode, 0)
        self.assertRegex(self.run_belayd("--version").stdout, r"^belayd \d+\.\d+\.\d+\n$")

    def test_check(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        self.assertEqual(self.run_belayd("--check", "--config", belayd.base / "belay.toml").returncode, 0)
        belayd.write_config("[hooks.a]\nrun = []\n")
        result = self.run_belayd("--check", "--config", belayd.base / "belay.toml")
        self.assertEqual(result.returncode, 78)
        self.assertIn("belay.toml:", result.stderr)
        belayd.stop()

    def test_every_error_of_configuration_and_secrets_at_once(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        (belayd.base / "empty").touch(mode=0o600)
        belayd.write_config("""
[hooks.a]
auth = { scheme = "github", secret_file = ["missing", "empty"], secret_env = "BELAYTEST_NOT_SET" }
run = ["relative"]
[hooks.b]
auth = { scheme = "github", secret_credential = "none" }
run = ["/bin/true"]
""")
        wrong = ['"missing" cannot be opened', '"empty" is empty', '"BELAYTEST_NOT_SET" is not set', '"relative" is not',
                 '"none" cannot be had']
        config = belayd.base / "belay.toml"
        for arguments in (["--check"], []):
            result = self.run_belayd(*arguments, "--config", config)
            self.assertEqual(result.returncode, 78)
            places = [result.stderr.find(what) for what in wrong]
            self.assertNotIn(-1, places, result.stderr)
            self.assertEqual(places, sorted(places), result.stderr)
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422)
        for what in wrong:
            self.assertIn(what, answer.json()["message"])
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
