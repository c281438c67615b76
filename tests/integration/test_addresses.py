"""Addresses of a real ejabberd: its users are ours, one by one."""

from __future__ import annotations

import random
import unicodedata
from dataclasses import replace

import pytest
from support import mam
from support.ejabberd import Account
from support.server import Server
from support.stanzas import Refused

from component.core.xml.preparation import prepared

#: The two users whose names look alike once they are prepared twice.
ODD, EVEN = "\u33c6", "c\u2215kg"

UNICODE = unicodedata.ucd_3_2_0
LETTERS = [
    chr(code)
    for code in range(0x21, 0x10000)
    if UNICODE.category(chr(code)) not in ("Cn", "Cs", "Co", "Cc") and chr(code) not in "\"&'/:<>@"
]
MARKED = [each for each in LETTERS if UNICODE.combining(each)] + LETTERS[:500]

#: Reads names, one a line, in hexadecimal; writes each with what it is when it is prepared.
PREPARE = """(fun() ->
{{ok, Data}} = file:read_file("{folder}/names"),
Hex = fun(error) -> <<"-">>; (Name) -> binary:encode_hex(Name) end,
ok = file:write_file("{folder}/prepared", [
    [Line, " ", Hex(jid:nodeprep(binary:decode_hex(Line))),
     " ", Hex(jid:resourceprep(binary:decode_hex(Line))), 10]
    || Line <- binary:split(Data, <<10>>, [global])])
end)()"""


def prepared_by(server: Server, names: list[str]) -> list[tuple[str, str | None, str | None]]:
    """Return each name as ejabberd prepares it, as a user and as a resource; None: it refuses."""
    folder = server.ejabberd.folder
    (folder / "names").write_text("\n".join(name.encode().hex() for name in names))
    assert server.ejabberd.evaluate(PREPARE.format(folder=folder).replace("\n", " ")) == "ok"
    lines = [line.split(" ") for line in (folder / "prepared").read_text().splitlines()]

    def read(text: str) -> str | None:
        return None if text == "-" else bytes.fromhex(text).decode()

    return [(bytes.fromhex(name).decode(), read(user), read(res)) for name, user, res in lines]


def test_each_letter_is_prepared_as_by_ejabberd(server: Server) -> None:
    for letter, user, resource in prepared_by(server, LETTERS):
        kept = prepared(f"{letter}@one.test/{letter}")
        expected = letter if letter == ODD else user
        if user and resource:
            assert kept == f"{expected}@one.test/{letter if letter == ODD else resource}"


def test_distinct_users_of_ejabberd_stay_distinct(server: Server) -> None:
    """Of 20,000 names, as they are typed, and as ejabberd prepares them."""
    chance = random.Random(1)  # noqa: S311 - for tests, the same each time
    names = [
        "".join(chance.choices(chance.choice((LETTERS, MARKED)), k=chance.randint(1, 5)))
        for _ in range(20_000)
    ]
    found: dict[str, str] = {}
    for typed, user, _ in prepared_by(server, [*names, ODD, EVEN]):
        for name in (typed, user) if user else ():
            assert found.setdefault(prepared(f"{name}@one.test"), user or "") == user
    assert len(found) > 10_000


@pytest.fixture
def pair(server: Server) -> tuple[Account, Account]:
    """Two users of the real server, whose addresses a careless archive merges."""
    [template] = server.accounts("x")
    odd, even = (replace(template, user=name) for name in (ODD, EVEN))
    server.ejabberd.register(odd, even)
    return odd, even


async def test_user_with_lookalike_name_cannot_read_the_archive(
    server: Server, pair: tuple[Account, Account]
) -> None:
    odd, even = pair
    [bob] = server.accounts("bob")
    async with (
        server.client(odd) as stranger,
        server.client(even) as victim,
        server.client(bob) as his,
    ):
        for client in (stranger, victim, his):
            await client.be_available()
        his.say(even.jid, "for the one")
        await victim.wait_for_body("for the one")
        his.say(odd.jid, "for the other")
        await stranger.wait_for_body("for the other")

        assert await mam.bodies(victim) == ["for the one"]
        assert await mam.bodies(stranger) == ["for the other"]
        with pytest.raises(Refused, match="forbidden"):
            await mam.query(stranger, to=even.jid)
        with pytest.raises(Refused, match="bad-request"):
            await mam.query(stranger, to=server.ejabberd.component)
        assert await mam.bodies(victim, to=server.ejabberd.component) == ["for the one"]


async def test_user_with_lookalike_name_cannot_change_the_preferences(
    server: Server, pair: tuple[Account, Account]
) -> None:
    odd, even = pair
    async with server.client(odd) as stranger, server.client(even) as victim:
        await stranger.ask("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
        answer = await victim.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")

    assert [prefs.get("default") for prefs in answer] == ["always"]
