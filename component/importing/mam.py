"""The archives of a running server, asked by MAM (XEP-0313) as each of its users.

A file has a line for each user: the JID, the password or token, and the rooms whose archives are
read as this user. The server is asked with the namespace urn:xmpp:mam:2, or else urn:xmpp:mam:1.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from slixmpp import ClientXMPP, Iq
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream import ET, tostring
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from component.core.accounts.c2s import C2s
from component.core.errors import BadRequest
from component.core.importing.records import (
    BadSource,
    ImportRecord,
    SourcePage,
    UnreadableRecord,
)
from component.core.xml.stream_parser import Element, Malformed, Parser, cut
from component.core.xml.times import parse_time
from storage.rows import PreferencesRow

#: The namespaces of archives, the newest first.
NAMESPACES = ("urn:xmpp:mam:2", "urn:xmpp:mam:1")

#: Results of one query. A server may return fewer.
PAGE = 100

#: The greatest result in bytes of which the bytes are kept, and the greatest depth of elements.
STANZA_MAX, DEPTH_MAX = 16 * 1024 * 1024, 512

#: How deep the archived message is in the stanza of a result.
_DEPTH_OF_MESSAGE = 4

#: A stream begins anew with TLS and after the login.
_STREAM_BEGINS = (b"<?xml", b"<stream:stream")

_LOGIN_SECONDS = 30.0
_ANSWER_SECONDS = 120

_FORM = "jabber:x:data"
_RSM = "http://jabber.org/protocol/rsm"
_FORWARDED = "{urn:xmpp:forward:0}forwarded"
_DELAY = "{urn:xmpp:delay}delay"
_MESSAGE = "{jabber:client}message"

_EVERYTHING: Mapping[str, str] = MappingProxyType({})

#: Refusals of a server that has no archive of a namespace.
_UNKNOWN = frozenset({"service-unavailable", "feature-not-implemented", "bad-request"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MamUser:
    """A user who reads archives."""

    jid: str
    password: str = field(repr=False)
    rooms: tuple[str, ...] = ()


def read_users(path: Path) -> tuple[MamUser, ...]:
    """Return the users in a file. Raises BadSource, which quotes no password."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadSource(f"{path}: {getattr(error, 'strerror', 'it is not in UTF-8')}") from error
    users = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 2 or "@" not in words[0]:
            raise BadSource(f"{path}, line {number}: write JID PASSWORD, or JID PASSWORD ROOM...")
        users.append(MamUser(jid=words[0], password=words[1], rooms=tuple(words[2:])))
    if not users:
        raise BadSource(f"{path}: there are no users in it")
    return tuple(users)


class MamSource:
    """The archives of users on one server."""

    def __init__(
        self,
        users: Sequence[MamUser],
        address: str,
        port: int,
        *,
        namespaces: Sequence[str] = NAMESPACES,
    ) -> None:
        self._users = users
        self._c2s = C2s(address, port)
        self._namespaces = namespaces
        self.name = f"mam {address}:{port} {users[0].jid} {len(users)}"

    async def total(self) -> int | None:
        return None

    async def pages(self, after: str | None = None) -> AsyncIterator[SourcePage]:
        user_number, archive_number, last = json.loads(after) if after else (0, 0, None)
        for number, user in enumerate(self._users[user_number:], user_number):
            async with open_session(user, self._c2s) as session:
                archives = ((user.jid, ""), *((room, room) for room in user.rooms))
                first = archive_number if number == user_number else 0
                for at, (owner, address) in enumerate(archives[first:], first):
                    place = last if (number, at) == (user_number, archive_number) else None
                    reading = session.pages(owner, address, self._namespaces, place)
                    async for records, unreadable, place in reading:
                        yield SourcePage(
                            records=records,
                            unreadable=unreadable,
                            place=json.dumps([number, at, place]),
                        )
                if preferences := await session.preferences(self._namespaces):
                    yield SourcePage(preferences=(preferences,))


class Refused(BadSource):
    """The server refuses a password or token."""


class QueryRefused(BadSource):
    """The server refuses a query."""


