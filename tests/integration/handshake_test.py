"""Peers far away: what they have begun, or may be about to ask, when a drain or a reload comes is not turned away."""
import concurrent.futures
import signal
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.far_peer import FarPeer
from tests.integration.harness import Belayd, TestCase, hook, sign

REQUEST = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(b'{}')}\r\n"
           "Content-Length: 2\r\n\r\n{}").encode()


class Handshakes(TestCase):
    def start_far(self, **options):
        far = FarPeer(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), prefix=far.prefix,
                                   sections={"ingress": f'listen = "{far.address}"\n'}, **options))
        far.attach(self)
        return far, belayd

    def seconds_at_the_doors(self, belayd):
        return belayd.wait_record("drain phase over", phase="doors")["duration_seconds"]

    def test_one_that_is_under_way_is_waited_for(self):
        far, belayd = self.start_far()
        far.begin_handshake()
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_record("drain phase over", phase="delay")
        time.sleep(0.2)  # what is under test is time that passes: so far away it is
        far.complete_handshake(REQUEST)
        self.assertEqual(far.receive_data()[:13], b"HTTP/1.1 202 ")
        far.reset()
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()

    def test_one_that_nobody_completes_is_not(self):
        far, belayd = self.start_far()
        far.begin_handshake()
        far.receive()  # the SYN-ACK once more, a second later
        belayd.stop()
        self.assertLess(self.seconds_at_the_doors(belayd), 0.5)

    def test_an_upgrade_takes_along_one_on_a_listener_that_a_reload_let_go(self):
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory()))
        far, belayd = self.start_far(executable=builds.path, env=failpoints.environment)
        far.begin_handshake()
        begun = time.monotonic()
        belayd.sections["ingress"] = f'listen = "unix:{belayd.base}/ingress"\n'
        belayd.write_config(hook("a", ["/bin/true"]))
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        builds.put_next()
        failpoints.arm("upgrade.asked", "wedge")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            upgrade = pool.submit(belayd.api, "POST", "/upgrade")
            failpoints.wait_reached("upgrade.asked")
            failpoints.release("upgrade.asked")
            time.sleep(0.1)  # what is under test is time that passes
            if time.monotonic() > begun + 0.9:
                self.skipTest("this machine is too slow: by now the handshake is taken for one that nobody completes")
            far.complete_handshake(REQUEST)
            self.assertEqual(far.receive_data()[:13], b"HTTP/1.1 202 ")
            far.reset()
            self.assertEqual(upgrade.result().status, 200)
        belayd.stop()

    def test_without_any_the_doors_shut_at_once(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()
        self.assertLess(self.seconds_at_the_doors(belayd), 0.5)


class KeptAlive(TestCase):
    def test_a_request_may_follow_an_answer_in_the_time_that_two_round_trips_take(self):
        """Longer than the least hold: the answer has to get there, and the request here."""
        round_trip = 0.45
        far = FarPeer(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), prefix=far.prefix,
                                   sections={"ingress": f'listen = "{far.address}"\n'}))
        far.attach(self)
        far.begin_handshake()
        time.sleep(round_trip)  # what is under test is time that passes
        far.complete_handshake(REQUEST)
        self.assertEqual(far.receive_data()[:13], b"HTTP/1.1 202 ")
        answered = time.monotonic()
        belayd.send_signal(signal.SIGTERM)
        belayd.wait_record("drain phase over", phase="doors")
        time.sleep(max(0, answered + 0.5 - time.monotonic()))
        in_time = time.monotonic() < answered + 2 * round_trip - 0.1
        far.send(REQUEST)
        answer = far.receive_data()  # and no reset
        if in_time:
            self.assertEqual(answer[:13], b"HTTP/1.1 202 ")
            self.assertIn(b"\r\nConnection: close\r\n", answer)
        far.reset()
        self.assertEqual(belayd.wait(), 0, belayd.log()[-4000:])
        belayd.check_messages()


if __name__ == "__main__":
    unittest.main()
