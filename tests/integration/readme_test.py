"""What the README says can be done can be done."""
import json
import pathlib
import re
import subprocess
import tempfile
import tomllib
import unittest

from tests.integration.harness import BUILD, ROOT, TestCase


ED25519 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037, A.2


def crypt(password):
    return subprocess.run(["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True).stdout.strip()


def examples():
    """Those of belay.toml."""
    return re.findall(r"^```toml\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)


class Readme(TestCase):
    def test_its_examples_are_toml(self):
        self.assertGreater(len(examples()), 2)
        for example in examples():
            with self.subTest(example):
                tomllib.loads(example)

    def test_its_ways_to_authenticate_are_loaded(self):
        """Where an example is that only, it belongs into a hook."""
        found = [example for example in examples() if "auth" in example]
        self.assertGreater(len(found), 2)
        for example in found:
            with self.subTest(example), tempfile.TemporaryDirectory(prefix="belay-readme-") as directory:
                base = pathlib.Path(directory)
                for name in re.findall(r"[\w.-]+\.secret", example):
                    (base / name).write_text("hush")
                    (base / name).chmod(0o600)
                (base / "people.users").touch(mode=0o600)
                (base / "people.users").write_text(f"ann:{crypt('hush')}\n")
                (base / "github-actions.jwks.json").write_text(json.dumps({"keys": [ED25519]}))
                hook = "" if "[hooks." in example else '[hooks.it]\nrun = ["/bin/true"]\n'
                (base / "belay.toml").write_text(hook + re.sub(r'"/usr/local/bin/[\w-]+"', '"/bin/true"', example))
                done = subprocess.run([BUILD / "cli" / "belay", "check", base / "belay.toml"], capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_its_case_of_a_test_passes(self):
        rules = [example for example in examples() if "[hooks.release.when]" in example]
        case = next(example for example in examples() if "[[case]]" in example)
        self.assertEqual(sum("signature" in each for each in rules), 1, "one of them asks who has signed")
        for each in rules:
            with self.subTest(each), tempfile.TemporaryDirectory(prefix="belay-readme-") as directory:
                base = pathlib.Path(directory)
                (base / "belay.toml").write_text(each.replace("/usr/local/bin/release", "/bin/true"))
                (base / "hooks.test.toml").write_text(case)
                done = subprocess.run([BUILD / "cli" / "belay", "test", base / "hooks.test.toml", "--config", base / "belay.toml"],
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stdout), (0, "ok   a tag is released\n1 passed, 0 failed\n"), done)


if __name__ == "__main__":
    unittest.main()
