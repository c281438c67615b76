"""RFC 6121 section 2 at the address of the component, which shows rosters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest
from support.roster_queries import NS_ROSTER, next_roster_get
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    COMPONENT,
    NS_DISCO,
    Wire,
    element_at,
    open_wire,
)

from component.config import Rosters
from component.core.rosters.contacts import Change

ROSTER = f"{{{NS_ROSTER}}}"
GET = f"<query xmlns='{NS_ROSTER}'/>"


@pytest.fixture
async def store_wire(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that stores the rosters itself."""
    async with open_wire(tmp_path, rosters=Rosters(source="store")) as opened:
        yield opened


async def add(wire: Wire, jid: str = BOB, **parts: object) -> None:
    await wire.parts.rosters.change(ALICE, Change(jid=jid, **parts))  # type: ignore[arg-type]


async def roster(wire: Wire, ver: str | None = None, asker: str = ALICE_PHONE) -> Element | None:
    """Return the roster of the response, None if it says that nothing has changed."""
    request = GET if ver is None else f"<query xmlns='{NS_ROSTER}' ver='{ver}'/>"
    reply = await wire.direct(request, asker=asker, type="get")
    assert reply.iq.get("type") == "result", tostring(reply.iq)
    return reply.iq.find(f"{ROSTER}query")


async def version(wire: Wire) -> str:
    answer = await roster(wire)
    assert answer is not None
    return answer.attrib["ver"]


async def test_roster_get_returns_the_items(store_wire: Wire) -> None:
    """Section 2.1.4: "The <query/> element in a roster result contains one <item/> element for
    each contact and therefore can contain more than one <item/> element."
    """
    await add(store_wire, name="Bo & Co", subscription="both", groups=("a<b", "Work"))
    await add(store_wire, f"carol@{COMPONENT}", ask="subscribe")
    answer = await roster(store_wire)

    assert answer is not None
    assert [dict(item.attrib) for item in answer] == [
        {"jid": BOB, "name": "Bo & Co", "subscription": "both"},
        {"jid": f"carol@{COMPONENT}", "subscription": "none", "ask": "subscribe"},
    ]
    assert [[group.text for group in item] for item in answer] == [["a<b", "Work"], []]


async def test_empty_roster_has_an_empty_query(store_wire: Wire) -> None:
    """Section 2.1.4: "If the roster exists but there are no contacts in the roster, then the
    server MUST return an IQ-result containing a child <query/> element that in turn contains no
    <item/> children".
    """
    answer = await roster(store_wire)

    assert answer is not None
    assert len(answer) == 0


async def test_contact_without_name_has_no_name_attribute(store_wire: Wire) -> None:
    """Section 2.1.2.4: "It is OPTIONAL for a client to include the 'name' attribute when adding
    or updating a roster item."
    """
    await add(store_wire)

    assert dict(
        element_at(
            (await store_wire.direct(GET, type="get")).iq, f"{ROSTER}query/{ROSTER}item"
        ).attrib
    ) == {
        "jid": BOB,
        "subscription": "none",
    }


async def test_contact_with_a_request_only_is_not_on_the_roster(store_wire: Wire) -> None:
    """Section 3.1.3: "Until and unless the contact approves the subscription request as described
    under Section 3.1.4, the contact's server MUST NOT add an item for the user to the contact's
    roster."
    """
    await add(store_wire, ask="in")
    answer = await roster(store_wire)

    assert answer is not None
    assert len(answer) == 0


async def test_users_read_their_own_roster(store_wire: Wire) -> None:
    """Section 2: the server "MUST return the data it has stored when an authorized client
    requests the roster."
    """
    await add(store_wire)
    answer = await roster(store_wire, asker=BOB_PHONE)

    assert answer is not None
    assert len(answer) == 0


async def test_roster_of_another_user_is_refused(store_wire: Wire) -> None:
    """Section 2: "the server MUST restrict access to this data so that only authorized entities
    (typically limited to the account owner) are able to retrieve, modify, or delete it."
    """
    address = f"{ALICE.replace('@', chr(92) + '40')}@{COMPONENT}"

    assert (
        await store_wire.direct(GET, asker=BOB_PHONE, to=address, type="get")
    ).refusal == "forbidden"


async def test_user_of_another_domain_has_no_roster(store_wire: Wire) -> None:
    """Section 2.1.4: "If the roster does not exist, then the server MUST return a stanza error
    with a condition of <item-not-found/>."
    """
    reply = await store_wire.direct(GET, asker="eve@evil.example/x", type="get")

    assert reply.refusal == "item-not-found"


