"""belayd behind the proxies of README.md, configured as it says: verbatim, but for the certificate."""

import pathlib
import re
import threading
import unittest

import belay_machine

README = pathlib.Path(__file__).resolve().parent.parent.parent / "README.md"
HOST = "https://hooks.example.org"
TLS = ("--insecure", "--resolve", "hooks.example.org:443:127.0.0.1")
SENDER = "203.0.113.9"  # what a sender says of itself


def example(language: str) -> str:
    return re.search(f"```{language}\n(.*?)```", README.read_text(), re.DOTALL).group(1)


class ProxyTest:
    """What holds of each; `proxy` is its unit."""

    proxy: str

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.configure('[log]\nlevel = "debug"\n' + belay_machine.CONFIGURATION)
        cls.machine.run("systemctl", "start", "belayd")
        cls.configure()
        started = cls.machine.run("systemctl", "start", cls.proxy, check=False)
        assert started.returncode == 0, cls.machine.run("journalctl", "--no-pager", f"--unit={cls.proxy}").stdout
        cls.machine.wait("the proxy", lambda: cls.through("/hooks/deploy")[0] == 405)

    @classmethod
    def through(cls, target: str) -> tuple[int, str]:
        """A GET."""
        done = cls.machine.on_its_network("curl", "--silent", *TLS, "--write-out", "\n%{http_code}", HOST + target)
        text, _, status = done.stdout.decode().rpartition("\n")
        return int(status), text

    def post(self, *options: str) -> tuple[int, dict]:
        return self.machine.post("deploy", server=HOST, options=(*TLS, *options))

    def test_a_signed_event_becomes_a_job(self):
        status, answer = self.post()
        self.assertEqual(status, 202, answer)
        self.assertEqual(self.machine.wait_job(answer["job"], *belay_machine.ENDED)["state"], "succeeded")

    def test_a_forged_event_does_not(self):
        self.assertEqual(self.machine.post("deploy", server=HOST, options=TLS, secret="another")[0], 401)

    def test_nothing_but_hooks_is_forwarded(self):
        for target in ("/", "/healthz", "/metrics", "/api/v1/jobs"):
            status, text = self.through(target)
            self.assertNotIn("belay", text)
            if target != "/":  # where a proxy may greet
                self.assertEqual(status, 404, target)

    def test_the_peer_is_the_proxy_whatever_the_sender_says(self):
        self.assertEqual(self.post("--header", f"X-Forwarded-For: {SENDER}")[0], 202)
        records = self.machine.journal("--unit=belayd")
        self.assertEqual([record for record in records if SENDER in str(record)], [])
        peers = {record["BELAY_PEER"] for record in records if record.get("BELAY_PATH") == "/hooks/deploy"}
        self.assertEqual(peers, {"127.0.0.1"})

    def test_a_reload_meanwhile_fails_no_request(self):
        stop = threading.Event()
        answers = []

        def send():
            while not stop.is_set():
                answers.append(self.post())

        senders = [threading.Thread(target=send) for _ in range(4)]
        for sender in senders:
            sender.start()
        try:
            for _ in range(5):
                seen = len(answers)
                self.machine.run("systemctl", "reload", "belayd")
                self.machine.wait("answers", lambda: len(answers) > seen + 4)
        finally:
            stop.set()
            for sender in senders:
                sender.join()
        self.assertEqual([answer for answer in answers if answer[0] != 202], [])

    def test_connections_to_belayd_are_kept_alive(self):
        self.assertEqual(self.post()[0], 202)
        self.assertRegex(self.machine.get("/metrics")[1], r'belay_connections{server="ingress",state="idle"} [1-9]')


class NginxTest(ProxyTest, belay_machine.MachineTest):
    proxy = "nginx"

    @classmethod
    def configure(cls):
        cls.machine.run("sh", "-c", "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test "
                        "-keyout /etc/ssl/hooks.example.org.key -out /etc/ssl/hooks.example.org.pem")
        cls.machine.write("/etc/nginx/conf.d/belay.conf", example("nginx"))


class CaddyTest(ProxyTest, belay_machine.MachineTest):
    proxy = "caddy"

    @classmethod
    def configure(cls):
        local = "{\n    local_certs\n    skip_install_trust\n}\n"  # a certificate of its own making: no ACME here
        cls.machine.write("/etc/caddy/Caddyfile", local + example("caddyfile"))

    def test_the_example_is_valid(self):
        self.machine.write("/tmp/Caddyfile", example("caddyfile"))
        for command in ("validate", "adapt"):
            done = self.machine.run("caddy", command, "--adapter", "caddyfile", "--config", "/tmp/Caddyfile", check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
        idle_timeout = int(re.search(r'"idle_timeout":(\d+)', done.stdout).group(1))  # ns, of connections to belayd
        self.assertLess(idle_timeout, 75e9, "belayd's own")


if __name__ == "__main__":
    unittest.main()
