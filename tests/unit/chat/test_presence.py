"""Who is on line, for a user who follows."""

from __future__ import annotations

from support.builders import ALICE, BOB
from support.client_sessions import EchoServer

from component.core.chat.following.presence import Availability, ChatPresence
from component.core.errors import Overloaded
from component.core.events.values import ContactPresence
from component.web.server.settings import Services
from storage.rows import Contact


def presence(resource: str, priority: int, *, is_available: bool = True, **parts: str) -> object:
    return ContactPresence(
        jid=f"{BOB}/{resource}", is_available=is_available, priority=priority, **parts
    )


async def noted(services: Services, *presences: object) -> None:
    await services.storage.contacts.put(ALICE, Contact(jid=BOB))
    await services.journal.look(ALICE)
    for item in presences:
        services.journal.note_presence(ALICE, item)  # type: ignore[arg-type]
    await services.journal.look(ALICE)


async def test_contact_has_the_presence_of_the_highest_priority(services: Services) -> None:
    await noted(
        services,
        presence("phone", 1, show="away"),
        presence("desk", 5, show="dnd", status="At work"),
        presence("tablet", -1),
    )

    contacts = await ChatPresence(services.storage.events, None).of_contacts(ALICE)

    assert contacts == {BOB: Availability("dnd", "At work")}


async def test_contact_that_has_gone_is_not_on_line(services: Services) -> None:
    await noted(services, presence("phone", 1), presence("phone", 1, is_available=False))

    assert await ChatPresence(services.storage.events, None).of_contacts(ALICE) == {}


def test_user_who_follows_is_kept_on_line() -> None:
    server = EchoServer(queue=None)  # type: ignore[arg-type]
    ChatPresence(None, server).attend(ALICE)  # type: ignore[arg-type]

    assert server.used == [ALICE]


def test_user_without_a_session_follows_all_the_same() -> None:
    class Full(EchoServer):
        def use(self, owner: str) -> None:
            raise Overloaded

    ChatPresence(None, Full(queue=None)).attend(ALICE)  # type: ignore[arg-type]
