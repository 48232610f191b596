"""kill -9 of the real belayd under load, again and again, with a ledger of what it acknowledged.

BELAY_KILLS sets how often (20), beside once at each step of an upgrade.  After each: the database is whole.  After all:
every acknowledged event is there and ran, and none ran twice without a crash that overlaps its first run.
"""
import collections
import http.client
import json
import os
import pathlib
import queue
import random
import signal
import sqlite3
import tempfile
import threading
import time
import unittest
import uuid

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import BUILD, DEADLINE, Belayd, TestCase, connect, hook, sign, wait_until

KILLS = int(os.environ.get("BELAY_KILLS", "20"))
CLIENTS = 8
OLD_IMAGE = ("upgrade.asked", "upgrade.ingress_frozen", "upgrade.jobs_frozen", "upgrade.frozen", "upgrade.sealed")
NEW_IMAGE = ("start.executed", "start.handed_over", "start.recovery", "start.store_open", "start.listening", "start.ready")
STEPS = [(step, "kill") for step in OLD_IMAGE + NEW_IMAGE]  # of an upgrade, in order
STEPS += [("start.executed", "exit"), ("start.executed", "segfault"), ("start.executed", "wedge"), ("start.ready", "wedge")]
ACKNOWLEDGED_PER_LIFE = 40  # at least, before the kill
MARK = """#!/bin/sh
echo "start $BELAY_EVENT_ID $BELAY_ATTEMPT" >> "$1"
echo "finish $BELAY_EVENT_ID $BELAY_ATTEMPT" >> "$1"
"""


