"""tests/bench measures: what counts there counts right, and what is not answered as it should be has no rate."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import types
import unittest
import xml.etree.ElementTree as xml

from tests.bench.harness import chart, processes, report, syscalls
from tests.bench.harness.client import Client, Load, make_body, signed_post
from tests.bench.harness.job_suite import PARALLEL, run_limit
from tests.bench.harness.peers import Peers
from tests.bench.harness.processes import Failed
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.servers import Server
from tests.bench.harness.slices import Series, Subject, measure
from tests.integration.harness import BUILD, wait_until

PROGRAMS = BUILD / "tests" / "bench"


# A child that is busy until somebody says so, and is waited for; then its parent tells that and lives on.
BUSY = "(while :; do :; done) & read x; kill $!; wait; echo; read x"


def setUpModule() -> None:
    """What starts servers pins itself to the client's core: not for the tests that follow in this process."""
    unittest.addModuleCleanup(os.sched_setaffinity, 0, os.sched_getaffinity(0))


def count_descriptors(server: Server) -> int:
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


class Limits(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="belay-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.programs = types.SimpleNamespace(native=lambda name: PROGRAMS / name, go_peer=None)
        self.peers = Peers(self.programs, self.directory)
        self.client = Client(PROGRAMS / "bench_client")

    def start(self, server: Server) -> Server:
        self.addCleanup(server.stop)
        return server.start()

    def test_small_answers(self):
        server = self.start(self.peers.limit_get())
        for pipeline in (1, 16):
            answered = self.client.run(Load(server.port, connections=3, pipeline=pipeline), requests=960)
            self.assertEqual((answered["requests"], answered["statuses"]), (960, {"200": 960}), answered)
            self.assertLessEqual(answered["p50_ms"], answered["p99_ms"])
        figures = measure(self.client, Subject("limit", server, Load(server.port), Load(server.port, rate=50)), 0.5)
        self.assertGreater(figures["rate"], 100)
        self.assertGreater(figures["cpu"], 0)
        self.assertGreater(figures["beside"], 0)

    def test_a_rate_is_kept(self):
        server = self.start(self.peers.limit_get())
        answered = self.client.run(Load(server.port, connections=4, rate=50), seconds=1)
        self.assertLessEqual(answered["requests"], 50)
        self.assertGreater(answered["requests"], 10)

    def test_idle_connections_stay(self):
        server = self.start(self.peers.limit_get())
        with self.client.idle(Load(server.port, connections=20)) as opened:
            self.assertEqual(opened["requests"], 20)
            self.assertGreater(count_descriptors(server), 20)

    def test_signed_posts(self):
        body = make_body(self.directory / "body", 10_240)
        self.assertEqual(body.stat().st_size, 10_240)
        for stores in (True, False):
            server = self.start(self.peers.limit_post(stores))
            load = signed_post(server.port, "durable", body, connections=8)
            answered = self.client.run(load, requests=100)
            self.assertEqual(answered["statuses"], {"202": 100})
            body_of_another = make_body(self.directory / "other", 10_241)
            forged = Load(load.port, load.target, load.method, load.headers, body_of_another)
            with self.assertRaisesRegex(Failed, '"401"'):
                self.client.run(forged, requests=1)
        stored = (self.directory / "server-1" / "bodies").read_bytes()[:10_248]
        self.assertEqual(stored, (10_240).to_bytes(8, "little") + body.read_bytes())

    def test_who_leaves_has_no_rate(self):
        server = self.start(self.peers.limit_get())
        load = Load(server.port)
        process = self.client.start(load, "--seconds", 30)
        wait_until(lambda: count_descriptors(server) > load.connections, "connections")
        server.stop()
        with self.assertRaisesRegex(Failed, "not every request was answered"):
            self.client.finish(load, process)

    def test_jobs(self):
        figures = run_limit(types.SimpleNamespace(programs=self.programs), 0.3)
        self.assertGreater(figures["rate"], PARALLEL)
        self.assertGreater(figures["cpu"], 0)


class Written(unittest.TestCase):
    def result(self):
        series = Series()
        for ours, theirs in ((10, 20), (30, 40), (9, 10)):
            series.add("belayd", rate=ours)
            series.add("<other>", rate=theirs)
        ratios = series.ratios("rate", "belayd", "<other>")
        return Result("get", "What was asked.", series, [
            Comparison("rate / other", ratios, at_least=0.7), Comparison("p99", [9], at_most=8, unit=" ms")])

    def test_ratios_are_of_rounds(self):
        reached, missed = self.result().comparisons
        self.assertEqual((reached.spread.median, reached.spread.low, reached.spread.high), (0.75, 0.5, 0.9))
        self.assertEqual((reached.reached, missed.reached), (True, False))

    def test_the_report_has_figure_and_gate(self):
        text = report.markdown([self.result()], {"host": "here"})
        self.assertIn("| get | rate / other | 0.750 [0.500–0.900] | ≥ 0.7 | yes |", text)
        self.assertIn("| get | p99 | 9.00 ms | ≤ 8 ms | no |", text)
        self.assertIn("| belayd | 10 [9–30] |", text)

    def test_the_chart_is_well_formed(self):
        root = xml.fromstring(chart.draw([self.result()]))
        texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("<other>", texts)
        self.assertIn("20", texts)

    def test_calls_are_counted_by_request(self):
        summary = "calls     syscall\n--------- ----------------\n   20 sendto\n   30 futex\n--------- ---\n   50 total\n"
        calls = syscalls.parse(summary, 10)
        self.assertEqual((calls.per_request, calls.by_name), (5, {"futex": 3, "sendto": 2}))
        self.assertEqual(str(calls), "futex 3.00, sendto 2.00")

    def test_cpu_time_of_children_counts_while_they_live_and_after(self):
        process = processes.start(["sh", "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for clean_up in (process.stdin.close, process.stdout.close, lambda: processes.end(process)):
            self.addCleanup(clean_up)
        wait_until(lambda: processes.cpu_seconds(process.pid) > 0.05, "a busy child")
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()
        self.assertGreater(processes.cpu_seconds(process.pid), 0.05)


if __name__ == "__main__":
    unittest.main()
