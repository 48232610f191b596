"""The service core, driven through the example daemon: signals, sd_notify, watchdog, probes, drain, leak check."""
import contextlib
import os
import random
import signal
import socket
import tempfile
import time
import unittest

from tests.integration.harness import BUILD, Daemon, TestCase, connect, fetch, wait_until

DAEMONS = BUILD / "tests" / "daemon"
HANDLED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}
CLEAN = "leak check clean: 0 threads, 0 descriptors, 0 children left"
STARTS = int(os.environ.get("BELAY_STARTS", "50"))


class Example(Daemon):
    def __init__(self, *arguments, program="slow_daemon", **options):
        super().__init__([DAEMONS / program, *arguments], **options)

    def address(self, server):
        return self.wait_record("listening", server=server)["address"]

    def get(self, server, target, **options):
        return fetch(self.address(server), "GET", target, **options)

    def in_background(self, target):
        """Asks ingress for something that blocks, and returns once the request is being handled."""
        connection = connect(self.address("ingress"))
        connection.request("GET", target)
        return connection


class LifecycleTest(TestCase):
    def example(self, *arguments, **options):
        return self.start(Example(*arguments, **options))

    def test_sigterm_is_a_clean_exit_and_the_log_proves_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.example()
            self.assertEqual(daemon.get("ingress", "/hello").body, b"hello\n")
            daemon.send_signal(number)
            self.assertEqual(daemon.wait(), 0)
            daemon.check_messages()
            self.assertEqual([m for m in daemon.messages if "STOPPING" in m][0]["STOPPING"], "1")
            self.assertEqual(len(daemon.records(CLEAN)), 1)
            self.assertEqual(daemon.records()[-1]["msg"], "stopped")

    def test_a_second_signal_exits_75(self):
        daemon = self.example()
        with contextlib.closing(daemon.in_background("/block?ms=2000")):
            daemon.send_signal(signal.SIGTERM)
            daemon.wait_record("draining")
            daemon.send_signal(signal.SIGTERM)
            daemon.wait_record("second stop signal, forcing the drain")
            self.assertEqual(daemon.wait(), 75)
        daemon.check_messages()

    def test_each_reload_signal_is_one_reloading_ready_pair(self):
        daemon = self.example()
        for i, number in enumerate((signal.SIGHUP, signal.SIGUSR2), 1):
            daemon.send_signal(number)
            daemon.wait_reloads()
            self.assertEqual(len(daemon.manager.cycles()), i)
        daemon.stop()

    def test_signals_during_a_reload_cause_exactly_one_more(self):
        daemon = self.example(env={"EXAMPLE_RELOAD_MS": "500"})
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_message("RELOADING")
        for _ in range(20):
            daemon.send_signal(signal.SIGHUP)
            daemon.send_signal(signal.SIGUSR2)
        daemon.wait_reloads()
        daemon.stop()
        self.assertEqual([cycle.ready for cycle in daemon.manager.cycles()], [True, True])

    def test_sigterm_during_a_reload_waits_for_it_and_sends_no_ready(self):
        daemon = self.example(env={"EXAMPLE_RELOAD_MS": "500"})
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_message("RELOADING")
        daemon.stop()
        daemon.wait_record("reloaded")
        self.assertEqual([cycle.ready for cycle in daemon.manager.cycles()], [False])

    def test_sigusr1_logs_one_report(self):
        daemon = self.example()
        daemon.send_signal(signal.SIGUSR1)
        report = daemon.wait_record("status report")
        self.assertEqual(report["state"], "ready")
        self.assertEqual(report["service"], "saying hello")
        for thread in ("main", "log", "notify", "watchdog", "admin", "http-0"):
            self.assertIn(thread, report["threads"])
        daemon.stop()

    def test_probes_answer_at_once_while_the_http_thread_is_blocked(self):
        daemon = self.example()
        with contextlib.closing(daemon.in_background("/block?ms=3000")) as blocked:
            admin = connect(daemon.address("admin"))
            times = []
            for _ in range(50):
                begin = time.monotonic()
                admin.request("GET", "/healthz")
                answer = admin.getresponse()
                answer.read()
                times.append(time.monotonic() - begin)
                self.assertEqual(answer.status, 200)
            self.assertLess(sorted(times)[len(times) // 2], 0.05)
            admin.close()
            self.assertEqual(blocked.getresponse().status, 200)
        daemon.stop()

    def test_readyz_is_503_and_healthz_200_during_the_drain(self):
        daemon = self.example()
        admin = connect(daemon.address("admin"))  # connections of the admin port last to the end
        with contextlib.closing(daemon.in_background("/block?ms=2000")) as blocked:
            admin.request("GET", "/readyz")
            answer = admin.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b'{"status":"ready"}'))
            daemon.send_signal(signal.SIGTERM)
            daemon.wait_record("draining")
            admin.request("GET", "/readyz")
            answer = admin.getresponse()
            self.assertEqual(answer.status, 503)
            self.assertIn(b'"draining"', answer.read())
            admin.request("GET", "/healthz")
            answer = admin.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b'{"status":"ok"}'))
            self.assertEqual(blocked.getresponse().status, 200)
        self.assertEqual(daemon.wait(), 0)
        admin.close()

    def test_admin_port_has_no_other_routes_and_control_socket_has(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        path = f"{directory}/control.sock"
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(path)  # nobody listens on it: what a kill -9 leaves behind
        stale.close()
        daemon = self.example(path)
        self.assertEqual(daemon.get("admin", "/debug/threads").status, 404)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        threads = {t["name"]: t for t in fetch(f"unix:{path}", "GET", "/debug/threads").json()}
        ours = {name for name, thread in threads.items() if "heartbeat_age_seconds" in thread}
        self.assertEqual(ours, {"main", "log", "notify", "watchdog", "admin", "http-0"})
        if os.environ.get("BELAY_SANITIZE") != "thread":  # whose runtime has a thread of its own
            self.assertEqual(set(threads), ours)
        self.assertRegex(threads["http-0"]["creator"], r"^tests/daemon/example_service\.hpp:\d+$")
        self.assertTrue(any("epoll" in frame or "run" in frame for frame in threads["http-0"]["stack"]), threads)
        self.assertEqual(fetch(f"unix:{path}", "GET", "/healthz").status, 200)
        daemon.stop()
        self.assertFalse(os.path.exists(path))

    def test_metrics_of_the_core(self):
        daemon = self.example()
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_record("reloaded")
        text = daemon.get("admin", "/metrics")
        self.assertEqual(text.headers["Content-Type"], "text/plain; version=0.0.4")
        for sample in ('belay_build_info{version="1",compiler="gcc ', 'belay_state{state="ready"} 1',
                       'belay_state{state="draining"} 0', 'belay_loop_heartbeat_age_seconds{loop="http-0"} ',
                       "belay_config_last_reload_successful 1", 'belay_reloads_total{result="success"} 1',
                       'belay_reloads_total{result="failure"} 0', 'belay_drain_phase{phase="none"} 1',
                       'belay_connections{server="admin",state="in_flight"} 1', "belay_log_dropped_total 0",
                       "belay_config_last_reload_success_timestamp_seconds ", "process_open_fds "):
            self.assertIn(sample, text.body.decode())
        daemon.stop()

    def test_watchdog_pings_at_half_the_interval_and_not_while_a_loop_is_wedged(self):
        daemon = self.example(env={"WATCHDOG_USEC": "1000000"})
        begin = time.monotonic()
        wait_until(lambda: self.pings(daemon) >= 5, "5 pings")
        self.assertGreater(time.monotonic() - begin, 1.4)  # at 0, 0.5, … 2 s; a ping may come a quarter early
        daemon.wait_message("WATCHDOG", after=daemon.wait_message("READY"))
        with contextlib.closing(daemon.in_background("/block?ms=9000")) as blocked:
            daemon.wait_record("loop is wedged", loop="http-0")
            daemon.wait_message("STATUS", "loop http-0 is wedged")
            health = daemon.get("admin", "/healthz")
            self.assertEqual(health.status, 503)
            self.assertEqual([loop["loop"] for loop in health.json()["loops"]], ["http-0"])
            before = self.pings(daemon)
            blocked.getresponse()
            daemon.wait_record("loop turns again", loop="http-0")
            self.assertLessEqual(self.pings(daemon), before + 1)  # 3 s would be six; one comes with the last turn
        wait_until(lambda: self.pings(daemon) > before, "pings to go on")
        daemon.watchdog = None  # it was wedged
        self.assertEqual(len(daemon.records("loop is wedged")), 1)
        daemon.stop()

    def test_watchdog_pings_go_on_through_a_reload(self):
        daemon = self.example(env={"WATCHDOG_USEC": "8000000", "EXAMPLE_RELOAD_MS": "7000"})
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_reloads()
        daemon.stop()

    @staticmethod
    def pings(daemon):
        return sum(message.get("WATCHDOG") == "1" for message in daemon.messages)

    def test_a_manager_that_never_reads_blocks_nothing(self):
        directory = self.enterContext(tempfile.TemporaryDirectory())
        deaf = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        deaf.bind(f"{directory}/notify")
        self.addCleanup(deaf.close)
        filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        filler.setblocking(False)
        filler.connect(f"{directory}/notify")
        with self.assertRaises(BlockingIOError):
            while True:
                filler.send(b"STATUS=full")
        filler.close()
        daemon = Example(notify=False, env={"NOTIFY_SOCKET": f"{directory}/notify", "WATCHDOG_USEC": "1000000"})
        self.addCleanup(daemon.close)
        daemon.wait_record("ready")
        self.assertEqual(daemon.get("ingress", "/hello").status, 200)
        self.assertEqual(daemon.get("admin", "/readyz").status, 200)
        daemon.send_signal(signal.SIGHUP)
        daemon.wait_record("reloaded")
        daemon.send_signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(len(daemon.records(CLEAN)), 1)

    def test_without_a_manager(self):
        """The example itself: nothing but a service on the core."""
        daemon = Example(program="example_daemon", notify=False)
        self.addCleanup(daemon.close)
        daemon.wait_record("ready")
        self.assertEqual(daemon.get("ingress", "/hello").body, b"hello\n")
        self.assertEqual(daemon.get("admin", "/readyz").status, 200)
        daemon.stop()

    def test_sigterm_at_any_moment_of_the_start_is_handled(self):
        """By a parent that has the handled signals blocked, as some service managers' children inherit it."""
        def block():
            signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        for i in range(STARTS):
            with self.subTest(i=i):
                daemon = Example(preexec_fn=block)
                try:
                    time.sleep(random.uniform(0, 0.05))  # the moment is what is tested
                    daemon.stop()
                    self.assertEqual(len(daemon.records(CLEAN)), 1, daemon.log())
                finally:
                    daemon.close()


if __name__ == "__main__":
    unittest.main()