@asynccontextmanager
async def open_session(user: MamUser, c2s: C2s) -> AsyncIterator[MamSession]:
    """Log in as a user while the context is open. Raises BadSource, Refused."""
    session = MamSession(user, c2s)
    session.connect(c2s.address, c2s.port)
    try:
        try:
            await asyncio.wait_for(session.begun, _LOGIN_SECONDS)
        except TimeoutError as error:
            raise BadSource(f"{user.jid}: the server does not answer") from error
        yield session
    finally:
        await session.end()


class MamSession(ClientXMPP):
    """The session of a user who reads."""

    def __init__(self, user: MamUser, c2s: C2s) -> None:
        super().__init__(
            f"{user.jid}/muniment-import-{secrets.token_hex(4)}",
            user.password,
            plugin_config={"feature_mechanisms": c2s.mechanisms},
            ssl_context=c2s.context,
        )
        self.enable_direct_tls = False
        self.max_redirects = -1
        self._user = user
        self.begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._results: dict[str, list[ET.Element]] = {}
        self._bytes: dict[tuple[str, str], str] = {}  # by query and result
        self._parser: Parser | None = None
        self.add_event_handler("session_start", lambda _: self._set_begun(None))
        for event in ("failed_all_auth", "no_auth"):
            self.add_event_handler(event, lambda _: self._set_begun(self._refused()))
        for event in ("connection_failed", "disconnected", "stream_error"):
            self.add_event_handler(event, lambda _: self._set_begun(self._failed()))
        for ns in NAMESPACES:
            matcher = MatchXPath(f"{_MESSAGE}/{{{ns}}}result")
            self.register_handler(Callback(f"results of {ns}", matcher, self._take))

    def reschedule_connection_attempt(self) -> None:
        """Do nothing: a login is tried once."""

    def data_received(self, data: bytes | str) -> None:
        """Keep the bytes of results: ElementTree forgets how the server wrote them.

        A copy of a message that we have already is recognised by the bytes of its children.
        """
        if isinstance(data, bytes):
            if data.startswith(_STREAM_BEGINS):
                self._parser = Parser(
                    self._take_bytes,
                    level=1,
                    max_bytes=STANZA_MAX,
                    max_depth=DEPTH_MAX,
                    keep_depth=_DEPTH_OF_MESSAGE,
                )
            if self._parser is not None:
                try:
                    self._parser.feed(data)
                except Malformed:
                    self._parser = None
        super().data_received(data)

    def _take_bytes(self, element: Element, raw: bytes) -> None:
        results = [child for child in element.elements if child.name == "result"]
        for result in results:
            query = result.get("queryid")
            forwarded = result.child("urn:xmpp:forward:0", "forwarded")
            message = forwarded and forwarded.child("jabber:client", "message")
            if message and query in self._results and result.ns in NAMESPACES:
                text = cut(raw, element, message).decode(errors="replace")
                self._bytes[query, result.get("id")] = text

    async def end(self) -> None:
        """Close the connection."""
        self.cancel_connection_attempt()
        await self.disconnect(wait=1.0)
        if self._run_out_filters is not None:
            self._run_out_filters.cancel()
        if self.begun.done() and not self.begun.cancelled():
            self.begun.exception()

    async def pages(
        self,
        owner: str,
        address: str,
        namespaces: Sequence[str],
        after: str | None,
        fields: Mapping[str, str] = _EVERYTHING,
    ) -> AsyncIterator[tuple[tuple[ImportRecord, ...], tuple[UnreadableRecord, ...], str | None]]:
        """Yield the pages of an archive; `address` is "" for the user's own one.

        `fields` are those of the form (XEP-0313 section 4.1), such as `start`.
        """
        for ns in namespaces:
            try:
                results, fin = await self._query(ns, address, after, fields)
            except IqError as error:
                if error.condition in _UNKNOWN and ns is not namespaces[-1]:
                    continue
                raise _query_refused(owner, error) from error
            break
        while results:
            texts, self._bytes = self._bytes, {}
            records, unreadable = _records(results, texts, owner, is_of_room=bool(address))
            after = results[-1].get("id", "")
            yield records, unreadable, after
            if fin is not None and fin.get("complete") == "true":
                return
            try:
                results, fin = await self._query(ns, address, after, fields)
            except IqError as error:
                raise _query_refused(owner, error) from error

    async def preferences(self, namespaces: Sequence[str]) -> PreferencesRow | None:
        """Return the archiving preferences of the user, None if the server has none."""
        for ns in namespaces:
            iq = self.make_iq_get()
            iq.append(ET.Element(f"{{{ns}}}prefs"))
            try:
                answer = await iq.send(timeout=_ANSWER_SECONDS)
            except (IqError, IqTimeout):
                continue
            prefs = answer.xml.find(f"{{{ns}}}prefs")
            if prefs is None or prefs.get("default") not in ("always", "never", "roster"):
                continue
            return PreferencesRow(
                owner=self._user.jid,
                default=prefs.get("default"),
                always=_listed(prefs, ns, "always"),
                never=_listed(prefs, ns, "never"),
            )
        return None

    async def _query(
        self, ns: str, address: str, after: str | None, fields: Mapping[str, str]
    ) -> tuple[list[ET.Element], ET.Element | None]:
        """Return the results of one page, and the end of it. Raises IqError, BadSource."""
        id = secrets.token_hex(6)
        query = ET.Element(f"{{{ns}}}query", queryid=id)
        form = ET.SubElement(query, f"{{{_FORM}}}x", type="submit")
        form_type = ET.SubElement(form, f"{{{_FORM}}}field", var="FORM_TYPE", type="hidden")
        ET.SubElement(form_type, f"{{{_FORM}}}value").text = ns
        for name, value in fields.items():
            limit = ET.SubElement(form, f"{{{_FORM}}}field", var=name)
            ET.SubElement(limit, f"{{{_FORM}}}value").text = value
        limits = ET.SubElement(query, f"{{{_RSM}}}set")
        ET.SubElement(limits, f"{{{_RSM}}}max").text = str(PAGE)
        if after is not None:
            ET.SubElement(limits, f"{{{_RSM}}}after").text = after
        iq: Iq = self.make_iq_set()
        if address:
            iq["to"] = address
        iq.append(query)
        self._results[id] = []
        try:
            answer = await iq.send(timeout=_ANSWER_SECONDS)
        except IqTimeout as error:
            raise BadSource(f"{self._user.jid}: the server does not answer a query") from error
        finally:
            results = self._results.pop(id)
        return results, answer.xml.find(f"{{{ns}}}fin")

    def _take(self, message: Any) -> None:
        for ns in NAMESPACES:
            result = message.xml.find(f"{{{ns}}}result")
            if (
                result is not None
                and (results := self._results.get(result.get("queryid"))) is not None
            ):
                results.append(result)

    def _refused(self) -> Refused:
        return Refused(f"{self._user.jid}: the server refuses the password")

    def _failed(self) -> BadSource:
        return BadSource(f"{self._user.jid}: the connection failed")

    def _set_begun(self, failure: BadSource | None) -> None:
        if self.begun.done():
            return
        if failure is None:
            self.begun.set_result(None)
        else:
            self.begun.set_exception(failure)


