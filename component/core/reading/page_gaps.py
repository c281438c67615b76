"""The gaps that a page of an archive spans, and where they lie between its messages."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from component.core.reading.pages import PageQuery
from storage.rows import Gap, Page


def spanned(
    gaps: Collection[Gap],
    page: Page,
    query: PageQuery,
    *,
    after: int | None = None,
    before: int | None = None,
) -> tuple[Gap, ...]:
    """Return the gaps between the ends of a page, and between it and the page read before.

    `after` and `before` are the times of the messages of these ids of the query, None if there is
    none. A reader who goes through the pages of an archive in one direction meets each gap between
    two messages, and a gap behind the last message if the last page has no end.
    """
    if query.filter.ids is not None:
        return ()
    messages, filter = page.messages, query.filter
    first = min((message.at for message in messages), default=None)
    last = max((message.at for message in messages), default=None)
    # The page of a reader who goes forward begins where the page before it ended.
    begins = [time for time in (after, filter.since) if time is not None]
    ends = [time for time in (before, filter.until) if time is not None]
    is_open_before = not query.backwards or page.complete
    is_open_behind = query.backwards or page.complete
    since = max(begins) if begins and is_open_before else first
    until = last
    if is_open_behind:
        until = min(ends) if ends else None
    return tuple(
        gap
        for gap in gaps
        if (until is None or gap.begins_at < until)
        and (since is None or gap.ends_at is None or gap.ends_at > since)
    )


def gaps_before(
    gaps: Collection[Gap], times: Iterable[int], previous: int | None
) -> Iterator[tuple[Gap, ...]]:
    """Yield for each message of a list the gaps between it and the messages before it.

    `times` are those of the messages, and `previous` is the time of the message before the list,
    None if there is none. A gap lies before the first message that is not older than its end.
    """
    for time in times:
        yield tuple(
            gap
            for gap in gaps
            if previous is not None and gap.ends_at is not None and previous < gap.ends_at <= time
        )
        previous = time if previous is None else max(previous, time)
