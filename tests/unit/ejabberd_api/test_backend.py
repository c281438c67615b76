"""Commands run on every release of ejabberd, with the arguments that it knows."""

from __future__ import annotations

from typing import Any

import pytest
from support.ejabberd_api import FakeModHttpApi

from component.core.ejabberd_api.catalogue import BY_NAME
from component.core.ejabberd_api.native.backend import Backend, Reply
from component.core.ejabberd_api.refusals import ApiRefusal, Unreachable

ROOM = {"room": "r", "service": "conference.one.test"}
CONTACT = {
    "localuser": "alice",
    "localhost": "one.test",
    "user": "bob",
    "host": "one.test",
    "nick": "Bob",
    "subs": "both",
}


@pytest.mark.parametrize(
    ("command", "arguments", "path", "sent"),
    [
        ("get_room_occupants", ROOM, "get_room_occupants", {"name": "r"}),
        (
            "add_rosteritem",
            {**CONTACT, "groups": ["x", "y"]},
            "add_rosteritem",
            {"group": "x;y"},
        ),
        (
            "send_direct_invitation",
            {**ROOM, "password": "", "reason": "", "users": ["a@b", "c@d"]},
            "send_direct_invitation",
            {"name": "r", "users": "a@b:c@d"},
        ),
    ],
)
async def test_old_release_gets_the_arguments_of_version_0(
    command: str, arguments: dict[str, Any], path: str, sent: dict[str, Any]
) -> None:
    fake = FakeModHttpApi("23.01")

    await Backend(fake).run(BY_NAME[command], arguments)

    [(sent_path, sent_arguments)] = fake.requests
    assert sent_path == path
    assert sent_arguments.items() >= sent.items()
    assert not {"room", "groups"} & sent_arguments.keys()


async def test_new_release_gets_the_call_in_a_version_that_has_the_arguments() -> None:
    fake, definition = FakeModHttpApi("24.12"), BY_NAME["add_rosteritem"]

    await Backend(fake).run(definition, {**CONTACT, "groups": ["x;y"]})
    await Backend(fake).run(definition, {**CONTACT, "group": "x;y"}, definition.signature(0))

    assert fake.requests == [
        ("add_rosteritem/v3", {**CONTACT, "groups": ["x;y"]}),
        ("add_rosteritem/v0", {**CONTACT, "group": "x;y"}),
    ]


async def test_group_that_an_old_release_would_split_is_refused() -> None:
    fake = FakeModHttpApi("23.01")

    with pytest.raises(ApiRefusal, match="groups: this release of ejabberd allows no ;"):
        await Backend(fake).run(BY_NAME["add_rosteritem"], {**CONTACT, "groups": ["x;y"]})

    assert fake.requests == []


async def test_number_of_an_old_release_is_unwrapped() -> None:
    fake = FakeModHttpApi("23.01", {"connected_users_number": Reply(200, {"num_sessions": 2})})

    assert await Backend(fake).run(BY_NAME["connected_users_number"], {}) == 2


async def test_roster_of_an_old_release_has_one_row_for_each_contact() -> None:
    def row(jid: str, group: str) -> dict[str, str]:
        return {"jid": jid, "nick": "", "subscription": "both", "ask": "none", "group": group}

    rows = [row("carol@one.test", ""), row("bob@one.test", "y"), row("bob@one.test", "x")]
    fake = FakeModHttpApi("23.01", {"get_roster": Reply(200, rows)})

    roster = await Backend(fake).run(BY_NAME["get_roster"], {"user": "alice", "host": "one.test"})

    common = {"nick": "", "subscription": "both", "pending": "none"}
    assert roster == [
        {"jid": "bob@one.test", **common, "groups": ["x", "y"]},
        {"jid": "carol@one.test", **common, "groups": []},
    ]


async def test_crash_of_an_old_release_is_the_refusal_of_today() -> None:
    fake = FakeModHttpApi("23.01", {"set_presence": Reply(500, "internal_error")})

    with pytest.raises(ApiRefusal, match="User session not found") as refusal:
        await Backend(fake).run(BY_NAME["set_presence"], {"user": "alice", "priority": 1})

    assert refusal.value.status == 400


async def test_release_is_asked_for_once_a_minute() -> None:
    now, fake = [0.0], FakeModHttpApi("23.01")
    backend = Backend(fake, lambda: now[0])

    assert await backend.release() == (23, 1)
    fake.release = "26.07"
    now[0] = 60.0
    assert await backend.release() == (23, 1)
    now[0] = 61.0
    assert await backend.release() == (26, 7)


async def test_ejabberd_that_does_not_tell_its_release_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="does not tell its release"):
        await Backend(FakeModHttpApi(release="?")).release()
