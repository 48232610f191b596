"""Handshakes under way when a drain shuts the doors: a peer that has had its SYN-ACK is not turned away."""
import signal
import time
import unittest

from tests.integration.far_peer import FarPeer
from tests.integration.harness import Belayd, TestCase, hook, sign

REQUEST = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(b'{}')}\r\n"
           "Content-Length: 2\r\n\r\n{}").encode()


class Handshakes(TestCase):
    def start_far(self):
        far = FarPeer(self)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), prefix=far.prefix,
                                   sections={"ingress": f'listen = "{far.address}"\n'}))
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

    def test_without_any_the_doors_shut_at_once(self):
        belayd = self.start(Belayd(hook("a", ["/bin/true"])))
        self.assertEqual(belayd.post("a").status, 202)
        belayd.stop()
        self.assertLess(self.seconds_at_the_doors(belayd), 0.5)


if __name__ == "__main__":
    unittest.main()
