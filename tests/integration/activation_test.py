"""Sockets that the service manager holds, sd_listen_fds(3)."""
import os
import pathlib
import select
import socket
import sys
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.harness import Belayd, TestCase, fetch, hook, sign, wait_until

# What systemd does before it executes a service: listening sockets from descriptor 3 on, and what they are called.
# Arguments: NAME=PATH,... COMMAND...
ACTIVATE = """
import os, socket, sys
names, sockets = [], []
for i, one in enumerate(sys.argv[1].split(",")):
    name, path = one.split("=")
    listening = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    listening.bind(path)
    listening.listen(4096)
    sockets.append(listening)
    names.append(name)
for i, descriptor in enumerate([os.dup(one.fileno()) for one in sockets]):
    os.dup2(descriptor, 3 + i)
os.environ.update(LISTEN_FDS=str(len(names)), LISTEN_FDNAMES=":".join(names), LISTEN_PID=str(os.getpid()),
                  WATCHDOG_PID=str(os.getpid()))
os.closerange(3 + len(names), 100)
os.execv(sys.argv[2], sys.argv[2:])
"""

HEALTHZ = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
HOOK = (f"POST /hooks/a HTTP/1.1\r\nHost: a\r\nX-Hub-Signature-256: {sign(b'{}')}\r\n"
        "Content-Length: 2\r\n\r\n{}").encode()


