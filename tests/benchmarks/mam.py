"""Archive queries (XEP-0313) of a raw client, and the values of their answers."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.xmpp import Session, Unexpected

PAGE = 50

_PLACE = re.compile(rb"<(first|last|count)[^>]*>([^<]*)</")
_MESSAGE_ID = re.compile(rb"<message [^>]*?\bid='(m[0-9a-f]+)'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The bytes of a page, and the values of its <fin/>."""

    results: int
    first: str | None
    last: str | None
    count: int | None
    is_complete: bool
    raw: bytes

    @property
    def message_ids(self) -> list[str]:
        """The ids that the senders gave to the messages."""
        return [id.decode() for id in _MESSAGE_ID.findall(self.raw)]


def query(
    session: Session,
    *,
    max: int = PAGE,
    before: str | None = None,
    after: str | None = None,
    peer: str | None = None,
    start: int | None = None,
    search: str | None = None,
) -> bytes:
    """Return a query for the session's own archive; an empty `before` asks for the last page."""
    since = None if start is None else _stamp(start)
    fields = {"with": peer, "start": since, "{urn:xmpp:fulltext:0}fulltext": search}
    form = "".join(
        f"<field var='{name}'><value>{value}</value></field>"
        for name, value in fields.items()
        if value is not None
    )
    place = "" if before is None else f"<before>{before}</before>"
    place += "" if after is None else f"<after>{after}</after>"
    return (
        f"<iq type='set' id='page' to='{session.jid}'><query xmlns='urn:xmpp:mam:2' queryid='q'>"
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
        f"<value>urn:xmpp:mam:2</value></field>{form}</x>"
        f"<set xmlns='http://jabber.org/protocol/rsm'><max>{max}</max>{place}</set>"
        "</query></iq>"
    ).encode()


async def page(session: Session, request: bytes) -> Page:
    """Send a query, and read the answer."""
    raw = await session.ask(request, b"</iq>")
    fin = raw.rfind(b"<fin ")
    if fin < 0:
        raise Unexpected(f"{session.user}: {raw[-400:]!r}")
    places = {name: value.decode() for name, value in _PLACE.findall(raw, fin)}
    return Page(
        results=raw.count(b"<result "),
        first=places.get(b"first"),
        last=places.get(b"last"),
        count=int(places[b"count"]) if b"count" in places else None,
        is_complete=b"complete='true'" in raw[fin : fin + 100],
        raw=raw,
    )


async def count(session: Session) -> int:
    """Return the number of messages in the archive of the session's user."""
    message_count = (await page(session, query(session, max=0))).count
    if message_count is None:
        raise Unexpected(f"{session.user}: a page without a count")
    return message_count


async def walk(session: Session, *, max: int = 250) -> AsyncIterator[Page]:
    """Yield the pages of a whole archive, the oldest first."""
    last: str | None = None
    while True:
        read = await page(session, query(session, max=max, after=last))
        yield read
        if read.is_complete or read.last is None:
            return
        last = read.last


def _stamp(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
