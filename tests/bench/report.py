"""The report: every row as JSON, and a page with plots and tables that needs nothing beside itself."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.instance import REPOSITORY
from tests.bench import plots
from tests.bench.bench import Row
from tests.bench.figures import MOST_DOUBT, spread
from tests.bench.plots import Point, number
from tests.bench.reach import reached
from tests.bench.soak import GROWTH
from tests.ledger.checker import FORBIDDEN

Spread = Mapping[str, Mapping[str, float]]
Level = tuple[str, str, float]
GROWTH_HEAD = ("", "MiB after warm-up", "MiB at the end", "MiB an hour", "")
EXPLAINED = (
    "<p>A line through what follows the warm-up, and its slope with the standard error. What lasts less than half an "
    "hour is mostly warm-up: threads that work for the first time, caches that fill.</p>"
)
SERVERS = frozenset({"mongod", "rabbitmq"})

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --page: #fcfcfb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --soft: #9aa5b1; --line: #39424e; --page: #171b21; } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.55 system-ui, sans-serif;
  color: var(--ink); background: var(--page); }
h1, h2 { font-weight: 600; line-height: 1.25; } h2 { margin-top: 2.5rem; }
p, caption { color: var(--soft); } caption { text-align: left; padding: .4rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
th:first-child, td:first-child { text-align: left; } thead th { color: var(--soft); font-weight: 500; }
td { white-space: pre; } table.words td { text-align: left; white-space: normal; }
svg { width: 100%; height: auto; margin: 1rem 0; } svg text { fill: var(--ink); font-size: 12px; }
svg .grid { stroke: var(--line); }
"""


def write(rows: Sequence[Row], folder: Path, settings: dict[str, Any], machine: dict[str, str]) -> int:
    """Write both files and say in a line what the ledger found; 1 if that is not nothing."""
    finished = datetime.now(UTC)
    path = folder / f"{finished:%Y%m%d-%H%M%S}.json"
    summary = [
        {"part": part, "label": label, "level": level, "figures": found}
        for (part, label, level), found in summarised(rows).items()
    ]
    whole = {"finished": finished, "machine": machine, "settings": settings, "summary": summary, "rows": rows}
    path.write_bytes(msgspec.json.format(msgspec.json.encode(whole)))
    page = path.with_suffix(".html")
    page.write_text(_page(rows, settings, machine, finished))
    print(f"\n{verdict_of(rows)}\n{page.relative_to(REPOSITORY)} and {path.name} have all of it")
    return int(any(row.verdict.get(kind) for row in rows for kind in FORBIDDEN))


def summarised(rows: Iterable[Row]) -> dict[Level, Spread]:
    """The spread over the runs, for each part and level."""
    runs: dict[Level, list[Row]] = {}
    for row in rows:
        runs.setdefault((row.part, row.label, row.level), []).append(row)
    return {level: spread([row.figures for row in found]) for level, found in runs.items()}


def verdict_of(rows: Sequence[Row]) -> str:
    """One sentence on all messages of all runs."""
    live = [row for row in rows if row.verdict and not row.part.endswith("sealed")]
    counts = ", ".join(f"{kind} {sum(row.verdict[kind] for row in rows if row.verdict):,}" for kind in FORBIDDEN)
    attempts = sum(row.verdict["attempts"] for row in live)
    return f"Of {attempts:,} messages in {len(live)} runs: {counts}."


def _page(rows: Sequence[Row], settings: Mapping[str, Any], machine: Mapping[str, str], finished: datetime) -> str:
    summary = summarised(rows)
    about = {**machine, **{name: _words(value) for name, value in settings.items()}}
    return "\n".join(
        [
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Velaro, measured {finished:%Y-%m-%d %H:%M}</title><style>{STYLE}</style>",
            f"<h1>Velaro, measured</h1><p>{finished:%Y-%m-%d %H:%M} UTC, through the public edge; the broker, the "
            "database and the driver share the machine. Figures are the median of the runs, with the least and the "
            "most beside it.</p>",
            f"<p><strong>{escape(verdict_of(rows))}</strong> Each message was compared with the history and the sealed "
            "transcript that the public edge returns, and with what both sides were shown.</p>",
            _section("What it must reach", _reached(rows)),
            *_plots(rows, summary),
            *(_section(_title(part), _table_of(part, summary)) for part in _parts(rows)),
            _section("Memory through the soak", _growth(rows)),
            _section("CPU", _cpu_table(rows)),
            _section("The machine and the settings", _table(("", ""), about.items(), css="words")),
            "</html>",
        ]
    )


def _section(title: str, *content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(content)}</section>" if any(content) else ""


def _parts(rows: Sequence[Row]) -> list[str]:
    """Those whose figures stand in a table of their levels."""
    return [part for part in dict.fromkeys(row.part for row in rows) if part != GROWTH]


def _title(part: str) -> str:
    return part[0].upper() + part[1:]


