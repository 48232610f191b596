"""Each sender's webhooks, signed here as it signs them, and what it asks beside events."""
import base64
import hashlib
import hmac
import json
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

from tests.integration.harness import BUILD, DEADLINE, Belayd, TestCase, fetch

KEY = b"hush hush hush hush hush"


def config(*schemes):
    return "".join(f'[hooks.{scheme}]\nauth = {{ scheme = "{scheme}", secret_file = "{scheme}.secret" }}\n'
                   'run = ["/bin/cat"]\n' for scheme in schemes)


def digest(message, algorithm="sha256"):
    return hmac.new(KEY, message, algorithm)


def standard(prefix, body, delivery, when):
    signature = base64.b64encode(digest(f"{delivery}.{when}.".encode() + body).digest()).decode()
    return {prefix + "id": delivery, prefix + "timestamp": str(when), prefix + "signature": f"v1,{signature}"}


def signed(scheme, body, delivery="d-1", when=None):
    """The header fields of a delivery."""
    when = int(time.time()) if when is None else when
    plain = digest(body).hexdigest()
    date = time.strftime("%a %d %b %Y %H:%M:%S UTC", time.gmtime(when))
    return {
        "github": {"X-Hub-Signature-256": "sha256=" + plain, "X-GitHub-Delivery": delivery},
        "gitea": {"X-Gitea-Signature": plain, "X-Gitea-Delivery": delivery},
        "forgejo": {"X-Forgejo-Signature": plain, "X-Forgejo-Delivery": delivery},
        "gogs": {"X-Gogs-Signature": plain, "X-Gogs-Delivery": delivery},
        "gitlab": {"X-Gitlab-Token": KEY.decode(), "Idempotency-Key": delivery},
        "gitlab_signing": standard("webhook-", body, delivery, when),
        "bitbucket": {"X-Hub-Signature": "sha256=" + plain, "X-Request-UUID": delivery},
        "standard_webhooks": standard("webhook-", body, delivery, when),
        "svix": standard("svix-", body, delivery, when),
        "stripe": {"Stripe-Signature": f"t={when},v1=" + digest(f"{when}.".encode() + body).hexdigest()},
        "slack": {"X-Slack-Request-Timestamp": str(when),
                  "X-Slack-Signature": "v0=" + digest(f"v0:{when}:".encode() + body).hexdigest()},
        "shopify": {"X-Shopify-Hmac-SHA256": base64.b64encode(digest(body).digest()).decode(),
                    "X-Shopify-Event-Id": delivery},
        "scalr": {"Date": date, "X-Signature": digest(body + date.encode(), "sha1").hexdigest()},
        "bearer": {"Authorization": "Bearer " + KEY.decode()},
    }[scheme]


WITH_SHARED_SECRET = ("github", "gitea", "forgejo", "gogs", "gitlab", "gitlab_signing", "bitbucket", "standard_webhooks",
                      "svix", "stripe", "slack", "shopify", "scalr", "bearer")
DELIVERY_IN_BODY = {"stripe": "id", "slack": "event_id"}
WITHOUT_DELIVERY = ("scalr", "bearer")
SIGNS_TIME = ("gitlab_signing", "standard_webhooks", "svix", "stripe", "slack", "scalr")


