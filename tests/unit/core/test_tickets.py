"""Tickets for one request: each is valid once, for seconds."""

from __future__ import annotations

import pytest
from support.clock import Clock

from component.core.errors import NotAuthorized
from component.core.tokens.access_tokens import AccessToken
from component.core.tokens.tickets import LIFETIME_SECONDS, PER_SIGN_IN_MAX, Tickets

TOKEN = AccessToken(jid="alice@example.org", sign_in="vJcqpryQYr2MEjBV", expires_at=600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tickets(clock: Clock) -> Tickets:
    return Tickets(clock=clock)


def of(number: int) -> AccessToken:
    return AccessToken(jid="alice@example.org", sign_in=f"sign-in-{number}", expires_at=600)


def test_ticket_is_valid_once(tickets: Tickets) -> None:
    ticket = tickets.issue(TOKEN)

    assert tickets.redeem(ticket) == TOKEN
    with pytest.raises(NotAuthorized):
        tickets.redeem(ticket)


def test_ticket_expires(tickets: Tickets, clock: Clock) -> None:
    early = tickets.issue(TOKEN)
    clock.now += LIFETIME_SECONDS - 1
    late = tickets.issue(TOKEN)
    clock.now += 1

    with pytest.raises(NotAuthorized):
        tickets.redeem(early)
    assert tickets.redeem(late) == TOKEN


def test_further_ticket_of_a_sign_in_replaces_its_oldest_one(tickets: Tickets) -> None:
    other = tickets.issue(of(2))
    issued = [tickets.issue(TOKEN) for _ in range(PER_SIGN_IN_MAX + 1)]

    with pytest.raises(NotAuthorized):
        tickets.redeem(issued[0])
    for ticket in issued[1:]:
        assert tickets.redeem(ticket) == TOKEN
    assert tickets.redeem(other) == of(2)


def test_sign_ins_with_tickets_are_bounded(clock: Clock) -> None:
    tickets = Tickets(clock=clock, sign_ins_max=2)
    issued = [tickets.issue(of(number)) for number in range(3)]

    with pytest.raises(NotAuthorized):
        tickets.redeem(issued[0])
    assert tickets.redeem(issued[2]) == of(2)


@pytest.mark.parametrize(
    "change",
    [
        lambda ticket: "",
        lambda ticket: ticket[:-1],
        lambda ticket: ticket + "A",
        lambda ticket: ticket + "\n",
        lambda ticket: ticket.replace(".", ""),
        lambda ticket: "\udcff" + ticket[1:],
        lambda ticket: f"another.{ticket.partition('.')[2]}",
        lambda ticket: "x" * 100_000,
    ],
)
def test_changed_ticket_is_refused(tickets: Tickets, change: object) -> None:
    assert callable(change)
    ticket = tickets.issue(TOKEN)

    with pytest.raises(NotAuthorized):
        tickets.redeem(change(ticket))
    assert tickets.redeem(ticket) == TOKEN
