"""What a suite found."""

import dataclasses

from tests.bench.harness.slices import Series, Spread


@dataclasses.dataclass
class Comparison:
    """A figure of belayd's, in itself or against another's, and the gate that it is held against."""

    measure: str
    values: list[float]  # one a round
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""

    @property
    def spread(self) -> Spread:
        return Spread.of(self.values)

    @property
    def gate(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{self.unit}"
        return f"≤ {self.at_most:g}{self.unit}" if self.at_most is not None else ""

    @property
    def reached(self) -> bool | None:
        """By the median; None without a gate.  Nothing fails by it."""
        median = self.spread.median
        if self.at_least is not None:
            return median >= self.at_least
        return median <= self.at_most if self.at_most is not None else None


@dataclasses.dataclass
class Result:
    suite: str
    what: str  # in a sentence or two: what was asked
    series: Series
    comparisons: list[Comparison]
    headline: str | None = "rate"  # the metric of the chart's bars


# What the metrics of slices are called, and their decimals.
METRICS = {
    "rate": ("per second", 0),
    "cpu": ("CPU s per 100,000", 2),
    "p50": ("p50 ms", 2),
    "p99": ("p99 ms", 2),
    "beside": ("of what is asked beside: p99 ms", 2),
    "start": ("start ms", 1),
    "idle": ("idle MiB", 1),
    "loaded": ("after the load MiB", 1),
    "each": ("KiB per idle connection", 2),
    "syscalls": ("system calls per request", 2),
}
LESS_IS_BETTER = set(METRICS) - {"rate"}
