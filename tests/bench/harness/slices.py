"""Short slices in turn: A B C A B C …  Machines change speed meanwhile, so only ratios within a round mean anything."""

import dataclasses
import statistics
import sys
import time

from tests.bench.harness.client import Client, Load
from tests.bench.harness.servers import Server

WARM_UP = 0.3  # seconds, for each before the first round


@dataclasses.dataclass(frozen=True)
class Spread:
    """What came of all rounds."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        return Spread(statistics.median(values), min(values), max(values))


class Series:
    """Figures by subject and metric, one a round."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, list[float]]] = {}

    def add(self, subject: str, **figures: float) -> None:
        metrics = self.values.setdefault(subject, {})
        for metric, figure in figures.items():
            metrics.setdefault(metric, []).append(figure)

    def of(self, subject: str, metric: str) -> list[float]:
        return self.values[subject][metric]

    def ratios(self, metric: str, subject: str, other: str) -> list[float]:
        """Of each round."""
        return [a / b if b else float("inf") for a, b in zip(self.of(subject, metric), self.of(other, metric))]

    def metrics(self) -> list[str]:
        return list(dict.fromkeys(metric for metrics in self.values.values() for metric in metrics))


class Progress:
    """One line that says how far it is; on a terminal always the same one."""

    def __init__(self, suite: str, steps: int) -> None:
        self.suite, self.steps, self.done = suite, steps, 0
        self.begin = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def step(self, what: str) -> None:
        """Another begins."""
        self.done += 1
        text = f"{self.suite}: {self.done} of {self.steps}: {what} ({time.monotonic() - self.begin:.0f} s)"
        print(f"\r\033[K{text}" if self.terminal else text, end="" if self.terminal else "\n", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr)
        print(f"{self.suite}: {time.monotonic() - self.begin:.0f} s", file=sys.stderr, flush=True)


@dataclasses.dataclass
class Subject:
    """A server and what it is asked.  `beside`: what else it is asked meanwhile, of which only p99 is told."""

    name: str
    server: Server
    load: Load
    beside: Load | None = None


def measure(client: Client, subject: Subject, seconds: float) -> dict[str, float]:
    beside = client.start(subject.beside, "--seconds", seconds) if subject.beside else None
    cpu = subject.server.cpu_seconds()
    answered = client.run(subject.load, seconds)
    cpu = subject.server.cpu_seconds() - cpu
    figures = {"rate": answered["rate"], "cpu": cpu / answered["requests"] * 100_000, "p50": answered["p50_ms"],
               "p99": answered["p99_ms"]}
    return {**figures, "beside": client.finish(subject.beside, beside)["p99_ms"]} if beside else figures


def alternate(client: Client, suite: str, subjects: list[Subject], rounds: int, seconds: float) -> Series:
    series = Series()
    progress = Progress(suite, rounds * len(subjects))
    for subject in subjects:
        client.run(subject.load, WARM_UP)
    for number in range(1, rounds + 1):
        for subject in subjects:
            progress.step(f"{subject.name}, round {number} of {rounds}")
            series.add(subject.name, **measure(client, subject, seconds))
    progress.end()
    return series
