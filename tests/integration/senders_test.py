"""Each sender's webhooks, signed here as it signs them, and what it asks beside events."""
import base64
import hashlib
import hmac
import json
import socket
import time
import unittest

from tests.integration.harness import Belayd, TestCase, fetch

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


class Senders(TestCase):
    def belayd(self, *schemes):
        belayd = Belayd(config(*schemes))
        for scheme in schemes:
            secret = belayd.base / f"{scheme}.secret"
            standard = scheme in ("gitlab_signing", "standard_webhooks", "svix")
            secret.write_bytes(b"whsec_" + base64.b64encode(KEY) if standard else KEY)
            secret.chmod(0o600)
        return self.start(belayd)

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


if __name__ == "__main__":
    unittest.main()
