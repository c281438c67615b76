"""Plots of results as SVG: bars side by side, and lines over the size of an archive."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

from benchmarks.contenders import ARCHIVES, BY_KEY, ON_POSTGRES, D, F
from benchmarks.samples import Results

WIDTH, HEIGHT = 720, 360
LEFT, RIGHT, TOP, BOTTOM = 70, 200, 40, 50

COLOURS = {
    "A": "#8da0cb",
    "B": "#377eb8",
    "C": "#a6761d",
    "D": "#d95f02",
    "F": "#999999",
    "G": "#1b9e77",
    "H": "#66a61e",
    "newest page": "#d95f02",
    "middle page": "#e6ab02",
    "search, rare word": "#7570b3",
    "search, common word": "#e7298a",
    "conversations": "#1b9e77",
}

#: The lines of the plot of growth, with their metrics.
READS = {
    "newest page": "newest_cpu_ms",
    "middle page": "middle_cpu_ms",
    "search, rare word": "rare_word_cpu_ms",
    "search, common word": "common_word_cpu_ms",
    "conversations": "conversations_cpu_ms",
}

#: The width of a character of the legend, and of all else in it.
CHARACTER, LEGEND = 6.6, 40


def plots(results: Results) -> dict[str, str]:
    """Return by file name the plots of the oldest ejabberd for which there are figures."""
    results = results.on(results.releases[0])
    svgs = {
        "ingest.svg": _ingest(results),
        "pages.svg": _pages(results),
        "inside.svg": _inside(results),
        "growth.svg": _growth(results),
    }
    return {name: svg for name, svg in svgs.items() if svg}


def _ingest(results: Results) -> str:
    values = {
        contender.key: value
        for contender in (*ARCHIVES, *ON_POSTGRES)
        if (value := results.median("ingest", contender.key, "", "messages_per_second"))
    }
    return bars("Messages a second, until in both archives", values) if values else ""


def _pages(results: Results) -> str:
    series: dict[str, dict[float, float]] = {}
    for case in results.cases("pages"):
        way, _, rest = case.partition("/")
        size, _, clients = rest.partition("/")
        if (way, clients) == ("last", "8") and size.isdigit():
            for contender in (*ARCHIVES, ON_POSTGRES[0]):
                value = results.median("pages", contender.key, case, "pages_per_second")
                if value is not None:
                    series.setdefault(contender.key, {})[float(size)] = value
    if not series:
        return ""
    limit = results.median("pages", F.key, "last/constant/8", "pages_per_second")
    if limit is not None:
        series[F.key] = {size: limit for points in series.values() for size in points}
    return lines("Newest pages a second, 8 clients, by messages in the archive", series)


def _inside(results: Results) -> str:
    points = {
        float(case.split("/")[1]): value
        for case in results.cases("inside")
        if case.startswith("anywhere/")
        and (value := results.median("inside", D.key, case, "cpu_ms"))
    }
    title = "CPU milliseconds of a page inside Muniment, by messages in the archive"
    return lines(title, {D.key: points}) if points else ""


def _growth(results: Results) -> str:
    series: dict[str, dict[float, float]] = {}
    for case in results.cases("growth"):
        size = float(case.rpartition(" ")[2])
        for name, metric in READS.items():
            value = results.median("growth", D.key, case, metric)
            if value is not None:
                series.setdefault(name, {})[size] = value
    title = "CPU milliseconds of a read inside Muniment, by messages in each archive of a store"
    return lines(title, series) if series else ""


def bars(title: str, values: Mapping[str, float]) -> str:
    """Return a plot with one bar for each contender."""
    top = _ceiling(max(values.values()))
    step = (WIDTH - LEFT - RIGHT) / len(values)
    parts = []
    for place, (key, value) in enumerate(values.items()):
        x, y = LEFT + step * (place + 0.15), _y(value, top)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{step * 0.7:.1f}" '
            f'height="{HEIGHT - BOTTOM - y:.1f}" fill="{COLOURS[key]}"/>'
        )
        parts.append(_text(x + step * 0.35, y - 6, f"{value:,.0f}", "middle"))
    return _drawing(title, top, list(values), parts)


def lines(title: str, series: Mapping[str, Mapping[float, float]]) -> str:
    """Return a plot with one line for each key, over a logarithmic axis."""
    sizes = sorted({x for points in series.values() for x in points})
    top = _ceiling(max(y for points in series.values() for y in points.values()))
    low, high = math.log10(sizes[0]), math.log10(sizes[-1])

    def across(size: float) -> float:
        part = (math.log10(size) - low) / (high - low) if high > low else 0.5
        return LEFT + 20 + part * (WIDTH - LEFT - RIGHT - 40)

    parts = [_text(across(size), HEIGHT - BOTTOM + 18, f"{size:,.0f}", "middle") for size in sizes]
    for key, points in series.items():
        dots = [(across(x), _y(y, top)) for x, y in sorted(points.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        dash = ' stroke-dasharray="6 4"' if key == F.key else ""
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{COLOURS[key]}" '
            f'stroke-width="2"{dash}/>'
        )
        if key != F.key:
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[key]}"/>' for x, y in dots
            ]
    return _drawing(title, top, list(series), parts)


def _drawing(title: str, top: float, keys: Sequence[str], parts: Sequence[str]) -> str:
    frame = [_text(LEFT, 22, title, "start", size=15)]
    for quarter in range(5):
        value = top * quarter / 4
        y = _y(value, top)
        frame.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        )
        frame.append(_text(LEFT - 8, y + 4, f"{value:,g}", "end"))
    for place, key in enumerate(keys):
        x, y = WIDTH - RIGHT + 16, TOP + 20 * place
        frame.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[key]}"/>')
        frame.append(_text(x + 18, y + 10, _name(key), "start"))
    body = "\n".join([*frame, *parts])
    longest = max(map(len, map(_name, keys)))
    width = WIDTH - RIGHT + max(RIGHT, round(LEGEND + CHARACTER * longest))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" '
        f'font-family="sans-serif">\n<rect width="{width}" height="{HEIGHT}" fill="white"/>\n'
        f"{body}\n</svg>\n"
    )


def _name(key: str) -> str:
    return BY_KEY[key].name if key in BY_KEY else key


def _text(x: float, y: float, text: str, anchor: str, *, size: int = 12) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="#333333">{escape(text)}</text>'
    )


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _ceiling(value: float) -> float:
    """Return the next round number, for the end of an axis."""
    power: float = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= value)
