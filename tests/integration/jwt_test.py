"""JSON Web Tokens (RFC 7519): those of a CI system's OIDC issuer."""
import base64
import hmac
import json
import pathlib
import subprocess
import tempfile
import time
import unittest

from tests.integration.harness import Belayd, TestCase, fetch

SECRET = "0123456789abcdef0123456789abcdef"

CONFIG = """
[hooks.deploy]
auth = { scheme = "jwt", jwks_file = "keys.json", issuer = "https://ci.example", audience = "belay", claims = { repository = ["org/app", "org/lib"] } }
run = ["/bin/true"]
[hooks.pem]
auth = { scheme = "jwt", key_file = ["rsa.pem", "p256.pem", "ed25519.pem"], issuer = "https://ci.example", audience = ["belay", "pem"] }
run = ["/bin/true"]
[hooks.shared]
auth = { scheme = "jwt", secret_file = ["hs.secret", { name = "old.secret", not_after = 2020-01-01T00:00:00Z }], issuer = "https://ci.example", audience = "belay" }
run = ["/bin/true"]
[hooks.elliptic]
auth = { scheme = "jwt", jwks_file = "keys.json", algorithms = "ES256", issuer = "https://ci.example", audience = "belay" }
run = ["/bin/true"]
"""

GENERATE = {"rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            "ed25519": ["-algorithm", "ED25519"],
            "stranger": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]}
ALGORITHMS = {"rsa": "RS256", "p256": "ES256", "ed25519": "EdDSA", "stranger": "ES256"}


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True, capture_output=True).stdout


def integers_of(der):
    """The two of an ECDSA signature (RFC 3279 §2.2.3), side by side (RFC 7518 §3.4)."""
    first = der[3]
    values = der[4:4 + first], der[4 + first + 2:]
    return b"".join(int.from_bytes(value, "big").to_bytes(32, "big") for value in values)


class Keys:
    """Made by OpenSSL's command, which signs with them as well."""

    def __init__(self, directory):
        self.directory = directory
        for name, how in GENERATE.items():
            openssl("genpkey", *how, "-out", directory / f"{name}.key")
            openssl("pkey", "-in", directory / f"{name}.key", "-pubout", "-out", directory / f"{name}.pem")

    def sign(self, name, message):
        key = self.directory / f"{name}.key"
        if ALGORITHMS[name] == "EdDSA":
            (self.directory / "message").write_bytes(message)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", key, "-in", self.directory / "message")
        signature = openssl("dgst", "-sha256", "-sign", key, data=message)
        return signature if ALGORITHMS[name] == "RS256" else integers_of(signature)

    def jwk(self, name):
        """RFC 7517, RFC 8037."""
        der = openssl("pkey", "-pubin", "-in", self.directory / f"{name}.pem", "-outform", "DER")
        common = {"kid": name, "use": "sig", "alg": ALGORITHMS[name]}
        if ALGORITHMS[name] == "EdDSA":
            return {**common, "kty": "OKP", "crv": "Ed25519", "x": encode(der[-32:])}
        if ALGORITHMS[name] == "ES256":
            return {**common, "kty": "EC", "crv": "P-256", "x": encode(der[-64:-32]), "y": encode(der[-32:])}
        text = openssl("rsa", "-pubin", "-in", self.directory / f"{name}.pem", "-modulus", "-noout").decode()
        return {**common, "kty": "RSA", "e": "AQAB", "n": encode(bytes.fromhex(text.strip().removeprefix("Modulus=")))}


def claims(**changes):
    now = int(time.time())
    made = {"iss": "https://ci.example", "aud": "belay", "iat": now, "nbf": now, "exp": now + 300,
            "repository": "org/app", "ref": "refs/heads/main", **changes}
    return {name: value for name, value in made.items() if value is not None}


