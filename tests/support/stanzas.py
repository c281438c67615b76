"""Stanzas from the view of clients."""

from __future__ import annotations

from xml.etree.ElementTree import Element, XMLPullParser

CLIENT = "{jabber:client}"


class Refused(Exception):
    """The answer was an error stanza."""

    def __init__(self, stanza: Element) -> None:
        error = stanza.find(f"{CLIENT}error")
        assert error is not None
        self.type = error.get("type")
        self.condition = next((local_name(child) for child in error), "")
        super().__init__(f"{self.type} {self.condition}")


def parse(xml: str) -> Element:
    """Return the only element of a text. Raises ParseError."""
    parser = XMLPullParser(("end",))
    parser.feed(xml)
    parser.close()
    *_, (_, root) = parser.read_events()
    return root


def body_of(stanza: Element) -> str | None:
    """Return the text of a message."""
    return stanza.findtext(f"{CLIENT}body")


def local_name(element: Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