def start_with(test, config, secrets):
    """A belayd whose secret files are there before it."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="belay-test-"))
    test.addCleanup(shutil.rmtree, directory, ignore_errors=True)
    for name, secret in secrets.items():
        (directory / name).write_bytes(secret)
        (directory / name).chmod(0o600)
    return test.start(Belayd(config, directory))


class Senders(TestCase):
    def belayd(self, *schemes):
        standard = b"whsec_" + base64.b64encode(KEY)
        return start_with(self, config(*schemes), {
            f"{scheme}.secret": standard if scheme in ("gitlab_signing", "standard_webhooks", "svix") else KEY
            for scheme in schemes})

    def send(self, belayd, scheme, body, headers):
        return fetch(belayd.address("ingress"), "POST", f"/hooks/{scheme}", body,
                     {"Content-Type": "application/json", **headers})

    def test_each_is_heard_once_and_nobody_else(self):
        belayd = self.belayd(*WITH_SHARED_SECRET)
        jobs = {}
        for scheme in WITH_SHARED_SECRET:
            with self.subTest(scheme):
                body = json.dumps({DELIVERY_IN_BODY.get(scheme, "any"): "d-1"}).encode()
                answer = self.send(belayd, scheme, body, signed(scheme, body))
                self.assertEqual(answer.status, 202, answer)
                jobs[scheme] = answer.json()["job"]
                again = self.send(belayd, scheme, body, signed(scheme, body))
                if scheme in WITHOUT_DELIVERY:
                    self.assertEqual(again.status, 202)
                else:
                    self.assertEqual((again.status, again.json()["job"]), (200, jobs[scheme]))
                name, value = next((name, value) for name, value in signed(scheme, body).items() if KEY.decode() in value
                                   or "ignature" in name or "Sha" in name or "SHA" in name)
                forged = value[:-3] + ("0" if value[-3] != "0" else "1") + value[-2:]
                self.assertEqual(self.send(belayd, scheme, body, {**signed(scheme, body), name: forged}).status, 401)
                for other in WITH_SHARED_SECRET:
                    headers = signed(other, body)
                    if not set(signed(scheme, body)) <= set(headers):  # those of which another's would do
                        self.assertEqual(self.send(belayd, scheme, body, headers).status, 401, other)
        for scheme, job in jobs.items():
            self.assertEqual(belayd.wait_job(job, "succeeded")["hook"], scheme)
        belayd.stop()

    def test_what_was_signed_long_ago_is_not_heard_again(self):
        belayd = self.belayd(*SIGNS_TIME)
        now = int(time.time())
        for scheme in SIGNS_TIME:
            for when, words in ((now - 3600, " s ago"), (now + 3600, "one of the clocks is wrong")):
                answer = self.send(belayd, scheme, b"{}", signed(scheme, b"{}", when=when))
                self.assertEqual(answer.status, 401, scheme)
                self.assertIn(words, answer.json()["detail"])
        self.assertEqual(belayd.api("GET", "/jobs").json()["jobs"], [])
        belayd.stop()

    def test_an_old_secret_is_given_up_knowingly(self):
        belayd = start_with(self, """
[hooks.a]
auth = { scheme = "github", secret_file = ["new.secret", { name = "old.secret", not_after = 2100-01-01T00:00:00Z },
                                           { name = "ended.secret", not_after = 2020-01-01T00:00:00Z }] }
