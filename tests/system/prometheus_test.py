"""A real Prometheus scrapes belayd; promtool finds nothing to say about /metrics."""

import json
import unittest
import urllib.parse

import belay_machine

PROMETHEUS = """
global: { scrape_interval: 200ms, scrape_timeout: 200ms }
scrape_configs:
  - job_name: belay
    static_configs: [ { targets: ["127.0.0.1:9081"] } ]
"""


class PrometheusTest(belay_machine.MachineTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.machine.run("systemctl", "start", "belayd")
        status, answer = cls.machine.post("deploy")
        assert status == 202, answer
        cls.machine.wait_job(answer["job"], "succeeded")

    def query(self, expression: str) -> list[dict]:
        done = self.machine.on_its_network(
            "curl", "--silent", "--fail", "http://127.0.0.1:9090/api/v1/query?query=" + urllib.parse.quote(expression))
        return json.loads(done.stdout)["data"]["result"] if done.returncode == 0 else []

    def test_promtool_is_content(self):
        status, text = self.machine.get("/metrics")
        self.assertEqual(status, 200)
        checked = self.machine.run("promtool", "check", "metrics", check=False, stdin=text + "\n")
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_prometheus_scrapes_it(self):
        self.machine.write("/etc/prometheus/prometheus.yml", PROMETHEUS)
        self.machine.run("systemctl", "start", "prometheus")
        self.machine.wait("a scrape", lambda: self.query("up == 1"))
        found = self.machine.wait("the attempt",
                                  lambda: self.query('belay_attempts_total{hook="deploy",outcome="succeeded"}'))
        self.assertEqual(found[0]["value"][1], "1")


if __name__ == "__main__":
    unittest.main()
