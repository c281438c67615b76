"""Preparation of JIDs as in a real ejabberd: distinct users have distinct archives."""

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

#: A user name whose prepared form ejabberd changes when it prepares it again, and the result.
AMBIGUOUS, LOOKALIKE = "\u33c6", "c\u2215kg"

UNICODE = unicodedata.ucd_3_2_0
LETTERS = [
    chr(code)
    for code in range(0x21, 0x10000)
    if UNICODE.category(chr(code)) not in ("Cn", "Cs", "Co", "Cc") and chr(code) not in "\"&'/:<>@"
]
MARKED = [letter for letter in LETTERS if UNICODE.combining(letter)] + LETTERS[:500]

#: Erlang code that reads names in hexadecimal, one per line, and writes their prepared forms.
PREPARE = """(fun() ->
{{ok, Data}} = file:read_file("{folder}/names"),
Hex = fun(error) -> <<"-">>; (Name) -> binary:encode_hex(Name) end,
ok = file:write_file("{folder}/prepared", [
    [Line, " ", Hex(jid:nodeprep(binary:decode_hex(Line))),
     " ", Hex(jid:resourceprep(binary:decode_hex(Line))), 10]
    || Line <- binary:split(Data, <<10>>, [global])])
end)()"""


def prepared_by(server: Server, names: list[str]) -> list[tuple[str, str | None, str | None]]:
    """Return each name with its prepared forms as a user and as a resource, None if refused."""
    folder = server.ejabberd.folder
    (folder / "names").write_text("\n".join(name.encode().hex() for name in names))
    assert server.ejabberd.evaluate(PREPARE.format(folder=folder).replace("\n", " ")) == "ok"
    lines = [line.split(" ") for line in (folder / "prepared").read_text().splitlines()]

    def read(text: str) -> str | None:
        return None if text == "-" else bytes.fromhex(text).decode()

    return [(bytes.fromhex(name).decode(), read(user), read(res)) for name, user, res in lines]


def test_each_letter_is_prepared_as_by_ejabberd(server: Server) -> None:
    for letter, user, resource in prepared_by(server, LETTERS):
        # Muniment keeps this letter unchanged.
        if letter == AMBIGUOUS:
            user = resource = letter
        if user and resource:
            assert prepared(f"{letter}@one.test/{letter}") == f"{user}@one.test/{resource}"


def test_distinct_users_of_ejabberd_stay_distinct(server: Server) -> None:
    """20,000 random names, unprepared and prepared by ejabberd, map to one user each."""
    rng = random.Random(1)  # noqa: S311 - for tests, the same each time
    names = [
        "".join(rng.choices(rng.choice((LETTERS, MARKED)), k=rng.randint(1, 5)))
        for _ in range(20_000)
    ]
    users: dict[str, str] = {}
    for unprepared, user, _ in prepared_by(server, [*names, AMBIGUOUS, LOOKALIKE]):
        for name in (unprepared, user) if user else ():
            assert users.setdefault(prepared(f"{name}@one.test"), user or "") == user
    assert len(users) > 10_000


@pytest.fixture
def pair(server: Server) -> tuple[Account, Account]:
    """Two users whose JIDs are equal after a second preparation."""
    [template] = server.accounts("x")
    ambiguous, lookalike = (replace(template, user=name) for name in (AMBIGUOUS, LOOKALIKE))
    server.ejabberd.register(ambiguous, lookalike)
    return ambiguous, lookalike


async def test_user_with_lookalike_name_cannot_read_the_archive(
    server: Server, pair: tuple[Account, Account]
) -> None:
    ambiguous, lookalike = pair
    [bob] = server.accounts("bob")
    async with (
        server.client(ambiguous) as stranger,
        server.client(lookalike) as victim,
        server.client(bob) as bob_client,
    ):
        for client in (stranger, victim, bob_client):
            await client.be_available()
        bob_client.say(lookalike.jid, "for the one")
        await victim.wait_for_body("for the one")
        bob_client.say(ambiguous.jid, "for the other")
        await stranger.wait_for_body("for the other")

        assert await mam.bodies(victim) == ["for the one"]
        assert await mam.bodies(stranger) == ["for the other"]
        with pytest.raises(Refused, match="forbidden"):
            await mam.query(stranger, to=lookalike.jid)
        with pytest.raises(Refused, match="bad-request"):
            await mam.query(stranger, to=server.ejabberd.component)
        assert await mam.bodies(victim, to=server.ejabberd.component) == ["for the one"]


async def test_user_with_lookalike_name_cannot_change_the_preferences(
    server: Server, pair: tuple[Account, Account]
) -> None:
    ambiguous, lookalike = pair
    async with server.client(ambiguous) as stranger, server.client(lookalike) as victim:
        await stranger.ask("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'/>")
        response = await victim.ask("get", "<prefs xmlns='urn:xmpp:mam:2'/>")

    assert [prefs.get("default") for prefs in response] == ["always"]
