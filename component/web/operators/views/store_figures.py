"""The size of the whole store over time, as plots and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from aiohttp import web

from component.core.access.principals import Role
from component.core.figures import Sample
from component.core.xml.times import format_time
from component.web import keys
from component.web.auth import authenticate
from component.web.operators.models import NoParameters
from component.web.operators.plots import Plot, plot
from component.web.operators.rendering import render
from component.web.server import body
from component.web.server.parameters import checked
from component.web.server.paths import routes_at

#: The greatest number of bars of a plot.
_BARS_MAX = 100


def routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix."""
    return routes_at(web.get, f"{prefix}/figures", show_figures)


async def show_figures(request: web.Request) -> web.Response:
    """GET {prefix}/figures: the size of the store since the start of the program."""
    authenticate.require(request, Role.ADMIN)
    checked(NoParameters, body.query(request))
    figures = request.app[keys.figures]
    samples = (*figures.samples(), await figures.sample())
    return render(request, "service/figures.html", now=samples[-1], plots=plots(samples))


def plots(samples: Sequence[Sample]) -> tuple[Plot, ...]:
    """Return the plots of samples; of many samples some, and always the newest one."""
    step = -(-len(samples) // _BARS_MAX)
    shown = samples[::-1][::step][::-1]
    labels = [format_time(sample.at)[5:16].replace("T", " ") for sample in shown]
    arrived = [max(later.messages - earlier.messages, 0) for earlier, later in pairwise(shown)]
    return (
        plot("arrived", "New messages", "message", list(zip(labels[1:], arrived, strict=True))),
        plot("messages", "Messages in the store", "message", _values(labels, shown, "messages")),
        plot("bytes", "Size of the messages", "bytes", _values(labels, shown, "bytes")),
        plot("archives", "Archives", "archive", _values(labels, shown, "archives")),
    )


def _values(labels: Sequence[str], samples: Sequence[Sample], name: str) -> list[tuple[str, int]]:
    return [
        (label, int(getattr(sample, name))) for label, sample in zip(labels, samples, strict=True)
    ]
