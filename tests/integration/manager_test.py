"""Whom belayd takes for its manager, and what it says of a stop timeout that cannot hold a drain."""
import unittest

from tests.integration.harness import Belayd, TestCase, wait_until

TOO_SHORT = "stop timeout is too short for a drain, the manager may kill before it is over"


def sections(drain_timeout):
    return {"daemon": f'drain_timeout = "{drain_timeout}"\n', "runner": 'kill_grace = "2s"\n'}


class ManagerTest(TestCase):
    def belayd(self, drain_timeout, env, notify=False):
        belayd = Belayd(sections=sections(drain_timeout), env=env, notify=notify)
        self.addCleanup(belayd.close)
        belayd.wait_record("ready")
        return belayd

    def warnings(self, belayd):
        """Written before "ready", since nobody had to be asked."""
        return [(r["manager"], r["stop_timeout"], r["drain"]) for r in belayd.records(TOO_SHORT)]

    def test_the_first_record_names_it(self):
        for env, notify, manager in (({}, False, "none"), ({}, True, "systemd"),
                                     ({"SUPERVISOR_ENABLED": "1"}, False, "supervisord"),
                                     ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, False, "kubernetes")):
            with self.subTest(manager=manager):
                belayd = self.belayd("1s", env, notify)
                self.assertEqual(belayd.records("starting")[0]["manager"], manager)
                belayd.stop()

    def test_a_default_that_is_too_short(self):
        belayd = self.belayd("3s", {"SUPERVISOR_ENABLED": "1"})
        self.assertEqual(self.warnings(belayd), [("supervisord", "10s", "10s")])
        self.assertEqual(belayd.records(TOO_SHORT)[0]["remedy"],
                         "more than 10s (drain_timeout + kill_grace + 5s) for stopwaitsecs, and say it in "
                         "BELAY_STOP_TIMEOUT; or a shorter drain_timeout")
        belayd.stop()

    def test_a_default_that_is_long_enough(self):
        for env in ({"SUPERVISOR_ENABLED": "1"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {}):
            belayd = self.belayd("2s", env)
            self.assertEqual(self.warnings(belayd), [])
            belayd.stop()

    def test_what_the_operator_says_counts(self):
        for said, warnings in (("60s", []), ("20s", [("kubernetes", "20s", "37s")])):
            belayd = self.belayd("30s", {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "BELAY_STOP_TIMEOUT": said})
            self.assertEqual(self.warnings(belayd), warnings)
            belayd.stop()

    def test_what_is_no_duration_is_said(self):
        belayd = self.belayd("30s", {"SUPERVISOR_ENABLED": "1", "BELAY_STOP_TIMEOUT": "60"})
        self.assertIn("60", belayd.records("malformed variable, ignoring")[0]["error"])
        belayd.stop()

    def test_a_reload_that_changes_it(self):
        belayd = self.belayd("2s", {"KUBERNETES_SERVICE_HOST": "10.0.0.1"})
        for reloads, (drain_timeout, warnings) in enumerate(
                (("2s", 0), ("30s", 1), ("30s", 1), ("31s", 2), ("2s", 2)), 1):
            belayd.sections = sections(drain_timeout)
            belayd.write_config("")
            self.assertEqual(belayd.api("POST", "/reload").status, 200)
            # The log is written by a thread of its own, in order: this record is behind a warning.
            wait_until(lambda: len(belayd.records("reloaded")) == reloads, "the record of the reload")
            self.assertEqual(len(self.warnings(belayd)), warnings)
        self.assertEqual(self.warnings(belayd)[0], ("kubernetes", "30s", "37s"))
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
