"""Copied presences begin and end the sessions that messages reach."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, HOST, NS_CLIENT

from component.core.archiving.sessions import Sessions
from component.core.hosts import Hosts
from component.core.xml.document_parser import parse
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.presences import Presences


class CopiedPresences:
    """The sessions that copied presences have announced."""

    def __init__(self) -> None:
        self._sessions = Sessions()
        self._presences = Presences(self._sessions, Addresses(), Hosts([HOST]))

    def take(
        self, sender: str, to: str = "", type: str | None = None, priority: str | None = None
    ) -> None:
        kind = f" type='{type}'" if type else ""
        rank = "" if priority is None else f"<priority>{priority}</priority>"
        addresses = f"from='{sender}' to='{to or sender}'"
        raw = f"<presence xmlns='{NS_CLIENT}' {addresses}{kind}>{rank}</presence>".encode()
        self._presences.take(parse(raw, keep_depth=2), raw)

    def reaches(self, address: str) -> bool:
        return self._sessions.reaches(address, now())


@pytest.fixture
def presences() -> CopiedPresences:
    return CopiedPresences()


def test_available_session_is_reached(presences: CopiedPresences) -> None:
    presences.take(BOB_PHONE, BOB)

    assert (presences.reaches(BOB), presences.reaches(BOB_PHONE), presences.reaches(ALICE)) == (
        True,
        True,
        False,
    )


def test_unavailable_session_is_not_reached(presences: CopiedPresences) -> None:
    presences.take(BOB_PHONE, BOB)
    presences.take(BOB_PHONE, BOB, "unavailable")

    assert not presences.reaches(BOB)


def test_session_of_negative_priority_is_reached_by_its_full_jid_only(
    presences: CopiedPresences,
) -> None:
    """RFC 6121 section 8.5.2.1.1."""
    presences.take(BOB_PHONE, BOB, priority="-1")

    assert (presences.reaches(BOB), presences.reaches(BOB_PHONE)) == (False, True)


def test_priority_that_is_no_number_counts_as_zero(presences: CopiedPresences) -> None:
    presences.take(BOB_PHONE, BOB, priority="high")

    assert presences.reaches(BOB)


@pytest.mark.parametrize("type", ["subscribe", "subscribed", "probe", "error"])
def test_presence_of_another_type_begins_no_session(presences: CopiedPresences, type: str) -> None:
    presences.take(BOB_PHONE, BOB, type)

    assert not presences.reaches(BOB)


def test_directed_presence_begins_no_session(presences: CopiedPresences) -> None:
    """Directed presence (RFC 6121 section 4.6)."""
    presences.take(BOB_PHONE, ALICE)

    assert not presences.reaches(BOB)


@pytest.mark.parametrize(
    "sender", ["romeo@remote.example/orchard", f"room@conference.{HOST}/bob", BOB]
)
def test_presence_of_a_stranger_begins_no_session(presences: CopiedPresences, sender: str) -> None:
    presences.take(sender)

    assert not presences.reaches(sender)


def test_each_session_ends_by_its_own_presence(presences: CopiedPresences) -> None:
    tablet = f"{ALICE}/tablet"
    for session in (ALICE_PHONE, tablet):
        presences.take(session, ALICE)
    presences.take(ALICE_PHONE, ALICE, "unavailable")

    assert presences.reaches(ALICE)
