"""Answers to archive queries: authorization, audit, privilege and limits."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.builders import ALICE, BOB, HOST, entries
from support.databases import blocked
from support.wire import COMPONENT, NS_COMPONENT, NS_MAM, parsed, query
from support.writer import open_writer

from component.core.access.audit import Audit
from component.core.access.authorize import Authorizer
from component.core.access.principals import Operator, Role
from component.core.errors import BadRequest, Forbidden, Overloaded, Refused
from component.core.hosts import Hosts
from component.core.reading.follow import Followers
from component.core.reading.pages import Pager
from component.core.reading.reader import ArchiveReader
from component.xmpp.archive.mam import QUERYID_MAX, Mam
from component.xmpp.connection.addresses import Addresses
from component.xmpp.queries.exchange import Delegated, Direct
from storage.open import open_storage
from storage.sql.store import SqlStorage

OPS = f"ops@{HOST}"
OPERATOR = Operator(name="ops", role=Role.READER, jid=OPS)
METADATA = f"<metadata xmlns='{NS_MAM}'/>"
OF_ALICE = rf"alice\40{HOST}@{COMPONENT}"


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SqlStorage]:
    """A store with three messages of alice and four of bob."""
    async with open_storage(f"sqlite:{tmp_path}/archive.db") as opened:
        await opened.archive.append([*entries(3), *entries(4, owner=BOB)])
        yield opened


@pytest.fixture
async def reader(storage: SqlStorage) -> AsyncIterator[ArchiveReader]:
    async with open_writer(storage.archive) as writer:
        authorizer = Authorizer(Hosts([HOST]), [OPERATOR], Audit(storage.audit_log, writer), None)
        yield ArchiveReader(
            authorizer,
            storage,
            writer,
            Pager(storage.archive, writer, default_size=50, max_size=250),
            Followers(),
        )


@pytest.fixture
def mam(reader: ArchiveReader) -> Mam:
    return Mam(reader, Addresses())


def direct(asker: str, archive: str | None = None) -> Direct:
    addressee = COMPONENT if archive is None else OF_ALICE
    return Direct(addressee=addressee, asker=f"{asker}/x", id="q", archive=archive)


def delegated(asker: str, privilege: str | None = "urn:xmpp:privilege:1") -> Delegated:
    return Delegated(
        component=COMPONENT,
        host=HOST,
        outer_id="o",
        delegation="urn:xmpp:delegation:1",
        privilege=privilege,
        asker=f"{asker}/x",
        addressee=ALICE,
        requester=asker,
        owner=ALICE,
        id="q",
    )


def stanzas(text: str) -> list[ET.Element]:
    return list(parsed(f"<stream xmlns='{NS_COMPONENT}'>{text}</stream>"))


def results(text: str) -> int:
    return text.count("<result ")


@pytest.mark.parametrize("exchange", [direct(OPS, ALICE), delegated(OPS)], ids=type)
async def test_operator_reads_the_addressed_archive(
    mam: Mam, exchange: Direct | Delegated
) -> None:
    assert results(await mam.answer("set", parsed(query()), exchange)) == 3


async def test_operator_reads_own_archive_without_address(mam: Mam) -> None:
    assert results(await mam.answer("set", parsed(query()), direct(OPS))) == 0


async def test_answer_of_an_archive_at_the_component_comes_from_its_address(mam: Mam) -> None:
    answer_stanzas = stanzas(await mam.answer("set", parsed(query()), direct(OPS, ALICE)))

    assert [stanza.get("from") for stanza in answer_stanzas] == [OF_ALICE] * 4


async def test_read_of_an_operator_is_audited(mam: Mam, storage: SqlStorage) -> None:
    await mam.answer("set", parsed(query(with_=BOB)), direct(OPS, ALICE))
    await mam.metadata("get", parsed(METADATA), direct(OPS, ALICE))

    audit_log = await storage.audit_log.entries(limit=10)
    assert [
        (audit_entry.actor, audit_entry.subject, audit_entry.detail) for audit_entry in audit_log
    ] == [
        ("ops", ALICE, "first and last message"),
        ("ops", ALICE, f"with {BOB}"),
    ]


async def test_read_is_overloaded_if_it_cannot_be_audited(mam: Mam, storage: SqlStorage) -> None:
    await storage.close()

    with pytest.raises(Overloaded):
        await mam.answer("set", parsed(query()), direct(OPS, ALICE))


async def test_query_that_takes_too_long_is_overloaded(
    reader: ArchiveReader, mam: Mam, storage: SqlStorage
) -> None:
    hasty = Mam(reader, Addresses(), timeout=0.0)
    async with blocked(storage):
        # The audit entry of an operator's read is written first, and the store is blocked.
        with pytest.raises(Overloaded):
            await hasty.answer("set", parsed(query()), direct(OPS, ALICE))
        with pytest.raises(Overloaded):
            await hasty.metadata("get", parsed(METADATA), direct(OPS, ALICE))

    assert results(await mam.answer("set", parsed(query()), direct(OPS, ALICE))) == 3


@pytest.mark.parametrize("exchange", [direct(BOB, ALICE), delegated(BOB)], ids=type)
async def test_query_of_another_user_is_forbidden(mam: Mam, exchange: Direct | Delegated) -> None:
    with pytest.raises(Forbidden):
        await mam.answer("set", parsed(query()), exchange)
    with pytest.raises(Forbidden):
        await mam.metadata("get", parsed(METADATA), exchange)


async def test_form_is_the_same_for_every_requester(mam: Mam) -> None:
    """The form does not reveal whether an archive exists."""
    forms = [
        await mam.answer("get", parsed(query()), exchange)
        for exchange in (direct(BOB, ALICE), direct(BOB, f"nobody@{HOST}"))
    ]

    assert forms[0] == forms[1]


async def test_metadata_needs_no_privilege(mam: Mam) -> None:
    """Metadata is in the answer itself, and only messages need the privilege."""
    text = await mam.metadata("get", parsed(METADATA), delegated(ALICE, privilege=None))

    assert "<start " in text


async def test_page_with_messages_is_refused_without_privilege(mam: Mam) -> None:
    unprivileged = delegated(ALICE, privilege=None)

    assert "<count>3</count>" in await mam.answer("set", parsed(query(max="0")), unprivileged)
    with pytest.raises(Refused):
        await mam.answer("set", parsed(query()), unprivileged)


async def test_too_long_queryid_is_bad_request(mam: Mam) -> None:
    """Each result repeats the queryid."""
    longest = "q" * QUERYID_MAX
    assert results(await mam.answer("set", parsed(query(queryid=longest)), direct(ALICE))) == 3

    with pytest.raises(BadRequest, match=f"{QUERYID_MAX} characters"):
        await mam.answer("set", parsed(query(queryid=longest + "q")), direct(ALICE))


@pytest.mark.parametrize("name", ["after", "before", "after_id", "ids"])
async def test_too_long_value_is_bad_request(mam: Mam, name: str) -> None:
    text = query(**{name: ["x" * 4000] if name == "ids" else "x" * 4000})  # type: ignore[arg-type]

    with pytest.raises(BadRequest, match="characters"):
        await mam.answer("set", parsed(text), direct(ALICE))
