"""Rules decide of a real request, JSON or a form, whether a hook runs."""
import json
import unittest
import urllib.parse

from tests.integration.harness import Belayd, TestCase, fetch

CONFIG = """
[hooks.deploy]
auth = { scheme = "github", secret_file = "secret" }
run = ["/bin/echo", { payload = "/ref" }]
[hooks.deploy.when]
all = [
    { header = "X-GitHub-Event", equals = "push" },
    { request = "remote_address", in = ["127.0.0.0/8"] },
    { any = [{ payload = "/ref", equals = "refs/heads/main" }, { payload = "/ref", glob = "refs/tags/*" }] },
    { not = { query = "dry", equals = true } },
]
[hooks.upload]
auth = "none"
run = ["/bin/echo", { payload = "/name" }]
env = { TEXT = { payload = "/file" } }
when = { payload = "/count", at_least = 2 }
"""
FORM = "application/x-www-form-urlencoded"


class Rules(TestCase):
    def setUp(self):
        self.belayd = self.start(Belayd(CONFIG))

    def output(self, answer):
        self.assertEqual(answer.status, 202, answer)
        self.belayd.wait_job(answer.json()["job"], "succeeded")
        return self.belayd.output(answer.json()["job"])["stdout"]

    def reason(self, answer):
        self.assertEqual((answer.status, answer.json()["state"]), (200, "ignored"), answer)
        return answer.json()["reason"]

    def test_what_matches_runs_and_what_does_not_is_ignored_with_the_reason(self):
        main = json.dumps({"ref": "refs/heads/main"}).encode()
        self.assertEqual(self.output(self.belayd.post("deploy", main)), "refs/heads/main\n")
        self.assertEqual(self.output(self.belayd.post("deploy", b'{"ref":"refs/tags/v1"}')), "refs/tags/v1\n")
        self.assertEqual(self.reason(self.belayd.post("deploy", main, event="issues")),
                         'when: header "X-GitHub-Event" is not "push"')
        reason = self.reason(self.belayd.post("deploy", b'{"ref":"hunter2"}'))
        self.assertTrue(reason.startswith('when: none of (payload "/ref" is "refs/heads/main"; '), reason)
        self.assertNotIn("hunter2", reason)
        self.assertEqual(self.belayd.post("deploy?dry=true", main).json()["reason"], 'when: query "dry" is true')
        self.assertEqual(self.belayd.post("deploy", b"{").status, 400)
        self.assertEqual(self.belayd.metrics()['belay_events_total{hook="deploy",result="ignored"}'], 3)
        self.assertEqual(len(self.belayd.api("GET", "/jobs").json()["jobs"]), 2)
        self.belayd.stop()

    def test_the_form_of_github_is_unwrapped(self):
        form = b"payload=" + urllib.parse.quote(json.dumps({"ref": "refs/heads/main"})).encode()
        answer = self.belayd.post("deploy", form, {"Content-Type": FORM})
        self.assertEqual(self.output(answer), "refs/heads/main\n")
        self.assertEqual(self.belayd.post("deploy", form).status, 400, "the content type says that it is JSON")

    def test_forms_are_payloads(self):
        ingress = self.belayd.address("ingress")
        answer = fetch(ingress, "POST", "/hooks/upload", b"name=a+b&count=2", {"Content-Type": FORM})
        self.assertEqual(self.output(answer), "a b\n")
        answer = fetch(ingress, "POST", "/hooks/upload", b"name=a+b&count=1", {"Content-Type": FORM})
        self.assertEqual(self.reason(answer), "the rules of this hook (when) do not match", "for strangers")
        parts = "".join(f'--B\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'
                        for name, text in {"name": "it's", "count": "10", "file": "line\r\nline"}.items())
        multipart = {"Content-Type": 'multipart/form-data; boundary="B"'}
        answer = fetch(ingress, "POST", "/hooks/upload", f"{parts}--B--\r\n".encode(), multipart)
        self.assertEqual(self.output(answer), "it's\n")
        answer = fetch(ingress, "POST", "/hooks/upload", parts.encode(), multipart)
        self.assertEqual(answer.status, 400)
        self.assertIn("its last boundary is missing", answer.json()["detail"])


if __name__ == "__main__":
    unittest.main()
