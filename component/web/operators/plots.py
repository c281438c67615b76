"""The geometry of plots, which templates draw as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 200

#: Room for the scale at the left, and for the labels below.
LEFT, BOTTOM, TOP = 70, 24, 10

#: The labels below a plot.
_LABELS_MAX = 8


@dataclass(frozen=True, slots=True)
class Bar:
    """One value of a plot."""

    label: str
    value: int
    x: float
    y: float
    width: float
    height: float
    has_label: bool  #: whether there is room for the label below


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the scale."""

    value: int
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot of bars."""

    name: str  #: of the plot, for ids
    title: str
    unit: str  #: `bytes`, or the noun of what is counted
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    base: int = HEIGHT - BOTTOM


def plot(name: str, title: str, unit: str, values: Sequence[tuple[str, int]]) -> Plot:
    """Return a plot of labels and values, none of which is negative."""
    top = _round_up(max((value for _, value in values), default=0))
    room = HEIGHT - BOTTOM - TOP
    step = (WIDTH - LEFT) / max(len(values), 1)
    every = -(-len(values) // _LABELS_MAX) or 1
    bars = tuple(
        Bar(
            label=label,
            value=value,
            x=round(LEFT + place * step, 2),
            y=round(TOP + room * (1 - value / top), 2),
            width=round(max(step * 0.8, 0.5), 2),
            height=round(room * value / top, 2),
            has_label=place % every == 0,
        )
        for place, (label, value) in enumerate(values)
    )
    lines = tuple(
        Line(value=value, y=round(TOP + room * (1 - value / top), 2))
        for value in sorted({0, top // 2, top})
    )
    return Plot(name=name, title=title, unit=unit, bars=bars, lines=lines)


def _round_up(value: int) -> int:
    """Return the next number with one digit and zeros, 1 at least."""
    power = int(10 ** (len(str(max(value, 1))) - 1))
    return -(-max(value, 1) // power) * power
