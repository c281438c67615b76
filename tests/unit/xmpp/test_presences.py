"""Copies of presences tell which sessions of our users a message can reach."""

from __future__ import annotations

import pytest
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, HOST, NS_CLIENT

from component.core.archiving.sessions import Sessions
from component.core.hosts import Hosts
from component.core.xml.document_parser import parse
from component.core.xml.times import now
from component.xmpp.connection.addresses import Addresses
from component.xmpp.copies.presences import Presences


class Heard:
    """The sessions that copied presences made known."""

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
def heard() -> Heard:
    return Heard()


def test_available_session_is_reached(heard: Heard) -> None:
    heard.take(BOB_PHONE, BOB)

    assert (heard.reaches(BOB), heard.reaches(BOB_PHONE), heard.reaches(ALICE)) == (
        True,
        True,
        False,
    )


def test_unavailable_session_is_not_reached(heard: Heard) -> None:
    heard.take(BOB_PHONE, BOB)
    heard.take(BOB_PHONE, BOB, "unavailable")

    assert not heard.reaches(BOB)


def test_session_of_negative_priority_is_reached_by_its_full_jid_only(heard: Heard) -> None:
    """RFC 6121 section 8.5.2.1.1."""
    heard.take(BOB_PHONE, BOB, priority="-1")

    assert (heard.reaches(BOB), heard.reaches(BOB_PHONE)) == (False, True)


def test_priority_that_is_no_number_counts_as_zero(heard: Heard) -> None:
    heard.take(BOB_PHONE, BOB, priority="high")

    assert heard.reaches(BOB)


@pytest.mark.parametrize("type", ["subscribe", "subscribed", "probe", "error"])
def test_presence_of_another_type_begins_no_session(heard: Heard, type: str) -> None:
    heard.take(BOB_PHONE, BOB, type)

    assert not heard.reaches(BOB)


def test_directed_presence_begins_no_session(heard: Heard) -> None:
    """Directed presence (RFC 6121 section 4.6)."""
    heard.take(BOB_PHONE, ALICE)

    assert not heard.reaches(BOB)


@pytest.mark.parametrize(
    "sender", ["romeo@remote.example/orchard", f"room@conference.{HOST}/bob", BOB]
)
def test_presence_of_a_stranger_begins_no_session(heard: Heard, sender: str) -> None:
    heard.take(sender)

    assert not heard.reaches(sender)


def test_each_session_ends_by_its_own_presence(heard: Heard) -> None:
    tablet = f"{ALICE}/tablet"
    for session in (ALICE_PHONE, tablet):
        heard.take(session, ALICE)
    heard.take(ALICE_PHONE, ALICE, "unavailable")

    assert heard.reaches(ALICE)