run = ["/bin/true"]
""", {f"{name}.secret": name.encode() for name in ("new", "old", "ended")})

        def signatures(key, result):
            return belayd.metrics()[f'belay_signatures_total{{hook="a",key="{key}.secret",result="{result}"}}']

        for secret, status in ((b"new", 202), (b"old", 202), (b"old", 202), (b"ended", 401), (b"else", 401)):
            self.assertEqual(belayd.post("a", secret=secret).status, status, secret)
        self.assertEqual(belayd.post("a", b"{}", event="ping", secret=b"new").status, 200)
        self.assertEqual({(key, result): signatures(key, result) for key in ("new", "old", "ended")
                          for result in ("accepted", "refused")},
                         {("new", "accepted"): 2, ("new", "refused"): 0, ("old", "accepted"): 2, ("old", "refused"): 0,
                          ("ended", "accepted"): 0, ("ended", "refused"): 1})
        self.assertEqual([record["key"] for record in belayd.records() if "a secret has ended" in record["msg"]],
                         ["ended.secret"])
        self.reload_without(belayd)
        self.assertEqual(signatures("old", "accepted"), 2)
        belayd.stop()

    def reload_without(self, belayd):
        """The counters of a secret that is no longer configured stay: a rate that ends is not a counter that goes."""
        belayd.write_config('[hooks.a]\nauth = { scheme = "github", secret_file = "new.secret" }\nrun = ["/bin/true"]\n')
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(belayd.post("a", secret=b"old").status, 401)
        self.assertEqual(belayd.post("a", secret=b"new").status, 202)

    def test_slack_asks_first(self):
        belayd = self.belayd("slack")
        body = b'{"type":"url_verification","challenge":"3eZbrw1aB"}'
        answer = self.send(belayd, "slack", body, signed("slack", body))
        self.assertEqual((answer.status, answer.json()), (200, {"challenge": "3eZbrw1aB"}))
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertEqual(belayd.api("GET", "/jobs").json()["jobs"], [])
        self.assertEqual(belayd.metrics()['belay_events_total{hook="slack",result="ignored"}'], 1)
        belayd.stop()

    def test_a_401_names_what_is_missing(self):
        belayd = self.belayd("bearer", "stripe")
        for scheme, challenge in (("bearer", "Bearer"), ("stripe", "Stripe-Signature")):
            answer = self.send(belayd, scheme, b"{}", {})
            self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, challenge))
        belayd.stop()

    def test_a_signature_in_a_trailer_is_none(self):
        belayd = self.belayd("github")
        signature = signed("github", b"{}")["X-Hub-Signature-256"]
        host, port = belayd.address("ingress").rsplit(":", 1)
        with socket.create_connection((host, int(port))) as peer:
            peer.sendall(b"POST /hooks/github HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
                         b"Trailer: X-Hub-Signature-256\r\n\r\n2\r\n{}\r\n0\r\nX-Hub-Signature-256: "
                         + signature.encode() + b"\r\n\r\n")
            answer = peer.makefile("rb").read()
        self.assertRegex(answer, rb"^HTTP/1\.1 40[01] ")
        belayd.stop()


# What `belay send` signs with, and what belayd verifies with, of each scheme.
PRIVATE_KEY = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")  # RFC 8032 §7.1, TEST 2
PUBLIC_KEY = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
STANDARD_KEY = b"whsec_" + base64.b64encode(KEY)
KEYS = {
    **{scheme: (KEY, KEY) for scheme in WITH_SHARED_SECRET},
    **{scheme: (STANDARD_KEY, STANDARD_KEY) for scheme in ("gitlab_signing", "standard_webhooks", "svix")},
    "discord": (PRIVATE_KEY.hex().encode(), PUBLIC_KEY.hex().encode()),
}
STANDARD_ED25519_KEYS = (b"whsk_" + base64.b64encode(PRIVATE_KEY), b"whpk_" + base64.b64encode(PUBLIC_KEY))


class BelaySend(TestCase):
    """`belay send --scheme` is heard as the sender is."""

    def belayd(self, keys):
        """keys: by hook: scheme, its key that signs, its key that verifies"""
        self.keys = keys
        config = "".join(f'[hooks.{hook}]\nauth = {{ scheme = "{scheme}", secret_file = "{hook}.secret" }}\n'
                         'run = ["/bin/cat"]\n' for hook, (scheme, _, _) in keys.items())
        secrets = {"other.key": b"else"}
        for hook, (_, signing, verifying) in keys.items():
            secrets.update({f"{hook}.secret": verifying, f"{hook}.key": signing})
        return start_with(self, config, secrets)

    def send(self, belayd, hook, *options, body=b"{}", key=None):
        command = [BUILD / "cli/belay", "send", hook, "--url", f"http://{belayd.address('ingress')}", "--json",
                   "--scheme", self.keys[hook][0], "--secret-file", belayd.base / (key or f"{hook}.key"),
                   "--data", "-", *options]
        return subprocess.run(command, input=body, capture_output=True, timeout=DEADLINE)

    def test_each_is_heard_once_and_nobody_else(self):
        keys = {scheme: (scheme, *pair) for scheme, pair in KEYS.items()}
        for scheme in ("standard_webhooks", "svix"):
            keys[scheme + "_v1a"] = (scheme, *STANDARD_ED25519_KEYS)
        belayd = self.belayd(keys)
        for hook, (scheme, _, _) in keys.items():
            with self.subTest(hook):
                in_body = DELIVERY_IN_BODY.get(scheme)
                body = json.dumps({in_body or "any": "d-1"}).encode()
                named = () if in_body else ("--delivery", "d-1")
                first = self.send(belayd, hook, *named, body=body)
                self.assertEqual((first.returncode, first.stderr), (0, b""))
                job = json.loads(first.stdout)["job"]
                belayd.wait_job(job, "succeeded")
                self.assertEqual(belayd.output(job)["stdout"], body.decode())
                again = json.loads(self.send(belayd, hook, *named, body=body).stdout)
                self.assertEqual((again.get("duplicate"), again["job"]), (True, job))
                if scheme not in ("gitlab_signing", "standard_webhooks", "svix", "discord"):  # whose keys have a form
                    forged = self.send(belayd, hook, key="other.key")
                    self.assertEqual((forged.returncode, json.loads(forged.stdout)["status"]), (1, 401))
        belayd.stop()

    def test_what_a_sender_asks_is_answered(self):
        belayd = self.belayd({scheme: (scheme, *KEYS[scheme]) for scheme in ("github", "slack", "discord")})
        for hook, options, body in (("github", ("--event", "ping"), b"{}"), ("discord", (), b'{"type":1}'),
                                    ("slack", (), b'{"type":"url_verification","challenge":"3eZbrw1aB"}')):
            with self.subTest(hook):
                self.assertEqual(self.send(belayd, hook, *options, body=body).returncode, 0)
        self.assertEqual(belayd.api("GET", "/jobs").json()["jobs"], [])
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
