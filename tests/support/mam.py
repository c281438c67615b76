"""Archive queries (XEP-0313) of the raw client, page after page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import uuid4
from xml.etree.ElementTree import Element

from support.mam_payloads import archive_query
from support.program import POLL_SECONDS
from support.raw import SECONDS, Client
from support.stanzas import CLIENT, Refused, body_of

MAM = "{urn:xmpp:mam:2}"
RSM = "{http://jabber.org/protocol/rsm}"
FORWARD = "{urn:xmpp:forward:0}"
DELAY = "{urn:xmpp:delay}"
FORM = "jabber:x:data"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveResult:
    """A result: a message of an archive."""

    id: str  #: of the archive
    stamp: str
    sender: str | None
    to: str | None
    message_id: str | None
    type: str | None
    body: str | None
    message: Element


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The answer to a query."""

    results: tuple[ArchiveResult, ...]
    complete: bool
    first: str | None
    last: str | None
    count: int | None
    answered_by: str | None

    @property
    def bodies(self) -> list[str | None]:
        """The texts of the messages on the page, in order."""
        return [result.body for result in self.results]


async def query(
    client: Client,
    *,
    to: str | None = None,
    fields: dict[str, str] | None = None,
    max: int | str | None = None,
    after: str | None = None,
    before: str | None = None,
    extra: str = "",
) -> Page:
    """Query a page; `before=""` selects the last one. Raises Refused."""
    queryid = uuid4().hex
    results: list[ArchiveResult] = []

    def collect(stanza: Element) -> None:
        result = stanza.find(f"{MAM}result[@queryid='{queryid}']")
        if result is not None:
            results.append(_archive_result(result))

    iq_payload = archive_query(
        fields, queryid=queryid, max=max, after=after, before=before, extra=extra
    )
    with client.listening(collect):
        answer = await client.ask("set", iq_payload, to=to)
    return _page(answer, results)


async def pages(
    client: Client, *, to: str | None = None, max: int = 50, backwards: bool = False
) -> AsyncIterator[Page]:
    """Yield all pages, following first and last as a client does."""
    edge = "" if backwards else None
    while True:
        if backwards:
            page = await query(client, to=to, max=max, before=edge)
        else:
            page = await query(client, to=to, max=max, after=edge)
        assert len(page.results) <= max
        yield page
        if page.complete:
            return
        edge = page.first if backwards else page.last


async def everything(
    client: Client, *, to: str | None = None, max: int = 50, backwards: bool = False
) -> list[ArchiveResult]:
    """Return a whole archive, oldest message first."""
    results: list[ArchiveResult] = []
    async for page in pages(client, to=to, max=max, backwards=backwards):
        results = [*page.results, *results] if backwards else [*results, *page.results]
    return results


async def bodies(client: Client, *, to: str | None = None) -> list[str | None]:
    """Return the texts of a whole archive, oldest first."""
    return [result.body for result in await everything(client, to=to, max=250)]


async def wait_for_bodies(
    client: Client, expected: Sequence[str | None], *, to: str | None = None
) -> None:
    """Return when an archive has these texts, oldest first. Raises TimeoutError.

    A message to a user who is away is archived for this user a little later, and queries have no
    answer until ejabberd has delegated them to a program that has just connected.
    """
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                if await bodies(client, to=to) == expected:
                    return
            except Refused as error:
                if "service-unavailable" not in str(error):
                    raise
            await asyncio.sleep(POLL_SECONDS)


def _archive_result(result: Element) -> ArchiveResult:
    delay = result.find(f"{FORWARD}forwarded/{DELAY}delay")
    message = result.find(f"{FORWARD}forwarded/{CLIENT}message")
    assert delay is not None, "a result has the time of archiving"
    assert message is not None, "a result holds a message of the namespace of clients"
    return ArchiveResult(
        id=result.get("id", ""),
        stamp=delay.get("stamp", ""),
        sender=message.get("from"),
        to=message.get("to"),
        message_id=message.get("id"),
        type=message.get("type"),
        body=body_of(message),
        message=message,
    )


def _page(answer: Element, results: list[ArchiveResult]) -> Page:
    fin = answer.find(f"{MAM}fin")
    assert fin is not None
    count = fin.findtext(f"{RSM}set/{RSM}count")
    return Page(
        results=tuple(results),
        complete=fin.get("complete") == "true",
        first=fin.findtext(f"{RSM}set/{RSM}first"),
        last=fin.findtext(f"{RSM}set/{RSM}last"),
        count=None if count is None else int(count),
        answered_by=answer.get("from"),
    )
