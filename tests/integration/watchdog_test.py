"""The watchdog proves progress: a loop that hangs is named, now and by the next start; what only waits is left alone."""
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, fetch, hook, wait_until
from tests.integration.load import Load

LOOPS = ("http-0", "store", "runner", "main", "admin", "reader")
CONFIG = hook("a", ["/bin/true"])
TOLD = "the previous run ended while a loop was wedged"


def watched(interval=4):
    """The environment of a daemon whose watchdog has that interval, in seconds."""
    return {"WATCHDOG_USEC": str(interval * 1_000_000)}


def pings(belayd):
    return sum(message.get("WATCHDOG") == "1" for message in belayd.messages)


class WatchedCase(TestCase):
    def start_watched(self, interval=4, **options):
        """A belayd whose watchdog has that interval, in seconds, and its failpoints."""
        failpoints = Failpoints(self)
        return self.start(Belayd(CONFIG, env={**watched(interval), **failpoints.environment}, **options)), failpoints

    def start_upgrade_that_stops_at(self, point):
        """As start_watched(); the new image stands still at the point."""
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd, failpoints = self.start_watched(executable=builds.path)
        builds.put_next()
        failpoints.arm(point, "wedge")
        belayd.send_signal(signal.SIGUSR2)
        failpoints.wait_reached(point)
        return belayd, failpoints


class Wedges(WatchedCase):
    def start_wedged(self, loop, interval=4, before=lambda state: None):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-"))
        belayd, failpoints = self.start_watched(interval, directory=directory)
        belayd.watchdog = None
        before(belayd.base / "state")
        failpoints.arm(f"{loop}.turn", "wedge")
        failpoints.wait_reached(f"{loop}.turn")
        return belayd, failpoints

    def let_turn(self, loop, belayd, failpoints):
        failpoints.release(f"{loop}.turn")
        belayd.wait_record("loop turns again", loop=loop)

    def test_a_loop_is_named_and_the_next_start_names_it_again(self):
        wedged = {loop: self.start_wedged(loop)[0] for loop in LOOPS}  # side by side: each takes seconds to show
        passing = self.start_wedged("main")
        for loop, belayd in wedged.items():
            with self.subTest(loop):
                self.check_named(loop, belayd)
        for loop, belayd in wedged.items():
            with self.subTest(loop):
                self.check_next_start(loop, belayd)
        self.check_forgotten("main", *passing)
        after = self.start(Belayd(CONFIG, directory=wedged["main"].base))
        self.assertNotIn("wedged", after.messages[after.wait_message("READY")]["STATUS"])
        after.stop()
        self.assertEqual(len(after.records(TOLD)), 1)

    def check_named(self, loop, belayd):
        belayd.wait_message("STATUS", f"loop {loop} is wedged")
        triggered = belayd.wait_message("WATCHDOG", "trigger")
        belayd.wait_record("loop is wedged", loop=loop)
        if loop != "admin":  # which answers this
            health = fetch(belayd.address("admin"), "GET", "/healthz")
            self.assertEqual((health.status, [wedge["loop"] for wedge in health.json()["loops"]]), (503, [loop]))
        self.assertEqual([m for m in belayd.messages[triggered:] if m.get("WATCHDOG") == "1"], [])

    def check_next_start(self, loop, belayd):
        belayd.send_signal(signal.SIGABRT)  # as systemd does
        belayd.wait()
        successor = self.start(Belayd(CONFIG, directory=belayd.base))
        told = successor.wait_record(TOLD)
        self.assertEqual(told["loop"], loop)
        self.assertLessEqual({"since", "wait_channel", "stack"}, told.keys())
        ready = successor.messages[successor.wait_message("READY")]
        self.assertEqual(ready["STATUS"], f"loop {loop} was wedged when the previous run ended; 1 hooks, 0 jobs running, 0 queued")
        successor.stop()

    def test_the_status_is_told_again_as_soon_as_the_loop_turns(self):
        belayd, failpoints = self.start_wedged("http-0")
        named = belayd.wait_message("STATUS", "loop http-0 is wedged")
        self.let_turn("http-0", belayd, failpoints)
        told = lambda: [message["STATUS"] for message in belayd.messages[named:] if "STATUS" in message][-1]
        wait_until(lambda: "wedged" not in told(), "a true status")
        belayd.stop()

    def test_a_short_interval_is_kept(self):
        belayd, failpoints = self.start_wedged("http-0", interval=2)
        begin = time.monotonic()
        belayd.wait_message("WATCHDOG", "trigger")
        self.assertLess(time.monotonic() - begin, 5)  # 2.5 s, where the machine is not busy with other things
        self.let_turn("http-0", belayd, failpoints)
        belayd.stop()

    def test_a_disk_that_hangs_keeps_nobody_from_hearing_of_it(self):
        belayd, failpoints = self.start_wedged("http-0", before=lambda state: os.mkfifo(state / "wedged.json.new"))
        belayd.wait_message("STATUS", "loop http-0 is wedged")
        belayd.wait_record("loop is wedged", loop="http-0")
        failpoints.release("http-0.turn")
        (belayd.base / "state" / "wedged.json.new").read_text()
        belayd.wait_record("loop turns again", loop="http-0")
        belayd.stop()

    def test_a_start_that_hangs_after_an_upgrade_is_ended_and_named(self):
        belayd, _ = self.start_upgrade_that_stops_at("start.listening")
        belayd.wait_message("STATUS", "loop main is wedged")
        belayd.wait_message("WATCHDOG", "trigger")
        self.check_next_start("main", belayd)

    def check_forgotten(self, loop, belayd, failpoints):
        """It turns again after all."""
        belayd.wait_record("loop is wedged", loop=loop)
        self.let_turn(loop, belayd, failpoints)
        before = pings(belayd)
        wait_until(lambda: pings(belayd) > before, "pings to go on")
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()
        self.assertNotIn("wedged.json", os.listdir(belayd.base / "state"))