async def test_roster_set_is_refused(store_wire: Wire) -> None:
    """Section 2.3.3: "If the server cannot successfully process the roster set, it MUST return a
    stanza error." A client sets its roster at its own account, not at the component.
    """
    item = f"<query xmlns='{NS_ROSTER}'><item jid='{BOB}'/></query>"

    assert (await store_wire.direct(item)).refusal == "not-allowed"
    assert await store_wire.parts.rosters.read(ALICE) == ()


async def test_roster_has_a_version(store_wire: Wire) -> None:
    """Section 2.6.3: "the complete roster [...] (including a 'ver' attribute that signals the
    latest version)".
    """
    assert await version(store_wire)


async def test_unchanged_roster_returns_an_empty_result(store_wire: Wire) -> None:
    """Section 2.6.3: "the server MUST either return the complete roster as described under
    Section 2.1.4 [...] or return an empty IQ-result", which confirms the version of the client.
    """
    await add(store_wire)

    assert await roster(store_wire, await version(store_wire)) is None


@pytest.mark.parametrize("ver", ["", "something-else"])
async def test_outdated_version_returns_the_whole_roster(store_wire: Wire, ver: str) -> None:
    """Section 2.6.3: "the server MUST either return the complete roster [...] (including a 'ver'
    attribute that signals the latest version)". A client without any sends an empty one.
    """
    await add(store_wire)
    answer = await roster(store_wire, ver)

    assert answer is not None
    assert (len(answer), answer.get("ver")) == (1, await version(store_wire))


async def test_each_change_creates_a_new_version(store_wire: Wire) -> None:
    """Section 2.1.1: "The 'ver' attribute is a string that identifies a particular version of the
    roster information."
    """
    versions = [await version(store_wire)]
    for change in (
        {"name": "Bobby"},
        {"groups": ("Work",)},
        {"subscription": "to"},
        {"ask": "subscribe"},
        {"subscription": "remove"},
    ):
        await add(store_wire, **change)
        versions.append(await version(store_wire))

    assert len(set(versions[:-1])) == len(versions) - 1
    assert versions[0] == versions[-1]


async def test_rosters_are_advertised(store_wire: Wire) -> None:
    """An entity that answers queries in a namespace lists it (XEP-0030 section 3.1)."""
    reply = await store_wire.direct(f"<query xmlns='{NS_DISCO}'/>", type="get")

    assert NS_ROSTER in {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


# Rosters of the server


async def test_server_roster_is_read_at_each_request(wire: Wire) -> None:
    """The component caches no roster for requests: it queries the server each time.

    Section 2.1.2.1: "A server SHOULD include the 'approved' attribute to inform the client of
    subscription pre-approvals." Section 2.1.2.2: "A server SHOULD include the 'ask' attribute to
    inform the client of "Pending Out" sub-states."
    """
    versions = []
    for name in ("Bobby", "Robert", "Bobby"):
        wire.peer.send(f"<iq type='get' from='{ALICE_PHONE}' to='{COMPONENT}' id='r1'>{GET}</iq>")
        request = await next_roster_get(wire)
        wire.peer.send(
            f"<iq type='result' from='{ALICE}' to='{COMPONENT}' id='{request.get('id')}'>"
            f"<query xmlns='{NS_ROSTER}'><item jid='BOB@example.org' name='{name}'"
            " subscription='to' ask='subscribe' approved='true'><group>b</group><group>a</group>"
            "</item></query></iq>"
        )
        answer = element_at(await wire.next_sent(), f"{ROSTER}query")
        item = element_at(answer, f"{ROSTER}item")
        assert dict(item.attrib) == {
            "jid": BOB,
            "name": name,
            "subscription": "to",
            "ask": "subscribe",
            "approved": "true",
        }
        assert [group.text for group in item] == ["a", "b"]
        versions.append(answer.get("ver"))

    assert versions[0] == versions[2] != versions[1]


async def test_missing_privilege_is_an_error_not_an_empty_roster(tmp_path: Path) -> None:
    """Section 2.2: "If the server cannot process the roster get, it MUST return an appropriate
    stanza error as described in [XMPP-CORE]".
    """
    async with open_wire(tmp_path, granted=[]) as wire:
        assert (await wire.direct(GET, type="get")).refusal == "resource-constraint"
