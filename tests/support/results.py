"""Content of results, and stanzas of a server that lead to it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from support.wire import (
    BOB,
    BOB_PHONE,
    COMPONENT,
    HOST,
    NS_CLIENT,
    NS_DELAY,
    NS_DISCO,
    NS_FORWARD,
    Wire,
    chat,
    element_at,
)

DELAY = f"<delay xmlns='{NS_DELAY}' from='{HOST}' stamp='{{}}'>Offline storage</delay>"


def message_in(result: ET.Element) -> ET.Element:
    """Return the archived message."""
    return element_at(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")


def stamp_of(result: ET.Element) -> str:
    """Return the stamp of a result: the time of the message's arrival."""
    return element_at(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_DELAY}}}delay").get("stamp", "")


def say_then(wire: Wire, body: str, stamp: str) -> None:
    """Have bob come on line, and get a message that the server has stored since `stamp`."""
    wire.log_copy(f"<iq xmlns='{NS_CLIENT}' type='get' id='r' from='{BOB_PHONE}' to='{BOB}'/>")
    wire.log_copy(
        chat(body, sender="romeo@remote.example/x", to=BOB, id=body, extra=DELAY.format(stamp))
    )


async def say_all(wire: Wire, count: int) -> list[str]:
    """Have alice send 1, 2, 3... to bob, and return the ids in her archive."""
    for number in range(1, count + 1):
        wire.say(str(number))
    return (await wire.history(max=str(count))).ids


def numbers(first: int, last: int) -> list[str]:
    """Return the texts of the messages from `first` to `last`."""
    return [str(number) for number in range(first, last + 1)]


async def features(
    wire: Wire, node: str | None, *, to: str = COMPONENT, asker: str = HOST
) -> set[str]:
    """Return the features that a node advertises."""
    of = "" if node is None else f" node='{node}'"
    reply = await wire.direct(f"<query xmlns='{NS_DISCO}'{of}/>", asker=asker, type="get", to=to)
    return {feature.get("var", "") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}
