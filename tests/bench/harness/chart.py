"""Draws what was found as SVG: bars for each suite, and a radar of what matters at once."""

import dataclasses
import math
from xml.sax.saxutils import escape

from tests.bench.harness.report import number
from tests.bench.harness.results import LESS_IS_BETTER, METRICS, Result
from tests.bench.harness.slices import Spread

WIDTH, MARGIN = 900, 20
LABELS, VALUES = 260, 170  # left and right of the bars
BAR, GAP = 15, 6
RADAR_RADIUS, RADAR_HEIGHT = 150, 340
SMALLEST = 0.01  # of the best: the middle of the radar, whose scale is logarithmic
OURS, OTHERS = "#1b6ca8", "#b9c4cc"
COLOURS = [OURS, "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#5d737e"]

# An axis: its name, then (suite, metric) and who is what there, by the name that the radar has for it.
SERVERS = {
    "belayd": {"post": "belayd", "memory": "belayd", "start": "belayd"},
    "Gin (stores nothing)": {"post": "gin", "memory": "gin", "start": "gin"},
    "webhook": {"post": "webhook", "memory": "webhook", "start": "webhook"},
    "limit": {"post": "limit (log)", "memory": "limit (log)", "start": "limit (epoll)"},
}
AXES = [("rate", "post", "rate"), ("CPU", "post", "cpu"), ("p99", "post", "p99"), ("memory", "memory", "idle"),
        ("start", "start", "start")]


@dataclasses.dataclass
class Canvas:
    """Elements from the top down; `y` is where the next one goes."""

    y: float = MARGIN
    elements: list[str] = dataclasses.field(default_factory=list)

    def text(self, x: float, y: float, text: str, anchor: str = "start", size: int = 12, weight: str = "normal") -> None:
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" '
                             f'font-weight="{weight}">{escape(text)}</text>')

    def bar(self, x: float, y: float, width: float, colour: str) -> None:
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{BAR}" fill="{colour}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = "#333") -> None:
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}"/>')

    def polygon(self, points: list[tuple[float, float]], colour: str, opacity: float) -> None:
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.elements.append(f'<polygon points="{text}" fill="{colour}" fill-opacity="{opacity}" stroke="{colour}"/>')

    def svg(self) -> str:
        height = self.y + MARGIN
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
                f'height="{height:.0f}" font-family="sans-serif" fill="#222">\n'
                f'<rect width="{WIDTH}" height="{height:.0f}" fill="white"/>\n' + "\n".join(self.elements) + "\n</svg>\n")


def draw_bars(canvas: Canvas, result: Result) -> None:
    name, decimals = METRICS[result.headline]
    worse = "less is better" if result.headline in LESS_IS_BETTER else "more is better"
    canvas.text(MARGIN, canvas.y + 14, f"{result.suite}: {name}, {worse}", size=14, weight="bold")
    canvas.y += 24
    spreads = {subject: Spread.of(figures[result.headline]) for subject, figures in result.series.values.items()
               if result.headline in figures}
    longest = max((found.high for found in spreads.values()), default=0) or 1
    room = WIDTH - 2 * MARGIN - LABELS - VALUES
    left = MARGIN + LABELS
    for subject, found in spreads.items():
        middle = canvas.y + BAR / 2
        canvas.text(left - 8, canvas.y + BAR - 3, subject, anchor="end")
        ours = subject.startswith("belayd") or result.suite == "sweep"
        canvas.bar(left, canvas.y, found.median / longest * room, OURS if ours else OTHERS)
        canvas.line(left + found.low / longest * room, middle, left + found.high / longest * room, middle)
        canvas.text(left + found.high / longest * room + 8, canvas.y + BAR - 3, number(found.median, decimals))
        canvas.y += BAR + GAP
    canvas.y += 18


def shares_of_best(results: dict[str, Result]) -> tuple[list[str], dict[str, dict[str, float]]]:
    """Axes for which there are figures; for each server, how near to the best it is on them: 1 is the best."""
    shares: dict[str, dict[str, float]] = {server: {} for server in SERVERS}
    axes = []
    for axis, suite, metric in AXES:
        if suite not in results:
            continue
        values = results[suite].series.values
        found = {server: Spread.of(values[names[suite]][metric]).median for server, names in SERVERS.items()
                 if names.get(suite) in values and metric in values[names[suite]]}
        found = {server: value for server, value in found.items() if value > 0}
        if len(found) < 2:
            continue
        axes.append(axis)
        less = metric in LESS_IS_BETTER
        best = min(found.values()) if less else max(found.values())
        for server, value in found.items():
            shares[server][axis] = best / value if less else value / best
    return axes, shares


def radius(share: float) -> float:
    return RADAR_RADIUS * max(0.0, 1 - math.log(max(share, SMALLEST)) / math.log(SMALLEST))


def draw_radar(canvas: Canvas, results: dict[str, Result]) -> None:
    axes, shares = shares_of_best(results)
    if len(axes) < 3:
        return
    canvas.text(MARGIN, canvas.y + 14, "Durable signed POST, memory and start: further out is better; "
                "the rings are 1, 1/10 and 1/100 of the best", size=14, weight="bold")
    centre_x, centre_y = WIDTH * 0.4, canvas.y + 24 + RADAR_HEIGHT / 2

    def point(number_of_axis: int, share: float, beyond: float = 0) -> tuple[float, float]:
        angle = 2 * math.pi * number_of_axis / len(axes) - math.pi / 2
        length = radius(share) + beyond
        return centre_x + length * math.cos(angle), centre_y + length * math.sin(angle)

    for ring in (1, 0.1):
        canvas.polygon([point(i, ring) for i in range(len(axes))], "#999", 0.04)
    for i, axis in enumerate(axes):
        canvas.line(centre_x, centre_y, *point(i, 1), "#999")
        x, y = point(i, 1, 14)
        canvas.text(x, y + 4, axis, anchor="middle" if abs(x - centre_x) < 20 else "start" if x > centre_x else "end")
    legend = canvas.y + 50
    for (server, found), colour in zip(shares.items(), COLOURS):
        if not found:
            continue
        canvas.polygon([point(i, found.get(axis, SMALLEST)) for i, axis in enumerate(axes)], colour, 0.06)
        canvas.bar(WIDTH * 0.68, legend, 20, colour)
        missing = [axis for axis in axes if axis not in found]
        canvas.text(WIDTH * 0.68 + 28, legend + BAR - 3, server + (f" (no {', '.join(missing)})" if missing else ""))
        legend += BAR + GAP
    canvas.y += RADAR_HEIGHT + 30


def draw(results: list[Result]) -> str:
    canvas = Canvas()
    draw_radar(canvas, {result.suite: result for result in results})
    for result in results:
        if result.headline:
            draw_bars(canvas, result)
    return canvas.svg()
