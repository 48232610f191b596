"""Writes what was found: Markdown for people, JSON for programs."""

import dataclasses
import json
import pathlib

from tests.bench.harness.results import METRICS, Comparison, Result
from tests.bench.harness.slices import Spread


def number(value: float, decimals: int | None = None) -> str:
    """Three digits that count, unless said how many decimals."""
    if decimals is None:
        decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{decimals}f}"


def spread(values: list[float], decimals: int | None = None) -> str:
    found = Spread.of(values)
    if len(values) == 1:
        return number(found.median, decimals)
    return f"{number(found.median, decimals)} [{number(found.low, decimals)}–{number(found.high, decimals)}]"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table(heading: list[str], rows: list[list[str]]) -> str:
    return "\n".join([row(heading), row(["---"] + ["---:"] * (len(heading) - 1)), *map(row, rows)])


def comparison_row(comparison: Comparison) -> list[str]:
    reached = {True: "yes", False: "no", None: ""}[comparison.reached]
    return [comparison.measure, spread(comparison.values) + comparison.unit, comparison.gate, reached]


def headline_table(results: list[Result]) -> str:
    rows = [[result.suite, *comparison_row(comparison)] for result in results for comparison in result.comparisons]
    return table(["suite", "belayd", "median [min–max]", "gate", "reached"], rows)


def suite_section(result: Result) -> str:
    metrics = result.series.metrics()
    heading = ["server"] + [METRICS[metric][0] for metric in metrics]
    rows = []
    for subject, figures in result.series.values.items():
        cells = [spread(figures[metric], METRICS[metric][1]) if metric in figures else "" for metric in metrics]
        rows.append([subject, *cells])
    return f"## {result.suite}\n\n{result.what}\n\n{table(heading, rows)}\n"


def markdown(results: list[Result], facts: dict[str, str]) -> str:
    return "\n".join([
        "# belay side by side", "",
        *(f"- {name}: {value}" for name, value in facts.items()), "",
        "Ratios are of each round, of servers that took turns; what else is here depends on the machine and its day.", "",
        headline_table(results), "", "![chart](chart.svg)", "",
        *(suite_section(result) for result in results)])


def as_json(results: list[Result], facts: dict[str, str]) -> str:
    def comparison(one: Comparison) -> dict:
        return {**dataclasses.asdict(one), "median": one.spread.median, "reached": one.reached}

    suites = {result.suite: {"what": result.what, "figures": result.series.values,
                             "comparisons": [comparison(one) for one in result.comparisons]} for result in results}
    return json.dumps({"facts": facts, "suites": suites}, indent=1, ensure_ascii=False)


def write(directory: pathlib.Path, results: list[Result], facts: dict[str, str], chart: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "report.md").write_text(markdown(results, facts))
    (directory / "results.json").write_text(as_json(results, facts) + "\n")
    (directory / "chart.svg").write_text(chart)
