"""stanza.js, the client library of web applications, reads archives over WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import pytest
import pytest_asyncio
from support.client_libraries import stanza_js
from support.ejabberd import Account
from support.mam_payloads import FULLTEXT
from support.server import Server
from support.traffic import say_in_turn

# test_mam_clients.py reads the archive on all releases.
pytestmark = pytest.mark.newest_ejabberd

COUNT = 25
EXPECTED = [f"message {n}" for n in range(COUNT)]

Ask = Callable[..., Awaitable[Any]]


@pytest.fixture(scope="module")
def bob(server: Server) -> Account:
    return server.account("bob")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alice(server: Server, bob: Account) -> Account:
    """A user whose archive has the messages 0 to 24 with bob, and one message to carol."""
    alice, carol = server.accounts("alice", "carol")
    async with server.client(alice) as alice_client, server.client(bob) as bob_client:
        await say_in_turn(alice_client, bob_client, COUNT)
        alice_client.say(carol.jid, "something else")
        await alice_client.settled()
    return alice


@pytest.fixture
def ask(server: Server, alice: Account, missing: Callable[[object], NoReturn]) -> Ask:
    """Return a function that makes one call of stanza.js and returns its value."""

    async def make(call: str, **options: Any) -> Any:
        [response] = await stanza_js(server, alice, missing, {"call": call, "options": options})
        assert "refused" not in response, response
        return response["value"]

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


async def test_search_history_from_a_start_time(ask: Ask, bob: Account) -> None:
    """stanza.js sends times in milliseconds; those of the archive are in microseconds."""
    everything = await ask("search", **{"with": bob.jid})
    stamp = everything["messages"][20]["stamp"]
    page = await ask("search", start=stamp, **{"with": bob.jid})

    assert bodies(page)[-5:] == EXPECTED[20:]
    assert EXPECTED[0] not in bodies(page)


async def test_search_history_with_a_fulltext_field(ask: Ask) -> None:
    fields = [{"name": FULLTEXT, "type": "text-single", "value": "something"}]
    page = await ask("search", form={"fields": fields})

    assert bodies(page) == ["something else"]


async def test_search_history_after_unknown_id_is_item_not_found(
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
    preferences = {"default": "roster", "always": [bob.jid], "never": ["spam@two.test"]}
    before, set_response, after = await stanza_js(
        server,
        alice,
        missing,
        {"call": "preferences"},
        {"call": "prefer", "options": preferences},
        {"call": "preferences"},
    )

    assert before["value"]["default"] == "always"
    for response in (set_response, after):
        assert {name: response["value"][name] for name in preferences} == preferences
