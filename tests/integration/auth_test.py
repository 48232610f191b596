"""Who may send: addresses behind proxies."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from tests.integration.harness import BUILD, Belayd, TestCase, fetch

ADDRESSES = """
[hooks.near]
auth = { addresses = ["192.0.2.0/24", "2001:db8::/32"] }
run = ["/bin/true"]
[hooks.both]
auth = { scheme = "github", secret_file = "secret", addresses = "192.0.2.0/24" }
run = ["/bin/true"]
[hooks.open]
auth = "none"
run = ["/bin/true"]
"""


class Addresses(TestCase):
    def belayd(self, proxies, **sections):
        ingress = f'listen = ["127.0.0.1:0"]\ntrusted_proxies = {proxies}\n'
        return self.start(Belayd(ADDRESSES, sections={"ingress": ingress, **sections}))

    def status(self, belayd, hook, forwarded=None, endpoint=None):
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        return fetch(endpoint or belayd.address("ingress"), "POST", f"/hooks/{hook}", b"{}", headers).status

    def test_a_trusted_proxy_says_whom_it_passes_on(self):
        belayd = self.belayd('["127.0.0.0/8", "10.0.0.0/8"]')
        for forwarded, status in (("192.0.2.7", 202), ("2001:db8::1", 202), ("192.0.2.7, 10.1.2.3", 202),
                                  ("192.0.3.7", 403), ("192.0.2.7, 192.0.3.7", 403), ("192.0.2.7, nonsense", 403),
                                  (None, 403), ("unix", 403)):
            self.assertEqual(self.status(belayd, "near", forwarded), status, forwarded)
        self.assertEqual(belayd.metrics()['belay_events_total{hook="near",result="refused"}'], 5)
        good = {"X-Forwarded-For": "192.0.2.7"}
        self.assertEqual(belayd.post("both", headers=good).status, 202)
        self.assertEqual(belayd.post("both", headers=good, secret=b"other").status, 401)
        answer = belayd.post("both", headers={"X-Forwarded-For": "192.0.3.7"})
        self.assertEqual((answer.status, answer.json()["detail"], answer.headers["WWW-Authenticate"]),
                         (403, "requests to this hook are not taken from this address", None))
        belayd.stop()

    def test_what_is_stored_and_logged_is_the_client(self):
        belayd = self.belayd('["127.0.0.0/8"]')
        self.assertEqual(self.status(belayd, "open", "203.0.113.1, 198.51.100.7"), 202)
        self.assertEqual([event["remote"] for event in belayd.api("GET", "/events").json()["events"]], ["198.51.100.7"])
        record = belayd.wait_record("request answered", path="/hooks/open")
        self.assertEqual((record["peer"], record["client"]), ("127.0.0.1", "198.51.100.7"))
        belayd.stop()

    def test_nobody_is_believed_who_is_not_trusted(self):
        belayd = self.belayd('["192.0.2.0/24", "unix"]')
        self.assertEqual(self.status(belayd, "near", "192.0.2.7"), 403)
        self.assertEqual(self.status(belayd, "open", "192.0.2.7"), 202)
        self.assertEqual([event["remote"] for event in belayd.api("GET", "/events").json()["events"]], ["127.0.0.1"])
        belayd.sections["ingress"] = 'listen = ["127.0.0.1:0"]\ntrusted_proxies = "127.0.0.1"\n'
        belayd.write_config(ADDRESSES)
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(self.status(belayd, "near", "192.0.2.7"), 202)
        belayd.stop()

    def test_of_unix_sockets_only_where_that_is_said(self):
        for proxies, status in (("[]", 403), ('"unix"', 202)):
            with self.subTest(proxies), tempfile.TemporaryDirectory(prefix="belay-test-") as directory:
                endpoint = f"unix:{directory}/ingress"
                belayd = self.start(Belayd(ADDRESSES, sections={
                    "ingress": f'listen = "{endpoint}"\ntrusted_proxies = {proxies}\n'}))
                self.assertEqual(self.status(belayd, "near", "192.0.2.7", endpoint), status)
                belayd.stop()


SIGNED_RULES = """
[hooks.either]
auth = "none"
run = ["/bin/true"]
when = { any = [
    { signature = { scheme = "github", secret_file = "secret" } },
    { signature = { scheme = "custom", header = "X-Token", algorithm = "token", encoding = "plain", secret_file = "token" } },
] }
[hooks.both]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/true"]
when = { all = [{ signature = { scheme = "github", secret_file = "secret" } }, { not = { signature = { scheme = "github", secret_file = "other" } } }] }
"""


class SignedRules(TestCase):
    def temporary_directory(self):
        directory = pathlib.Path(tempfile.mkdtemp(prefix="belay-test-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        return directory

    def test_either_sender_may(self):
        directory = self.temporary_directory()
        for name in ("token", "other"):
            (directory / name).write_text(f"the {name}")
            (directory / name).chmod(0o600)
        belayd = self.start(Belayd(SIGNED_RULES, directory=directory))
        address = belayd.address("ingress")
        self.assertEqual(belayd.post("either").status, 202)
        forged = belayd.post("either", secret=b"guessed")
        self.assertEqual((forged.status, forged.json()["state"]), (200, "ignored"))
        self.assertEqual(fetch(address, "POST", "/hooks/either", b"{}", {"X-Token": "the token"}).status, 202)
        self.assertEqual(fetch(address, "POST", "/hooks/either", b"{}", {"X-Token": "the toke"}).json()["state"], "ignored")
        self.assertEqual(belayd.post("both").status, 202)

        def counted(hook, key, result="accepted"):
            return belayd.metrics()[f'belay_signatures_total{{hook="{hook}",key="{key}",result="{result}"}}']
        self.assertEqual([counted("either", "secret"), counted("either", "token")], [1, 1])
        self.assertEqual([counted("both", "secret"), counted("both", "other")], [1, 0], "one request uses a secret once")
        events = belayd.api("GET", "/events").json()["events"]
        kept = [belayd.api("GET", f"/events/{event['id']}/request").json() for event in events if event["hook"] == "either"]
        names = {name.lower() for request in kept for name, _ in request["headers"]}
        self.assertIn("x-hub-signature-256", names)
        self.assertNotIn("x-token", names, "a secret is not kept")
        belayd.stop()

    def test_a_secret_that_is_missing_is_told_at_the_start(self):
        file = self.temporary_directory() / "belay.toml"
        file.write_text(SIGNED_RULES)
        process = subprocess.run([BUILD / "belayd" / "belayd", "--check", "--config", file], capture_output=True, text=True)
        self.assertEqual(process.returncode, 78)
        self.assertIn('secret file "token" cannot be opened', process.stderr)
        self.assertIn('secret file "other" cannot be opened', process.stderr)


if __name__ == "__main__":
    unittest.main()
