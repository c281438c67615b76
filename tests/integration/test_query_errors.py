"""Refused queries: the error reaches the requester."""

from __future__ import annotations

from typing import Any

import pytest
from support import mam
from support.raw import Client
from support.server import Server
from support.stanzas import Refused, body_of


@pytest.mark.parametrize("host", [1, 2])
async def test_query_of_another_users_archive_is_refused(server: Server, host: int) -> None:
    alice, bob = server.accounts("alice@1", f"bob@{host}")
    async with server.client(bob) as bob_client:
        bob_client.say(bob.jid, "secret")
        await bob_client.settled()
    async with server.client(alice) as client:
        await client.be_available()
        nobody = bob.jid.replace("bob", "nobody")

        # The errors for existing and nonexistent users are equal.
        assert await refusal_of_query(client, to=bob.jid) == ("auth", "forbidden")
        assert await refusal_of_query(client, to=nobody) == ("auth", "forbidden")
        if host == 1:
            # Users who ask their own server get their own archive, as from mod_mam.
            assert await mam.bodies(client, to=bob.host) == []
        else:
            assert await refusal_of_query(client, to=bob.host)
        below = f"{bob.user}@{server.ejabberd.component}"
        assert await refusal_of_query(client, to=below) == ("cancel", "item-not-found")
        page = await mam.query(client, to=server.ejabberd.component, fields={"with": bob.jid})
        assert page.results == ()
        assert "secret" not in [body_of(stanza) for stanza in client.received]


ARCHIVES = pytest.mark.parametrize("is_component", [False, True], ids=["own JID", "component"])


@ARCHIVES
@pytest.mark.parametrize(
    ("page_request", "refusal"),
    [
        ({"fields": {"unknown": "1"}}, ("cancel", "feature-not-implemented")),
        ({"fields": {"start": "yesterday"}}, ("modify", "bad-request")),
        ({"fields": {"end": "2026-13-01T00:00:00Z"}}, ("modify", "bad-request")),
        ({"fields": {"with": "@@"}}, ("modify", "bad-request")),
        ({"fields": {"FORM_TYPE": "urn:xmpp:mam:1"}}, ("modify", "bad-request")),
        ({"max": "ten"}, ("modify", "bad-request")),
        ({"max": "-1"}, ("modify", "bad-request")),
        ({"max": "1e3"}, ("modify", "bad-request")),
        ({"after": "no-such-id"}, ("cancel", "item-not-found")),
        ({"before": "1"}, ("cancel", "item-not-found")),
        ({"before": "' OR 1=1; --"}, ("cancel", "item-not-found")),
    ],
    ids=lambda value: str(value),
)
async def test_invalid_query_is_refused_with_its_condition(
    server: Server, page_request: dict[str, Any], refusal: tuple[str, str], is_component: bool
) -> None:
    """XEP-0313 section 4.3: unknown fields are feature-not-implemented, unknown ids
    item-not-found. The error of a delegated query reaches the client too."""
    to = server.ejabberd.component if is_component else None
    async with server.client(server.account("alice")) as client:
        assert await refusal_of_query(client, to=to, **page_request) == refusal


@ARCHIVES
async def test_form_is_returned_on_request(server: Server, is_component: bool) -> None:
    """XEP-0313 section 4.1.5: a query of type get returns the form."""
    to = server.ejabberd.component if is_component else None
    async with server.client(server.account("alice")) as client:
        response = await client.ask("get", "<query xmlns='urn:xmpp:mam:2'/>", to=to)

    fields = {field.get("var"): field for field in response.iter(f"{{{mam.FORM}}}field")}
    assert {"FORM_TYPE", "with", "start", "end"} <= fields.keys()
    assert fields["with"].get("type") == "jid-single"


async def refusal_of_query(
    client: Client, *, to: str | None = None, **page_request: Any
) -> tuple[str | None, str]:
    """Send a query, fail unless it is refused, and return type and condition of the error."""
    with pytest.raises(Refused) as caught:
        await mam.query(client, to=to, **page_request)
    return caught.value.type, caught.value.condition