def _query_refused(owner: str, error: IqError) -> QueryRefused:
    return QueryRefused(f"{owner}: {error.condition} {error.text}".strip())


def _records(
    results: Sequence[ET.Element],
    texts: Mapping[tuple[str, str], str],
    owner: str,
    *,
    is_of_room: bool,
) -> tuple[tuple[ImportRecord, ...], tuple[UnreadableRecord, ...]]:
    records, unreadable = [], []
    for result in results:
        id = result.get("id", "")
        delay = result.find(f"{_FORWARDED}/{_DELAY}")
        message = result.find(f"{_FORWARDED}/{_MESSAGE}")
        try:
            if delay is None or message is None:
                raise BadRequest("it has no message or no time")
            at = parse_time(delay.get("stamp", ""))
        except BadRequest as error:
            unreadable.append(
                UnreadableRecord(owner=owner, where=f"result {id}", reason=error.message)
            )
            continue
        xml = texts.get((result.get("queryid", ""), id)) or tostring(message)
        records.append(ImportRecord(owner=owner, at=at, xml=xml, old_id=id, is_of_room=is_of_room))
    return tuple(records), tuple(unreadable)


def _listed(prefs: ET.Element, ns: str, name: str) -> tuple[str, ...]:
    path = f"{{{ns}}}{name}/{{{ns}}}jid"
    return tuple(jid.text.strip() for jid in prefs.findall(path) if jid.text)
