"""The fake service manager itself: it finds fault with a client for every rule that the client breaks, and with no other."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from tests.integration.fake_manager import FakeManager, monotonic_usec
from tests.integration.harness import DEADLINE, wait_until

# Each step is a datagram, with as many descriptors, from the process itself or a child of its; or one of the words below.
CLIENT = """
import json, os, select, socket, sys, time
manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
manager.connect(sys.argv[1])
for step in json.loads(sys.argv[2]):
    if "pause" in step:
        time.sleep(step["pause"])
        continue
    if "line" in step:  # until the test says so
        sys.stdin.readline()
        continue
    pipes = [os.pipe() for _ in range(step.get("fds", 0))]
    text = step["text"].replace("NOW", str(time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000))
    child = os.fork() if step.get("child") else 0
    if not step.get("child") or child == 0:
        socket.send_fds(manager, [text.encode("latin-1")], [writing for _, writing in pipes])
        if step.get("child"):
            os._exit(0)
    else:
        os.waitpid(child, 0)
    for reading, writing in pipes:
        os.close(writing)
        if text.startswith("FDSTORE=1"):
            continue  # kept
        poll = select.poll()
        poll.register(reading, select.POLLIN)
        assert poll.poll(60000), "no answer"
"""
READY = {"text": "READY=1\nSTATUS=ready"}
RELOADING = {"text": "RELOADING=1\nMONOTONIC_USEC=NOW"}
STOPPING = {"text": "STOPPING=1"}


def says(text):
    return {"text": text}


class FakeManagerTest(unittest.TestCase):
    def setUp(self):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-")))
        self.manager = FakeManager(directory / "notify")
        self.addCleanup(self.manager.close)
        self.path = directory / "notify"

    def client(self, *steps):
        client = subprocess.Popen([sys.executable, "-c", CLIENT, self.path, json.dumps(steps)], stdin=subprocess.PIPE,
                                  text=True)
        self.addCleanup(client.stdin.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        return client

    def violations(self, *steps, **options):
        client = self.client(*steps)
        self.assertEqual(client.wait(DEADLINE), 0)
        self.manager.close()
        return self.manager.violations(client.pid, **options)

    def assert_violated(self, rule, *steps, **options):
        """That one rule, and no other."""
        violations = self.violations(*steps, **options)
        self.assertEqual(len(violations), 1, violations)
        self.assertRegex(violations[0], rule)

    def test_a_life_without_fault(self):
        self.assertEqual(self.violations(
            READY, says("WATCHDOG=1"), says("STATUS=3 häfen".encode().decode("latin-1")), RELOADING, says("WATCHDOG=1"), READY,
            RELOADING, READY, {"text": "BARRIER=1", "fds": 1}, {"text": "FDSTORE=1\nFDNAME=a\nFDPOLL=0", "fds": 2},
            STOPPING, says("EXTEND_TIMEOUT_USEC=15000000"), says("STATUS=draining"), says("WATCHDOG=1"),
            {"text": "FDSTORE=1", "fds": 1}, says("EXIT_STATUS=75\nERRNO=5"), {"text": "BARRIER=1", "fds": 1}), [])

    def test_a_stop_during_a_reload_is_no_fault(self):
        self.assertEqual(self.violations(READY, RELOADING, STOPPING), [])

    def test_a_whole_reload_in_one_message(self):
        whole = says("READY=1\nRELOADING=1\nMONOTONIC_USEC=NOW")
        self.assertEqual(self.violations(READY, whole, RELOADING, READY, whole, STOPPING), [])
        self.assertEqual([cycle.ready for cycle in self.manager.cycles()], [True, True, True])

    def test_it_leaves_the_manager_ready(self):
        whole = says("READY=1\nRELOADING=1\nMONOTONIC_USEC=NOW")
        self.assert_violated("READY=1 while ready", READY, whole, READY)

    def test_it_needs_a_stamp(self):
        self.assert_violated("MONOTONIC_USEC missing", READY, says("READY=1\nRELOADING=1"))

    def test_stopping_is_stronger_than_other_states(self):
        for text in ("READY=1\nSTOPPING=1", "RELOADING=1\nMONOTONIC_USEC=NOW\nSTOPPING=1"):
            with self.subTest(text):
                self.setUp()
                first, *_, last = self.violations(READY, says(text), says("MAINPID=1"))
                self.assertRegex(first, "STOPPING=1 makes the other state void")
                self.assertRegex(last, "after STOPPING=1")

    def test_order_of_states(self):
        for rule, *steps in (
                ("READY=1 while ready", READY, READY),
                ("RELOADING=1 while starting", RELOADING, READY),
                ("RELOADING=1 while reloading", READY, RELOADING, RELOADING, READY),
                ("RELOADING=1 without READY=1", READY, RELOADING),  # as after a reload that failed
                ("before READY=1", says("WATCHDOG=1"), READY)):
            with self.subTest(rule):
                self.setUp()
                violations = self.violations(*steps)
                self.assertRegex(violations[0], rule)

    def test_nothing_follows_stopping(self):
        for text in ("READY=1", "RELOADING=1\nMONOTONIC_USEC=NOW", "STOPPING=1", "MAINPID=1"):
            with self.subTest(text):
                self.setUp()
                violations = self.violations(READY, STOPPING, says(text))
                self.assertRegex(violations[0], "after STOPPING=1")

    def test_stamps(self):
        for text in ("RELOADING=1", "RELOADING=1\nMONOTONIC_USEC=1", "RELOADING=1\nMONOTONIC_USEC=NOW0"):
            with self.subTest(text):
                self.setUp()
                self.assert_violated("MONOTONIC_USEC missing, going back or in the future",
                                     READY, RELOADING, READY, says(text), READY)

    def test_a_stamp_older_than_the_request(self):
        early = monotonic_usec()
        client = self.client(READY, {"line": True}, says(f"RELOADING=1\nMONOTONIC_USEC={early}"), READY)
        self.request_reload(client)
        self.assertEqual(client.wait(DEADLINE), 0)
        self.manager.close()
        violations = self.manager.violations(client.pid)
        self.assertEqual(len(violations), 1, violations)
        self.assertRegex(violations[0], "a reload asked for at .* has no RELOADING=1, READY=1 of its own")

    def test_a_request_during_a_reload_that_is_forgotten(self):
        for forgets, steps in ((True, []), (False, [RELOADING, READY])):
            with self.subTest(forgets=forgets):
                self.setUp()
                client = self.client(READY, {"line": True}, RELOADING, {"line": True}, READY, *steps)
                self.request_reload(client)
                wait_until(self.manager.cycles, "RELOADING=1")
                self.request_reload(client)
                self.assertEqual(client.wait(DEADLINE), 0)
                self.manager.close()
                self.assertEqual(len(self.manager.unanswered()), int(forgets))
                self.assertEqual(len(self.manager.violations(client.pid)), int(forgets))

    def test_a_stop_excuses_only_what_was_yet_to_be_done(self):
        """Of a request during a reload that goes on until the stop; and of one that READY=1 came after."""
        for forgotten, steps in ((0, [STOPPING]), (1, [READY, STOPPING]), (0, [READY, RELOADING, STOPPING])):
            with self.subTest(forgotten=forgotten):
                self.setUp()
                client = self.client(READY, {"line": True}, RELOADING, {"line": True}, *steps)
                self.request_reload(client)
                wait_until(self.manager.cycles, "RELOADING=1")
                self.request_reload(client)
                self.assertEqual(client.wait(DEADLINE), 0)
                self.manager.close()
                self.assertEqual(len(self.manager.violations(client.pid)), forgotten)

    def request_reload(self, client):
        def ask():
            client.stdin.write("\n")
            client.stdin.flush()
        wait_until(lambda: self.manager.messages, "READY=1")
        self.manager.request_reload(ask)

    def test_barriers(self):
        for step in ({"text": "BARRIER=1"}, {"text": "BARRIER=1", "fds": 2}, {"text": "BARRIER=1\nSTATUS=x", "fds": 1}):
            with self.subTest(step=step):
                self.setUp()
                self.assert_violated("a barrier comes alone and with one descriptor", READY, step)

    def test_the_descriptor_store(self):
        store = lambda name, fds: {"text": f"FDSTORE=1\nFDNAME={name}", "fds": fds}
        self.assertEqual(self.violations(READY, store("a", 253), store("b", 2), store("a", 1), STOPPING,
                                         says("FDSTOREREMOVE=1\nFDNAME=a"), {"text": "BARRIER=1", "fds": 1}), [])
        stored = self.manager.take_stored()
        self.assertEqual([name for name, _ in stored], ["b", "b"])
        for _, fd in stored:
            os.close(fd)

    def test_stray_descriptors(self):
        self.assert_violated("descriptors that nothing is said of", READY, {"text": "STATUS=x", "fds": 1})

    def test_senders(self):
        self.assert_violated("not by the main process", READY, {"text": "STATUS=x", "child": True})

    def test_text(self):
        for rule, text in (("not UTF-8", "STATUS=\xff"),
                           ("not an assignment", "STATUS=two\nlines"),
                           ("not what systemd understands", "STATUS=two\nlines=1"),
                           ("not what systemd understands", "STATUS=bell\x07"),
                           ("not what systemd understands", "STATUS=end\x00"),
                           ("not what systemd understands", "EXTEND_TIMEOUT_USEC=5s"),
                           ("not what systemd understands", "WATCHDOG=yes"),
                           ("not what systemd understands", "status=x"),
                           ("assigned twice", "STATUS=x\nSTATUS=y"),
                           ("not an assignment", "STATUS=x\n\n"),
                           ("not an assignment", ""),
                           ("longer than 4096 bytes", "STATUS=" + "x" * 4096)):
            with self.subTest(repr(text[:40])):
                self.setUp()
                self.assert_violated(rule, READY, says(text))

    def test_the_cadence_of_the_watchdog(self):
        """The client's pauses are the fault, or stay far from it: a busy machine changes neither."""
        ping = says("WATCHDOG=1")
        self.assertEqual(self.violations(READY, ping, {"pause": 0.1}, ping, RELOADING, READY, ping, STOPPING,
                                         watchdog=60), [])
        for steps in ([READY, ping, {"pause": 2}, ping, STOPPING], [READY, {"pause": 2}, ping, STOPPING],
                      [READY, ping, {"pause": 2}, STOPPING]):
            with self.subTest(steps=steps):
                self.setUp()
                self.assertRegex("\n".join(self.violations(*steps, watchdog=1)), "no ping for")
        self.setUp()
        self.assertEqual(self.violations(READY, ping, STOPPING, {"pause": 2}, ping, watchdog=1), [])


if __name__ == "__main__":
    unittest.main()
