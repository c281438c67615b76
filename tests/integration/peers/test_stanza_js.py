"""stanza.js, the client library of web applications, reads archives over WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
from support.client_libraries import stanza_js
from support.ejabberd import Account
from support.mam_payloads import FULLTEXT
from support.server import Server
from support.traffic import say_in_turn

COUNT = 25
EXPECTED = [f"message {n}" for n in range(COUNT)]

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def bob(server: Server) -> Account:
    return server.account("bob")


@pytest.fixture
async def alice(server: Server, bob: Account) -> Account:
    """A user with messages 0 to 24 in her archive, and one with somebody else."""
    alice, carol = server.accounts("alice", "carol")
    async with server.client(alice) as hers, server.client(bob) as his:
        await say_in_turn(hers, his, COUNT)
        hers.say(carol.jid, "something else")
        await hers.settled()
    return alice


@pytest.fixture
def ask(server: Server, alice: Account, missing: Callable[[object], NoReturn]) -> Ask:
    """Return what makes one call and returns its value."""

    async def make(call: str, **options: Any) -> Any:
        [got] = await stanza_js(server, alice, missing, {"call": call, "options": options})
        assert "refused" not in got, got
        return got["value"]

    return make


def bodies(page: dict[str, Any]) -> list[str]:
    return [message["body"] for message in page["messages"]]


async def test_search_history_pages_forwards(ask: Ask, bob: Account) -> None:
    pages = await ask("pages", max=10, **{"with": bob.jid})

    assert [bodies(page) for page in pages] == [EXPECTED[:10], EXPECTED[10:20], EXPECTED[20:]]
    assert [page["complete"] for page in pages] == [False, False, True]
    assert [page["paging"]["count"] for page in pages] == [COUNT] * 3
    assert [page["paging"]["firstIndex"] for page in pages] == [0, 10, 20]


async def test_search_history_pages_backwards(ask: Ask, bob: Account) -> None:
    pages = await ask("pages", max=10, backwards=True, **{"with": bob.jid})

    assert [bodies(page) for page in pages] == [EXPECTED[15:], EXPECTED[5:15], EXPECTED[:5]]


async def test_search_history_finds_a_span(ask: Ask, bob: Account) -> None:
    """Its times end with milliseconds, those of the archive with microseconds."""
    everything = await ask("search", **{"with": bob.jid})
    stamp = everything["messages"][20]["stamp"]
    found = await ask("search", start=stamp, **{"with": bob.jid})

    assert bodies(found)[-5:] == EXPECTED[20:]
    assert EXPECTED[0] not in bodies(found)


async def test_search_history_asks_with_further_fields(ask: Ask) -> None:
    fields = [{"name": FULLTEXT, "type": "text-single", "value": "something"}]
    found = await ask("search", form={"fields": fields})

    assert bodies(found) == ["something else"]


async def test_search_history_is_told_when_an_id_is_unknown(
    server: Server, alice: Account, missing: Callable[[object], NoReturn]
) -> None:
    search = {"call": "search", "options": {"paging": {"after": "unknown"}}}

    assert await stanza_js(server, alice, missing, search) == [{"refused": "item-not-found"}]


async def test_get_history_search_form(ask: Ask) -> None:
    form = await ask("form")

    assert form["with"] == "jid-single"
    assert {form[name] for name in ("start", "end", "before-id", "after-id")} == {"text-single"}
    assert (form["ids"], form["include-groupchat"]) == ("list-multi", "boolean")


async def test_get_and_set_history_preferences(
    server: Server, alice: Account, bob: Account, missing: Callable[[object], NoReturn]
) -> None:
    wanted = {"default": "roster", "always": [bob.jid], "never": ["spam@two.test"]}
    before, answer, after = await stanza_js(
        server,
        alice,
        missing,
        {"call": "preferences"},
        {"call": "prefer", "options": wanted},
        {"call": "preferences"},
    )

    assert before["value"]["default"] == "always"
    for got in (answer, after):
        assert {name: got["value"][name] for name in wanted} == wanted
