"""Queries that are refused: the reason always reaches whoever asked."""

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
    async with server.client(bob) as his:
        his.say(bob.jid, "secret")
        await his.settled()
    async with server.client(alice) as client:
        await client.be_available()
        nobody = bob.jid.replace("bob", "nobody")

        # The same for users who exist and who do not: nothing is told about either.
        assert await mam_refused(client, to=bob.jid) == ("auth", "forbidden")
        assert await mam_refused(client, to=nobody) == ("auth", "forbidden")
        assert await mam_refused(client, to=bob.host)
        below = f"{bob.user}@{server.ejabberd.component}"
        assert await mam_refused(client, to=below) == ("cancel", "item-not-found")
        page = await mam.query(client, to=server.ejabberd.component, fields={"with": bob.jid})
        assert page.results == ()
        assert "secret" not in [body_of(stanza) for stanza in client.received]


ARCHIVES = pytest.mark.parametrize("is_component", [False, True], ids=["own JID", "component"])


@ARCHIVES
@pytest.mark.parametrize(
    ("wanted", "refusal"),
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
    server: Server, wanted: dict[str, Any], refusal: tuple[str, str], is_component: bool
) -> None:
    """XEP-0313 section 4.3: unknown fields are feature-not-implemented, unknown ids
    item-not-found. The error has to reach the client although the query was handed on."""
    to = server.ejabberd.component if is_component else None
    async with server.client(server.account("alice")) as client:
        assert await mam_refused(client, to=to, **wanted) == refusal


@ARCHIVES
async def test_form_is_returned_on_request(server: Server, is_component: bool) -> None:
    """XEP-0313 section 4.1.5."""
    to = server.ejabberd.component if is_component else None
    async with server.client(server.account("alice")) as client:
        answer = await client.ask("get", "<query xmlns='urn:xmpp:mam:2'/>", to=to)

    fields = {field.get("var"): field for field in answer.iter(f"{{{mam.FORM}}}field")}
    assert {"FORM_TYPE", "with", "start", "end"} <= fields.keys()
    assert fields["with"].get("type") == "jid-single"


async def mam_refused(
    client: Client, *, to: str | None = None, **wanted: Any
) -> tuple[str | None, str]:
    """Send a query that is to be refused; return type and condition of the error."""
    with pytest.raises(Refused) as caught:
        await mam.query(client, to=to, **wanted)
    return caught.value.type, caught.value.condition
