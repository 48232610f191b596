"""Users and passwords (RFC 7617), whose hashes take their time."""
import base64
import concurrent.futures
import pathlib
import subprocess
import tempfile
import time
import unittest

from tests.integration.builds import Builds
from tests.integration.failpoints import Failpoints
from tests.integration.harness import DEADLINE, Belayd, TestCase, fetch, hook, wait_until

CONFIG = """
[hooks.people]
auth = { scheme = "basic", secret_file = ["users", { name = "former", not_after = 2020-01-01T00:00:00Z }] }
run = ["/bin/true"]
[hooks.shared]
path = "people"
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/true"]
""" + hook("signed", ["/bin/true"])

# crypt(5): the prefix, the cost, the salt.
YESCRYPT = "$y$j9T$abcdefgh$"
BCRYPT = "$2b$04$abcdefghijklmnopqrstuu"
SLOW = "$2b$13$abcdefghijklmnopqrstuu"  # the slowest that is taken


def hashed(password, setting):
    return subprocess.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, setting],
                          check=True, capture_output=True, text=True).stdout


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Basic(TestCase):
    def belayd(self, users, **options):
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-")))
        self.write(directory / "users", users)
        self.write(directory / "former", {"gone": ("old", BCRYPT)})
        return self.start(Belayd(CONFIG, directory=directory, **options))

    def write(self, path, users):
        path.touch(mode=0o600)
        path.write_text("".join(f"{user}:{hashed(*of)}\n" for user, of in users.items()))

    def send(self, belayd, authorization):
        headers = {} if authorization is None else {"Authorization": authorization}
        return fetch(belayd.address("ingress"), "POST", "/hooks/people", b"{}", headers)

    def test_users_of_the_file_and_nobody_else(self):
        belayd = self.belayd({"ann": ("a:ä", YESCRYPT), "bob": ("b", BCRYPT)})
        for authorization in (basic("ann", "a:ä"), basic("bob", "b"), basic("bob", "b").replace("Basic", "bASIC")):
            answer = self.send(belayd, authorization)
            self.assertEqual(answer.status, 202, authorization)
            self.assertEqual([it["hook"] for it in answer.json()["events"]], ["people"])
        wrong = (None, "", "Basic", basic("ann", "b"), basic("bob", "a:ä"), basic("bob", ""), basic("", "b"),
                 basic("Bob", "b"), basic("bob", "b") + "=", basic("bob", "b").replace("Basic", "Bearer"),
                 basic("bob", "b\0"), basic("gone", "old"))
        for authorization in wrong:
            answer = self.send(belayd, authorization)
            self.assertEqual(answer.status, 401, authorization)
            self.assertEqual(answer.headers["WWW-Authenticate"],
                             'Basic realm="belay", charset="UTF-8", X-Hub-Signature-256')
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_signatures_total{hook="people",key="users",result="accepted"}'], 3)
        self.assertEqual(metrics['belay_signatures_total{hook="people",key="former",result="refused"}'], 1)
        self.assertNotIn(b"Basic", (belayd.base / "state" / "belay.db").read_bytes(), "a password was stored")
        self.assertEqual(belayd.post("people").status, 202, "who signs is not asked for a password")
        belayd.stop()

    def test_a_reload_forgets_who_was_right(self):
        belayd = self.belayd({"bob": ("b", BCRYPT)})
        self.assertEqual(self.send(belayd, basic("bob", "b")).status, 202)
        self.write(belayd.base / "users", {"bob": ("c", BCRYPT)})
        self.assertEqual(self.send(belayd, basic("bob", "b")).status, 202)
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(self.send(belayd, basic("bob", "b")).status, 401)
        self.assertEqual(self.send(belayd, basic("bob", "c")).status, 202)
        (belayd.base / "users").write_text("bob:secret\n")
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422)
        self.assertIn('secret file "users" line 1 has no hash of yescrypt, bcrypt', answer.json()["message"])
        self.assertEqual(self.send(belayd, basic("bob", "c")).status, 202)
        belayd.stop()

    def test_a_flood_of_wrong_ones_keeps_nobody_else_waiting(self):
        belayd = self.belayd({"ann": ("a", SLOW)})
        self.assertEqual(self.send(belayd, basic("ann", "a")).status, 202)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            flood = [pool.submit(self.send, belayd, basic("ann", f"wrong {i}")) for i in range(16)]
            wait_until(lambda: any(it.done() for it in flood), "the first to be turned away")
            self.assertEqual(self.send(belayd, basic("ann", "a")).status, 202, "who was right lately")
            self.assertEqual(belayd.post("signed").status, 202)
            self.assertFalse(all(it.done() for it in flood), "there was no flood any more")
            answers = [it.result() for it in flood]
        self.assertEqual({it.status for it in answers}, {401, 503})
        busy = [it for it in answers if it.status == 503]
        self.assertGreaterEqual(len(busy), 8)
        self.assertEqual({(it.headers["Retry-After"], it.json()["detail"]) for it in busy},
                         {("5", "too many passwords are being checked; try again")})
        self.assertEqual(self.send(belayd, basic("ann", "wrong")).status, 401, "the flood is over")
        belayd.stop()

    def test_who_is_right_at_one_hook_of_a_path_is_so_at_no_cost(self):
        """Of two hooks with users of their own: the other one does not hash for each request."""
        directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-")))
        self.write(directory / "users", {"ann": ("a", BCRYPT)})
        self.write(directory / "others", {"bob": ("b", SLOW)})
        belayd = self.start(Belayd("".join(
            f'[hooks.{name}]\npath = "people"\nauth = {{ scheme = "basic", secret_file = "{name}" }}\nrun = ["/bin/true"]\n'
            for name in ("users", "others")), directory=directory))
        self.assertEqual(self.send(belayd, basic("ann", "a")).status, 202)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            flood = [pool.submit(self.send, belayd, basic("ann", f"wrong {i}")) for i in range(16)]
            wait_until(lambda: any(it.done() for it in flood), "the first to be turned away")
            answer = self.send(belayd, basic("ann", "a"))
            self.assertEqual((answer.status, [it["hook"] for it in answer.json()["events"]]), (202, ["users"]))
            self.assertFalse(all(it.done() for it in flood), "there was no flood any more")
        belayd.stop()

    def test_a_stop_and_a_reload_meanwhile(self):
        belayd = self.belayd({"ann": ("a", SLOW)})
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(self.send, belayd, basic("ann", password)) for password in ("a", "b", "c", "d")]
            wait_until(lambda: belayd.connections() == 4, "the requests")
            self.assertEqual(belayd.api("POST", "/reload").status, 200)
            belayd.stop()
            self.assertEqual([it.result().status for it in waiting], [202, 401, 401, 401])

    def test_those_who_wait_are_answered_where_there_is_no_next_image(self):
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd = self.belayd({"ann": ("a", SLOW)}, executable=builds.path, env=failpoints.environment)
        builds.put_next()
        failpoints.arm("upgrade.ingress_frozen", "wedge")
        with concurrent.futures.ThreadPoolExecutor(5) as pool:
            waiting = [pool.submit(self.send, belayd, basic("ann", password)) for password in ("a", "b", "c", "d")]
            wait_until(lambda: belayd.connections() == 4, "the requests")
            upgrade = pool.submit(belayd.api, "POST", "/upgrade")
            failpoints.wait_reached("upgrade.ingress_frozen")
            time.sleep(1.1)  # a freeze takes a second at most
            failpoints.release("upgrade.ingress_frozen")
            self.assertEqual(upgrade.result().status, 422)
            self.assertEqual([it.result().status for it in waiting], [202, 401, 401, 401])
        self.assertEqual(self.send(belayd, basic("ann", "wrong")).status, 401)
        belayd.stop()

    def test_those_who_wait_are_answered_where_a_request_held_the_freeze_up(self):
        failpoints = Failpoints(self)
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd = self.belayd({"ann": ("a", SLOW)}, executable=builds.path, env=failpoints.environment)
        builds.put_next()
        for _ in range(2):
            with concurrent.futures.ThreadPoolExecutor(6) as pool:
                waiting = [pool.submit(self.send, belayd, basic("ann", password)) for password in ("b", "c", "d", "e")]
                wait_until(lambda: belayd.connections() >= 4, "the requests")
                failpoints.arm("upgrade.settled", "wedge")
                upgrade = pool.submit(belayd.api, "POST", "/upgrade")
                failpoints.wait_reached("upgrade.settled")
                failpoints.arm("store.disk", "wedge")
                slow = pool.submit(belayd.post, "signed")
                failpoints.wait_reached("store.disk")
                failpoints.arm("upgrade.given_up", "wedge")
                failpoints.release("upgrade.settled")
                failpoints.wait_reached("upgrade.given_up")
                self.assertEqual([it.result(DEADLINE).status for it in waiting], [401] * 4, "before all else goes on")
                failpoints.release("upgrade.given_up")
                self.assertEqual(upgrade.result().status, 422)
                failpoints.release("store.disk")
                self.assertEqual(slow.result().status, 202)
        belayd.stop()

    def test_those_who_wait_pass_to_the_next_image(self):
        builds = Builds(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-builds-")))
        belayd = self.belayd({"ann": ("a", SLOW)}, executable=builds.path)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(self.send, belayd, basic("ann", password)) for password in ("a", "b", "c", "d")]
            wait_until(lambda: belayd.connections() == 4, "the requests")
            builds.put_next()
            self.assertEqual(belayd.api("POST", "/upgrade").status, 200)
            self.assertEqual([it.result().status for it in waiting], [202, 401, 401, 401])
        belayd.count_records("starting", 2)
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
