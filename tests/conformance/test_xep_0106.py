"""XEP-0106: JID Escaping, version 1.1.1, in the addresses of archives at the component."""

from __future__ import annotations

import pytest
from support.wire import COMPONENT, HOST, NS_MAM, Wire, query

OHARA = rf"o\27hara@{HOST}"


async def ask(wire: Wire, local: str) -> str | None:
    """Return the error condition for a query of o'hara at this local part of the component."""
    reply = await wire.direct(query(), asker=f"{OHARA}/x", to=f"{local}@{COMPONENT}")
    return reply.refusal


@pytest.mark.parametrize(
    "escaped", [r"\20", r"\22", r"\26", r"\27", r"\2f", r"\3a", r"\3c", r"\3e", r"\40", r"\5c"]
)
async def test_each_escaped_character_is_accepted_in_an_archive_address(
    wire: Wire, escaped: str
) -> None:
    """3.3: the mapping from escaped to unescaped characters; 4.1, rule 7: "the leading backslash
    character MUST be escaped to the character sequence "\\5c""."""
    user = f"a{escaped}b@{HOST}"
    address = rf"a\5c{escaped[1:]}b\40{HOST}@{COMPONENT}"
    wire.say("mine", sender=f"{user}/x")
    reply = await wire.direct(query(), asker=f"{user}/x", to=address)

    assert (reply.refusal, reply.bodies) == (None, ["mine"])


@pytest.mark.parametrize("local", [r"\20o\40example.org", r"o\40example.org\20"])
async def test_escaped_space_at_either_end_is_item_not_found(wire: Wire, local: str) -> None:
    r"""4.1, rule 6: "The character sequence \20 MUST NOT be the first or last character of an
    escaped node identifier"."""
    assert await ask(wire, local) == "item-not-found"


async def test_sequence_that_is_no_escape_is_kept(wire: Wire) -> None:
    """4.1, rule 3: "An entity MUST unescape only the specified sequences and MUST NOT unescape
    sequences that do not match the specified sequences"."""
    user = rf"a\41b@{HOST}"
    wire.say("mine", sender=f"{user}/x")
    reply = await wire.direct(query(), asker=f"{user}/x", to=rf"a\41b\40{HOST}@{COMPONENT}")

    assert reply.bodies == ["mine"]


@pytest.mark.parametrize("local", [r"o\27hara\40example.org", r"a\22b\40example.org"])
async def test_address_that_unescapes_to_an_invalid_jid_is_item_not_found(
    wire: Wire, local: str
) -> None:
    """4.1, rule 4: "the unescaped version of a disallowed character violates Nodeprep"."""
    assert await ask(wire, local) == "item-not-found"


async def test_jids_are_compared_in_escaped_form(wire: Wire) -> None:
    """4.1, rule 5: "An entity MUST NOT use the unescaped version of a disallowed character when
    comparing two JIDs"."""
    wire.say("mine", sender=f"{OHARA}/x")
    address = rf"o\5c27hara\40{HOST}@{COMPONENT}"
    reply = await wire.direct(query(), asker=f"{OHARA}/x", to=address)

    assert (reply.bodies, reply.iq.get("from")) == (["mine"], address)
    assert reply.results[0].tag == f"{{{NS_MAM}}}result"
