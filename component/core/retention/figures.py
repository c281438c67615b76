"""What is told of archives and purges, by the names that it has over HTTP and in commands."""

from __future__ import annotations

from component.core.retention.forecast import Forecast
from component.core.retention.purge import Progress
from component.core.xml.times import format_if_known
from storage.rows import Usage

Figures = dict[str, str | int | None]


def of_archive(usage: Usage) -> Figures:
    """Return what one archive takes up."""
    return {
        "owner": usage.owner,
        "messages": usage.messages,
        "bytes": usage.bytes,
        "oldest": format_if_known(usage.oldest),
        "newest": format_if_known(usage.newest),
    }


def of_forecast(forecast: Forecast) -> Figures:
    """Return what a purge would take away."""
    return {
        "archives": forecast.archives,
        "messages": forecast.going.messages,
        "oldest": format_if_known(forecast.going.oldest),
        "newest": format_if_known(forecast.going.newest),
    }


def of_purge(purge: Progress) -> Figures:
    """Return how far a purge is."""
    return {
        "by": purge.by,
        "owner": purge.owner,
        "state": purge.state.value,
        "started": format_if_known(purge.started),
        "finished": format_if_known(purge.finished),
        "archives": purge.archives,
        "archives_done": purge.archives_done,
        "messages": purge.messages,
        "bytes": purge.bytes,
        "error": purge.error or None,
    }
