"""Plots as SVG text: lines with the spread of the runs, and stacked bars. What a plot shows is in a table beside it."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 16, 48
MOST_LEVELS = 20
"""With more of them on the axis, even steps are easier to read."""
# Told apart with any kind of colour vision, on light and on dark; the dashes tell them apart without colour.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c", "#a6761d", "#7570b3", "#66a61e")
DASHES = ("", "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True)
class Point:
    """The median of the runs at ``x``, and their least and most."""

    x: float
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Axis:
    """From numbers to places along one side of the plot."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def at(self, value: float) -> float:
        scale: Callable[[float], float] = math.log10 if self.is_log else float
        low, high = scale(self.low), scale(self.high)
        return self.start + (scale(max(value, self.low)) - low) / ((high - low) or 1) * (self.end - self.start)

    def ticks(self) -> list[float]:
        return _log_ticks(self.low, self.high) if self.is_log else _even_ticks(self.high)


def lines(title: str, x_name: str, y_name: str, series: Mapping[str, Sequence[Point]], *, is_log: bool = True) -> str:
    """One line a series; the thin bars reach from the least to the most of the runs."""
    points = [point for found in series.values() for point in found]
    if not points:
        return ""
    x = _axis([point.x for point in points], LEFT, WIDTH - RIGHT, is_log=is_log)
    y = _axis([v for point in points for v in (point.least, point.most)], HEIGHT - BOTTOM, TOP, is_log=is_log)
    levels = sorted({point.x for point in points})
    x_ticks = levels if len(levels) <= MOST_LEVELS else x.ticks()
    drawn = [_line(number, name, found, x, y) for number, (name, found) in enumerate(series.items())]
    return _svg(title, [*_grid(x, y, x_ticks, x_name, y_name), *drawn])


def stacks(title: str, y_name: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """A column for each entry, made of its parts; the parts keep their colour and their order."""
    if not columns:
        return ""
    parts = list(dict.fromkeys(part for column in columns.values() for part in column))
    y = _axis([0.0, *(sum(column.values()) for column in columns.values())], HEIGHT - BOTTOM, TOP, is_log=False)
    step = (WIDTH - LEFT - RIGHT) / len(columns)
    drawn = _y_grid(y, y_name)
    for place, (name, column) in enumerate(columns.items()):
        drawn += _column(LEFT + step * (place + 0.5), min(step * 0.7, 56), name, column, parts, y)
    return _svg(title, [*drawn, *_legend(parts)])


def _axis(values: Iterable[float], start: float, end: float, *, is_log: bool) -> Axis:
    found = [value for value in values if value > 0 or not is_log] or [1.0]
    low, high = min(found), max(found)
    if is_log:
        return Axis(low / 1.15, high * 1.15, start, end, is_log=True)
    return Axis(0.0, (high * 1.08) or 1.0, start, end, is_log=False)


def _log_ticks(low: float, high: float) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for decade in decades for step in (1, 2, 5) if low <= (tick := step * 10.0**decade) <= high]


def _even_ticks(high: float) -> list[float]:
    magnitude = 10 ** math.floor(math.log10(high / 4))
    step = next(unit * magnitude for unit in (1, 2, 5, 10) if unit * magnitude * 6 >= high)
    return [step * number for number in range(int(high / step) + 1)]


def _grid(x: Axis, y: Axis, x_ticks: Sequence[float], x_name: str, y_name: str) -> list[str]:
    names = [_text(x.at(tick), HEIGHT - BOTTOM + 18, number(tick), "middle") for tick in _apart(x_ticks, x)]
    return [*_y_grid(y, y_name), *names, _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x_name, "middle")]


def _apart(ticks: Sequence[float], axis: Axis) -> list[float]:
    """Those that have room for their names."""
    kept: list[float] = []
    for tick in ticks:
        if not kept or axis.at(tick) - axis.at(kept[-1]) > 34:
            kept.append(tick)
    return kept


def _y_grid(y: Axis, y_name: str) -> list[str]:
    drawn = [_text(LEFT, TOP - 4, y_name, "start")]
    for tick in y.ticks():
        at = y.at(tick)
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        drawn.append(_text(LEFT - 8, at + 4, number(tick), "end"))
    return drawn


def _line(place: int, name: str, points: Sequence[Point], x: Axis, y: Axis) -> str:
    colour, dash = COLOURS[place % len(COLOURS)], DASHES[place % len(DASHES)]
    path = " ".join(f"{x.at(point.x):.1f},{y.at(point.median):.1f}" for point in points)
    spreads = "".join(
        f'<line x1="{x.at(p.x):.1f}" x2="{x.at(p.x):.1f}" y1="{y.at(p.least):.1f}" y2="{y.at(p.most):.1f}"/>'
        f'<circle cx="{x.at(p.x):.1f}" cy="{y.at(p.median):.1f}" r="3" fill="{colour}"/>'
        for p in points
    )
    key = TOP + 14 + place * 22
    start = WIDTH - RIGHT + 14
    return (
        f'<g stroke="{colour}" fill="none" stroke-width="2"><polyline points="{path}" stroke-dasharray="{dash}"/>'
        f'<g stroke-width="1">{spreads}</g>'
        f'<line x1="{start}" x2="{start + 26}" y1="{key}" y2="{key}" stroke-dasharray="{dash}"/></g>'
        + _text(start + 32, key + 4, name, "start")
    )


def _column(
    at: float, width: float, name: str, column: Mapping[str, float], parts: Sequence[str], y: Axis
) -> list[str]:
    drawn = [_text(at, HEIGHT - BOTTOM + 18, name, "middle")]
    below = 0.0
    for part in parts:
        value = column.get(part, 0.0)
        top, bottom = y.at(below + value), y.at(below)
        colour = COLOURS[parts.index(part) % len(COLOURS)]
        drawn.append(
            f'<rect x="{at - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.1f}" '
            f'fill="{colour}"><title>{escape(part)}: {number(value)}</title></rect>'
        )
        below += value
    return drawn


def _legend(parts: Sequence[str]) -> list[str]:
    start = WIDTH - RIGHT + 14
    drawn = []
    # The topmost of the column comes first.
    for place, part in enumerate(reversed(parts)):
        colour = COLOURS[parts.index(part) % len(COLOURS)]
        at = TOP + 8 + place * 20
        drawn.append(f'<rect x="{start}" y="{at}" width="12" height="12" fill="{colour}"/>')
        drawn.append(_text(start + 18, at + 10, part, "start"))
    return drawn


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(title: str, drawn: Iterable[str]) -> str:
    body = "".join(drawn)
    return f'<svg viewBox="0 -10 {WIDTH} {HEIGHT + 10}" role="img" aria-label="{escape(title)}">{body}</svg>'


def number(value: float) -> str:
    """As people write it: no more digits than say something."""
    if value == 0:
        return "0"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