class Jwt(TestCase):
    def setUp(self):
        self.directory = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory(prefix="belay-test-")))
        self.keys = Keys(self.directory)
        self.write_set("rsa", "p256", "ed25519")
        for name, text in (("hs.secret", SECRET), ("old.secret", SECRET[::-1])):
            (self.directory / name).touch(mode=0o600)
            (self.directory / name).write_text(text)

    def write_set(self, *names):
        keys = [{"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "of no use here"}, *map(self.keys.jwk, names)]
        (self.directory / "keys.json").write_text(json.dumps({"keys": keys}))

    def token(self, name, said=None, **header):
        header = {"alg": ALGORITHMS[name], "typ": "JWT", "kid": name, **header}
        message = encode(json.dumps(header).encode()) + "." + encode(json.dumps(said or claims()).encode())
        return message + "." + encode(self.keys.sign(name, message.encode()))

    def hs_token(self, said=None, secret=SECRET, algorithm="HS256"):
        message = encode(json.dumps({"alg": algorithm}).encode()) + "." + encode(json.dumps(said or claims()).encode())
        return message + "." + encode(hmac.digest(secret.encode(), message.encode(), "sha256"))

    def send(self, belayd, hook, token):
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return fetch(belayd.address("ingress"), "POST", f"/hooks/{hook}", b"{}", headers)

    def assert_refused(self, belayd, hook, token, why):
        answer = self.send(belayd, hook, token)
        self.assertEqual((answer.status, answer.headers["WWW-Authenticate"]), (401, "Bearer"), why)
        self.assertIn(why, answer.json()["detail"])

    def test_each_algorithm_by_key_file_and_key_set(self):
        belayd = self.start(Belayd(CONFIG, directory=self.directory))
        for name in ("rsa", "p256", "ed25519"):
            self.assertEqual(self.send(belayd, "deploy", self.token(name)).status, 202, name)
            self.assertEqual(self.send(belayd, "pem", self.token(name, claims(aud=["x", "pem"]))).status, 202, name)
        self.assertEqual(self.send(belayd, "shared", self.hs_token()).status, 202)
        self.assertEqual(self.send(belayd, "elliptic", self.token("p256")).status, 202)
        belayd.wait_record("a key is passed over", hook="deploy",
                           why='JWKS file "keys.json": key 1 is of a curve that is not P-256')
        metrics = belayd.metrics()
        self.assertEqual(metrics['belay_signatures_total{hook="deploy",key="keys.json",result="accepted"}'], 3)
        for name in ("rsa", "p256", "ed25519"):
            self.assertEqual(metrics[f'belay_signatures_total{{hook="pem",key="{name}.pem",result="accepted"}}'], 1)
        stored = (self.directory / "state" / "belay.db").read_bytes() + (self.directory / "state" / "belay.db-wal").read_bytes()
        self.assertNotIn(b"Bearer ey", stored, "a token was stored")
        belayd.stop()

    def test_what_is_not_signed_with_a_key_of_the_hook(self):
        belayd = self.start(Belayd(CONFIG, directory=self.directory))
        unsigned = encode(b'{"alg":"none"}') + "." + encode(json.dumps(claims()).encode()) + "."
        good = self.token("p256")
        pem = (self.directory / "p256.pem").read_text()
        for what, hook, token in (
                ("nothing", "deploy", None), ("no signature", "deploy", unsigned), ("a stranger", "deploy", self.token("stranger")),
                ("a stranger under a known name", "deploy", self.token("stranger", kid="p256")),
                ("a key under another's name", "deploy", self.token("p256", kid="rsa")),
                ("the signature of another", "deploy", good.rsplit(".", 1)[0] + "." + self.token("p256").rsplit(".", 1)[1][:-2] + "AA"),
                ("another algorithm's name", "deploy", self.token("p256", alg="RS256")),
                ("the public key as the secret", "pem", self.hs_token(secret=pem)),
                ("an algorithm that is not to be used", "elliptic", self.token("rsa")),
                ("extensions that must be understood", "deploy", self.token("p256", crit=["exp"], exp=1)),
                ("a secret that has ended", "shared", self.hs_token(secret=SECRET[::-1])),
                ("another hash", "shared", self.hs_token(algorithm="HS512"))):
            with self.subTest(what):
                self.assert_refused(belayd, hook, token, "the request has no token that is signed with a key of this hook")
        self.assertEqual(belayd.metrics()['belay_signatures_total{hook="shared",key="old.secret",result="refused"}'], 1)
        belayd.stop()

    def test_what_a_token_says(self):
        belayd = self.start(Belayd(CONFIG, directory=self.directory))
        now = int(time.time())
        for said, why in ((claims(iss="https://ci.example/"), "issuer"), (claims(aud="other"), "audience"),
                          (claims(aud=None), "audience"), (claims(exp=now - 61), "the token ended 6"),
                          (claims(exp=None), '"exp"'), (claims(nbf=now + 3600), "the token begins 3"),
                          (claims(repository="org/other"), '"repository"'), (claims(repository=None), '"repository"')):
            with self.subTest(why):
                self.assert_refused(belayd, "deploy", self.token("p256", said), why)
        self.assertEqual(self.send(belayd, "deploy", self.token("p256", claims(exp=now - 30))).status, 202, "the leeway")
        self.assertEqual(self.send(belayd, "deploy", self.token("p256", claims(repository="org/lib"))).status, 202)
        belayd.stop()

    def test_a_reload_takes_the_keys_of_a_new_set(self):
        belayd = self.start(Belayd(CONFIG, directory=self.directory))
        self.assertEqual(self.send(belayd, "deploy", self.token("stranger")).status, 401)
        self.write_set("stranger")
        self.assertEqual(belayd.api("POST", "/reload").status, 200)
        self.assertEqual(self.send(belayd, "deploy", self.token("stranger")).status, 202)
        self.assertEqual(self.send(belayd, "deploy", self.token("p256")).status, 401)
        (self.directory / "keys.json").write_text('{"keys":[]}')
        answer = belayd.api("POST", "/reload")
        self.assertEqual(answer.status, 422)
        self.assertIn('JWKS file "keys.json" has no key that is of use here', answer.json()["message"])
        belayd.stop()


if __name__ == "__main__":
    unittest.main()