class Activation(TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-sockets-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def path(self, name):
        return str(self.directory / name)

    def start_with(self, passed, config=hook("a", ["/bin/true"]), **options):
        """passed: (name, file) of each socket."""
        builds = Builds(self.path("."))
        self.builds = builds
        sockets = ",".join(f"{name}={self.path(file)}" for name, file in passed)
        belayd = Belayd(config, executable=builds.path, prefix=[sys.executable, "-c", ACTIVATE, sockets], **options)
        return self.start(belayd)

    def send(self, file):
        return fetch(f"unix:{self.path(file)}", "POST", "/hooks/a", b"{}", {"X-Hub-Signature-256": sign(b"{}")})

    def post(self, file):
        return self.send(file).status

    def assert_serve_all(self):
        for file in ("one", "two"):
            self.assertEqual(self.post(file), 202)
        for file in ("three", "four"):
            self.assertEqual(fetch(f"unix:{self.path(file)}", "GET", "/healthz").status, 200)

    def test_who_cannot_start_gives_the_manager_time(self):
        """Which holds the sockets, and for whoever waits there starts belayd again as soon as it has ended."""
        begin = time.monotonic()
        belayd = Belayd("nonsense", prefix=[sys.executable, "-c", ACTIVATE, f"ingress={self.path('one')}"])
        self.addCleanup(belayd.close)
        self.assertEqual(belayd.wait(), 78, belayd.log())
        self.assertGreaterEqual(time.monotonic() - begin, 1)

    def test_those_named_ingress_and_admin_replace_the_defaults(self):
        belayd = self.start_with([("ingress", "one"), ("admin", "three"), ("ingress", "two"), ("admin", "four")],
                                 sections={"ingress": "", "admin": ""})
        self.assert_serve_all()
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assert_serve_all()
        self.builds.put_next()
        self.assertEqual(belayd.api("POST", "/upgrade").status, 200)
        self.assert_serve_all()
        belayd.stop()
        self.assertEqual(sorted(os.listdir(self.directory)), ["belayd", "four", "one", "three", "two"])

    def test_those_of_other_names_are_taken_where_they_are_written(self):
        belayd = self.start_with([("hooks", "one"), ("internal", "two"), ("metrics", "three"), ("unused", "five")],
                                 sections={"ingress": 'listen = ["fd:hooks", "fd:internal"]\n',
                                           "admin": 'listen = ["fd:metrics"]\n'})
        self.assertEqual([self.post("one"), self.post("two")], [202, 202])
        self.assertEqual(fetch(f"unix:{self.path('three')}", "GET", "/healthz").status, 200)
        belayd.wait_record("nobody accepts on a passed socket", name="unused")
        belayd.stop()

    def test_the_environment_is_never_changed_and_jobs_see_nothing_of_the_manager(self):
        belayd = self.start_with([("ingress", "one")], hook("a", ["/usr/bin/env"]), env={"WATCHDOG_USEC": "60000000"},
                                 sections={"ingress": ""})
        environment = lambda: pathlib.Path(f"/proc/{belayd.pid}/environ").read_bytes()
        before = environment()
        for _ in range(2):
            job = belayd.wait_job(self.send("one").json()["job"], "succeeded")["id"]
            seen = belayd.output(job)["stdout"]
            self.assertIn("PATH=", seen)
            self.assertNotRegex(seen, "NOTIFY_|LISTEN_|WATCHDOG_")
            self.builds.put_next()
            self.assertEqual(belayd.api("POST", "/upgrade").status, 200)
            self.assertEqual(environment(), before)
        names = {entry.partition(b"=")[0].decode() for entry in before.split(b"\0")}
        self.assertLessEqual({"NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC"},
                             names)
        belayd.stop()

    def test_what_a_reload_lets_go_keeps_its_queue_for_the_next_that_takes_it(self):
        """All sockets of a name; and an upgrade between the two does not lose them."""
        belayd = self.start_with([("ingress", "one"), ("admin", "three"), ("ingress", "two"), ("admin", "four")],
                                 sections={"daemon": 'drain_timeout = "5s"\n', "ingress": "", "admin": ""})
        def reload(listen):
            belayd.sections.update(ingress=listen, admin=listen)
            belayd.write_config(hook("a", ["/bin/true"]))
            answer = belayd.api("POST", "/reload")
            self.assertEqual(answer.status, 200, answer)
        reload('listen = "127.0.0.1:0"\n')
        self.assertEqual(belayd.post("a").status, 202)
        waiting = []
        for file, request in (("one", HOOK), ("two", HOOK), ("three", HEALTHZ), ("four", HEALTHZ)):
            wait_until(lambda: not self.answers(self.ask(file, request), 0.3), f"nobody to accept on {file}")
            waiting.append(self.ask(file, request))
        self.builds.put_next()
        self.assertEqual(belayd.api("POST", "/upgrade").status, 200)
        reload("")
        for peer in waiting:
            self.assertTrue(self.answers(peer, 60))
        self.assert_serve_all()
        belayd.stop()

    def ask(self, file, request):
        peer = self.enterContext(socket.socket(socket.AF_UNIX))
        peer.connect(self.path(file))
        peer.sendall(request)
        return peer

    def answers(self, peer, seconds):
        return select.select([peer], [], [], seconds)[0] and peer.recv(10000).startswith(b"HTTP/1.1 20")



class NewListeners(TestCase):
    """An upgrade to a configuration with listeners that cannot be had changes nothing."""

    def test_a_taken_address_keeps_the_old_image(self):
        directory = tempfile.TemporaryDirectory(prefix="belay-builds-")
        self.addCleanup(directory.cleanup)
        builds = Builds(directory.name)
        belayd = self.start(Belayd(hook("a", ["/bin/true"]), executable=builds.path))
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for section in ("ingress", "admin"):
                before = dict(belayd.sections)
                for listen, reason in ((f'["127.0.0.1:0", "{address}"]', f"cannot listen on {address}"),
                                       ('["127.0.0.1:0", "fd:nothing"]', "fd:nothing")):
                    belayd.sections[section] = f"listen = {listen}\n"
                    belayd.write_config(hook("a", ["/bin/true"]))
                    builds.put_next()
                    answer = belayd.api("POST", "/reload")
                    self.assertEqual(answer.status, 422, answer)
                    self.assertIn(reason, answer.body.decode())
                    self.assertEqual(belayd.count_records("starting", 1), 1)
                belayd.sections = before
            file = f"{directory.name}/new.sock"
            belayd.sections["ingress"] = f'listen = ["127.0.0.1:0", "unix:{file}"]\n'
            belayd.write_config(hook("a", ["/bin/true"]))
            self.assertEqual(belayd.api("POST", "/reload").status, 200)
            headers = {"X-Hub-Signature-256": sign(b"{}")}
            self.assertEqual(fetch(f"unix:{file}", "POST", "/hooks/a", b"{}", headers).status, 202)
        self.assertEqual(belayd.count_records("starting", 2), 2)
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