class Waits(WatchedCase):
    def starve(self):
        """Until the end of the test every core has two others to run."""
        for _ in range(2 * os.cpu_count()):
            busy = subprocess.Popen(["sh", "-c", "while :; do :; done"], start_new_session=True)  # a group of its own, sched(7)
            self.addCleanup(busy.wait)
            self.addCleanup(busy.kill)

    def check_disk_wait(self, belayd, *loops):
        """Longer than a loop may take to turn, which is held against /readyz and nothing else."""
        probe = lambda path: fetch(belayd.address("admin"), "GET", path)
        named = re.compile(rf"loop (?:{'|'.join(loops)}) has waited (\d+)\.\d s for the disk")
        waited = lambda: [int(seconds) for seconds in named.findall(probe("/readyz").body.decode())]
        wait_until(lambda: len(waited()) == len(loops), "/readyz to name them")
        wait_until(lambda: min(waited()) >= 6, "longer than a loop may take to turn")
        self.assertEqual((probe("/readyz").status, probe("/healthz").status), (503, 200))

    def end_disk_wait(self, belayd, failpoints, *loops):
        for loop in loops:
            failpoints.release(f"{loop}.disk")
        wait_until(lambda: fetch(belayd.address("admin"), "GET", "/readyz").status == 200, "/readyz to recover")

    def stop_unwedged(self, belayd):
        belayd.watchdog = 5  # of which three quarters are tolerated: before systemd would act
        belayd.stop()
        self.assertEqual(belayd.records("loop is wedged"), [])

    def test_full_load_on_a_starved_machine_is_no_hang(self):
        belayd = self.start(Belayd(CONFIG, env=watched(), sections={"log": 'level = "info"\nformat = "json"\n'}))
        self.starve()
        with Load(belayd.address("ingress"), "a") as load:
            begun = pings(belayd)
            wait_until(lambda: pings(belayd) >= begun + 6, "pings")
        self.assertEqual(dict(load.report.failures), {}, belayd.log()[-3000:])
        self.stop_unwedged(belayd)

    def test_a_disk_wait_turns_readyz_and_nothing_else_on_a_starved_machine_too(self):
        belayd, failpoints = self.start_watched()
        failpoints.arm("store.disk", "wedge")
        failpoints.wait_reached("store.disk")
        answers = []
        poster = threading.Thread(target=lambda: answers.append(belayd.post("a").status))
        poster.start()
        self.starve()
        self.check_disk_wait(belayd, "store")
        self.assertEqual(answers, [])
        self.end_disk_wait(belayd, failpoints, "store")
        poster.join()
        self.assertEqual(answers, [202])
        self.stop_unwedged(belayd)

    def test_a_directory_a_command_and_a_configuration_may_lie_where_nobody_answers(self):
        belayd, failpoints = self.start_watched()
        for loop in ("runner", "main"):
            failpoints.arm(f"{loop}.disk", "wedge")
        belayd.send_signal(signal.SIGHUP)
        self.assertEqual(belayd.post("a").status, 202)
        for loop in ("runner", "main"):
            failpoints.wait_reached(f"{loop}.disk")
        self.check_disk_wait(belayd, "runner", "main")
        self.end_disk_wait(belayd, failpoints, "runner", "main")
        belayd.wait_reloads()
        wait_until(lambda: belayd.metrics()['belay_jobs{state="succeeded"}'] == 1, "the job to have run")
        self.stop_unwedged(belayd)

    def prefix_of_a_host_without_answers(self):
        """What a command is preceded by to have a name server that is there and says nothing."""
        server = self.enterContext(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        try:
            server.bind(("127.0.0.123", 53))
        except OSError as e:
            self.skipTest(f"no name server can be played here: {e}")
        resolv_conf = self.enterContext(tempfile.NamedTemporaryFile("w", prefix="belay-resolv-"))
        print("nameserver 127.0.0.123", file=resolv_conf, flush=True)
        prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolv_conf.name]
        if subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mount namespace can be made here")
        return prefix

    def test_the_address_of_a_host_may_be_what_nobody_tells(self):
        prefix = self.prefix_of_a_host_without_answers()
        for server in "ingress", "admin":
            with self.subTest(server):
                belayd, _ = self.start_watched(prefix=prefix)
                belayd.sections = {server: 'listen = ["127.0.0.1:0", "nobody.invalid:9"]\n'}
                belayd.write_config(CONFIG)
                belayd.send_signal(signal.SIGHUP)
                self.check_disk_wait(belayd, "main")
                self.assertIn("nobody.invalid", belayd.wait_record("reload failed, nothing changed")["error"])
                self.stop_unwedged(belayd)

    def test_a_long_recovery_after_an_upgrade_is_no_hang(self):
        """exec leaves the manager's clock running: it must hear of the new image before that is ready."""
        belayd, failpoints = self.start_upgrade_that_stops_at("start.recovery")
        begin = belayd.wait_message("RELOADING")
        told = lambda: [message for message in belayd.messages[begin:] if message.get("WATCHDOG")]
        wait_until(lambda: len(told()) > 3, "pings while it recovers")
        self.assertEqual([m for m in belayd.messages[begin:] if "READY" in m], [])
        failpoints.release("start.recovery")
        belayd.wait_reloads()
        belayd.stop()
        self.assertEqual(belayd.records("loop is wedged"), [])


if __name__ == "__main__":
    unittest.main()