def _plots(rows: Sequence[Row], summary: Mapping[Level, Spread]) -> list[str]:
    percentiles = ("delivered_p50_ms", "delivered_p90_ms", "delivered_p99_ms")
    by_rate = _series(summary, "open-loop", percentiles)
    by_pairs = _series(summary, "closed-loop", ("msg_per_s",))
    p99 = _series(summary, "closed-loop", ("delivered_p50_ms", "delivered_p99_ms"))
    memory = _series(summary, "idle", ("pss_kib_per_socket", "rss_kib_per_socket"))
    drawn = {
        "Latency by rate": plots.lines("Latency percentiles by rate", "messages a second", "ms", by_rate),
        "Throughput by pairs": plots.lines("Throughput by number of pairs", "pairs", "messages/s", by_pairs),
        "Latency by pairs": plots.lines("Latency by number of pairs", "pairs", "ms", p99),
        "Memory by sockets": plots.lines(
            "Memory of each idle socket", "idle sockets", "KiB each", memory, is_log=False
        ),
        **_courses(rows),
        "CPU by rate": plots.stacks("CPU of each process by rate", "cores", _cpu(rows, "open-loop")),
        "CPU by pairs": plots.stacks("CPU of each process by pairs", "cores", _cpu(rows, "closed-loop")),
    }
    return [_section(title, svg) for title, svg in drawn.items()]


def _courses(rows: Sequence[Row]) -> dict[str, str]:
    """Memory over time: of our processes, and of the servers below them, which are far larger."""
    grown = [row for row in rows if row.part == GROWTH]
    groups = {
        "Memory of our processes over time": [row for row in grown if row.label not in SERVERS],
        "Memory of the servers over time": [row for row in grown if row.label in SERVERS],
    }
    return {
        title: plots.lines(title, "minutes", "MiB (PSS)", {row.label: _course(row) for row in group}, is_log=False)
        for title, group in groups.items()
    }


def _course(row: Row) -> list[Point]:
    return [Point(at / 60, mib, mib, mib) for at, mib in row.course]


def _growth(rows: Sequence[Row]) -> str:
    """What the slope of each process says."""
    lines = [
        (
            row.label,
            number(row.figures["mib_after_warm_up"]),
            number(row.figures["mib_at_the_end"]),
            f"{number(row.figures['mib_per_hour'])} ± {number(row.figures['give_or_take'])}",
            _meaning(row),
        )
        for row in rows
        if row.part == GROWTH
    ]
    return EXPLAINED + _table(GROWTH_HEAD, lines, css="words") if lines else ""


def _meaning(row: Row) -> str:
    slope, doubt = row.figures["mib_per_hour"], row.figures["give_or_take"]
    if slope <= MOST_DOUBT * doubt:
        return "no growth that this run can tell from chance"
    hours = row.figures["mib_at_the_end"] / slope
    grows = f"grows; at this rate twice as large in {f'{hours:.0f} hours' if hours < 72 else f'{hours / 24:.0f} days'}"
    return f"{grows}, but what a server keeps in memory has its own bound" if row.label in SERVERS else grows


def _series(summary: Mapping[Level, Spread], part: str, figures: Sequence[str]) -> dict[str, list[Point]]:
    found = [(level, spread) for (name, _, level), spread in summary.items() if name == part]
    series = {figure: [_point(level, spread[figure]) for level, spread in found] for figure in figures}
    return {figure.replace("_", " "): points for figure, points in series.items() if points}


def _point(level: float, spread: Mapping[str, float]) -> Point:
    return Point(level, spread["min"], spread["median"], spread["max"])


def _cpu(rows: Sequence[Row], part: str) -> dict[str, dict[str, float]]:
    """Cores of each process at each level, the median of the runs; what takes next to nothing is together."""
    columns: dict[str, list[dict[str, float]]] = {}
    for row in rows:
        if row.part == part and row.cpu:
            columns.setdefault(row.label, []).append(row.cpu)
    return {
        label: _notable({name: one["median"] for name, one in spread(found).items()})
        for label, found in columns.items()
    }


def _notable(cpu: Mapping[str, float]) -> dict[str, float]:
    names = ("gateway", "chat-relay", "rabbitmq", "mongod", "transcripts-consumer", "chat", "driver")
    kept = {name: cpu.get(name, 0.0) for name in names}
    return kept | {"others": sum(value for name, value in cpu.items() if name not in names)}


def _cpu_table(rows: Sequence[Row]) -> str:
    columns = {
        f"{part}, {label}": cpu
        for part in ("open-loop", "closed-loop", "idle", "calls")
        for label, cpu in _cpu(rows, part).items()
    }
    if not columns:
        return ""
    names = list(next(iter(columns.values())))
    lines = [(label, *(number(cpu[name]) for name in names)) for label, cpu in columns.items()]
    return "<p>Cores that each process kept busy; 1 is one core.</p>" + _table(("", *names), lines)


def _table_of(part: str, summary: Mapping[Level, Spread]) -> str:
    """A line for each figure, a column for each level."""
    found = {label: figures for (name, label, _), figures in summary.items() if name == part and figures}
    names = dict.fromkeys(name for figures in found.values() for name in figures)
    lines = [(name.replace("_", " "), *(_cell(figures.get(name)) for figures in found.values())) for name in names]
    return _table(("", *found), lines) if lines else ""


def _cell(spread: Mapping[str, float] | None) -> str:
    """The median, and below it from where to where the runs go."""
    if spread is None:
        return ""
    if spread["min"] == spread["max"]:
        return number(spread["median"])
    return f"{number(spread['median'])}\n{number(spread['min'])} to {number(spread['max'])}"


def _reached(rows: Sequence[Row]) -> str:
    lines = [(one.what, one.wanted, one.measured, one.verdict) for one in reached(summarised(rows))]
    return _table(("", "wanted", "measured", ""), lines, css="words") if lines else ""


def _table(head: Sequence[str], lines: Iterable[Sequence[str]], *, css: str = "") -> str:
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in line) + "</tr>" for line in lines)
    return f'<div class="wide"><table class="{css}"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>'


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return str(value)