class Load:
    """Clients that post deliveries until the daemon is gone, and send again later what got no answer, as senders do."""

    def __init__(self):
        self.ledger = {}  # delivery → event, once acknowledged
        self.unanswered = queue.SimpleQueue()
        self.mutex = threading.Lock()
        self.wrong = []

    def run(self, address):
        threads = [threading.Thread(target=self._post_until_gone, args=(address,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        return threads

    def _post_until_gone(self, address):
        connection = connect(address)
        while True:
            try:
                delivery = self.unanswered.get_nowait()
            except queue.Empty:
                delivery = str(uuid.uuid4())
            try:
                self._post(connection, delivery)
            except (OSError, http.client.HTTPException):  # it is gone, perhaps in the middle of an answer
                break
        self.unanswered.put(delivery)
        connection.close()

    def _post(self, connection, delivery):
        body = json.dumps({"delivery": delivery, "filling": "x" * random.randrange(12_000)}).encode()
        connection.request("POST", "/hooks/mark", body=body, headers={
            "Content-Type": "application/json", "X-GitHub-Event": "push", "X-GitHub-Delivery": delivery,
            "X-Hub-Signature-256": sign(body)})
        response = connection.getresponse()
        text = response.read()
        with self.mutex:
            if response.status not in (200, 202):
                self.wrong.append(f"{response.status} {text[:200]!r}")
                return
            event = json.loads(text)["event"]
            if self.ledger.setdefault(delivery, event) != event:
                self.wrong.append(f"delivery {delivery} became two events")

    def acknowledged(self):
        with self.mutex:
            return len(self.ledger)


class CrashTest(TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-crash-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.marks = os.path.join(self.directory, "marks")
        script = os.path.join(self.directory, "mark")
        with open(script, "w", encoding="ascii") as file:
            file.write(MARK)
        os.chmod(script, 0o755)
        self.config = hook("mark", [script, self.marks])
        self.executable = BUILD / "belayd" / "belayd"
        self.environment = {}

    def start_belayd(self):
        pathlib.Path(self.directory, "notify").unlink(missing_ok=True)  # of the life before
        return self.start(Belayd(self.config, directory=self.directory, executable=self.executable,
                                 env=self.environment, sections={"runner": "max_jobs = 4\n"}))

    def query(self, sql, *arguments):
        path = os.path.join(self.directory, "state", "belay.db")
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return database.execute(sql, arguments).fetchall()
        finally:
            database.close()

    def live_and_die(self, load, end=lambda belayd: belayd.process.kill()):
        """One life under load. @return when it was killed, in microseconds since the epoch: before and after"""
        belayd = self.start_belayd()
        before = load.acknowledged()
        clients = load.run(belayd.address("ingress"))
        wait_until(lambda: load.acknowledged() >= before + ACKNOWLEDGED_PER_LIFE or load.wrong, "acknowledgements")
        time.sleep(random.uniform(0, 0.1))  # not a wait: the moment of the kill is the test's input
        kill = time.time_ns() // 1000
        end(belayd)
        belayd.process.wait(DEADLINE)
        for client in clients:
            client.join()
        self.assertEqual(self.query("PRAGMA integrity_check"), [("ok",)])
        return kill, time.time_ns() // 1000

    def finish_everything(self):
        belayd = self.start_belayd()
        wait_until(lambda: not self.query("SELECT 1 FROM jobs WHERE state IN ('queued', 'running') LIMIT 1"),
                   "every job to end", interval=0.2)
        belayd.stop()

    def read_marks(self):
        marks = collections.Counter()
        with open(self.marks, encoding="ascii") as file:
            for line in file:
                what, event, attempt = line.split()
                marks[what, event, int(attempt)] += 1
        return marks

    def test_no_acknowledged_event_is_lost_and_none_runs_twice_for_nothing(self):
        load = Load()
        self.check(load, [self.live_and_die(load) for _ in range(KILLS)])

    def test_an_upgrade_that_dies_at_any_step_loses_nothing(self):
        """The old image at each step until exec, the new one at each until it is ready."""
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        self.executable, self.environment = builds.path, failpoints.environment
        load = Load()
        kills = []
        for point, action in STEPS:
            def die(belayd):
                builds.put_next()
                failpoints.arm(point, action)
                belayd.process.send_signal(signal.SIGUSR2)
                failpoints.wait_reached(point)
                if action == "wedge":  # as the manager does when its watchdog has had enough
                    belayd.process.kill()
            with self.subTest(point=point, action=action):
                kills.append(self.live_and_die(load, die))
        self.check(load, kills)

    def check(self, load, kills):
        """That nothing was lost: all lives are over."""
        self.finish_everything()
        self.assertEqual(load.wrong, [])
        self.assertGreaterEqual(load.acknowledged(), len(kills) * ACKNOWLEDGED_PER_LIFE)

        stored = {str(uuid.UUID(bytes=event)): (delivery, state) for event, delivery, state in self.query(
            "SELECT e.id, e.delivery_id, j.state FROM events e JOIN jobs j ON j.id = e.job")}
        attempts = collections.defaultdict(list)
        for event, number, outcome, started, ended in self.query(
                "SELECT j.event, a.number, a.outcome, a.started, a.finished FROM attempts a JOIN jobs j ON j.id = a.job"):
            attempts[str(uuid.UUID(bytes=event))].append((number, outcome, started, ended))

        for delivery, event in load.ledger.items():
            self.assertIn(event, stored, "acknowledged, and lost")
            self.assertEqual(stored[event][0], delivery)
        marks = self.read_marks()
        self.assertLessEqual({event for _, event, _ in marks}, set(stored), "ran without being stored")
        lost = 0
        for event, (_, state) in stored.items():
            lost += self.check_runs(event, state, attempts[event], marks, kills)
        print(f"{len(kills)} kills, {load.acknowledged()} events acknowledged, {len(stored)} stored, "
              f"{lost} attempts lost to a kill", flush=True)

    def check_runs(self, event, state, attempts, marks, kills):
        lost = [attempt for attempt in attempts if attempt[1] == "lost"]
        ended = [attempt for attempt in attempts if attempt[1] != "lost"]
        for number, _, started, recovered in lost:
            self.assertTrue(any(started <= after and before <= recovered for before, after in kills),
                            f"attempt {number} of {event} is lost, and no kill overlaps it")
            self.assertLessEqual(marks["start", event, number], 1)
        if state == "failed":
            self.assertEqual((len(lost), len(ended)), (3, 0), event)
        else:
            self.assertEqual((state, [attempt[1] for attempt in ended]), ("succeeded", ["succeeded"]), event)
        for number, *_ in ended:
            self.assertEqual((marks["start", event, number], marks["finish", event, number]), (1, 1), event)
        return len(lost)


if __name__ == "__main__":
    unittest.main()
