"""An upgrade that does not come to be: everything goes on as before, and whoever asked is told why."""
import concurrent.futures
import os
import pathlib
import select
import signal
import tempfile
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import Belayd, TestCase, hook

STOPPING = "not upgraded: the daemon is stopping"


def children_of_threads(pid):
    """A child is listed with the thread that made it."""
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


class UpgradeUndo(TestCase):
    def setUp(self):
        self.failpoints = Failpoints(self)
        self.builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))

    def start_build(self, config=hook("a", ["/bin/true"]), **options):
        return self.start(Belayd(config, executable=self.builds.path, env=self.failpoints.environment, **options))

    def in_background(self, function, *arguments):
        """Its result, once result() is called."""
        pool = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(pool.shutdown)
        return pool.submit(function, *arguments)

    def test_a_stop_ends_the_question(self):
        belayd = self.start_build()
        self.builds.put_next()
        self.failpoints.arm("upgrade.question", "wedge")  # until the end of the test
        answer = self.in_background(belayd.api, "POST", "/reload")
        self.failpoints.wait_reached("upgrade.question")
        [asked] = children_of_threads(belayd.pid)
        pidfd = os.pidfd_open(asked)
        self.addCleanup(os.close, pidfd)
        belayd.stop()
        self.assertEqual((answer.result().status, answer.result().json()["message"]), (422, STOPPING))
        belayd.wait_record("reload failed, nothing changed", error=STOPPING)
        self.assertEqual(select.select([pidfd], [], [], 0)[0], [pidfd], "the child that was asked has ended")
        self.assertEqual(belayd.records("leak"), [])


if __name__ == "__main__":
    unittest.main()
