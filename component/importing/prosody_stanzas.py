"""Writes the stanzas that Prosody keeps as Lua tables as XML."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape, quoteattr

from component.importing.lua import Table

_NAME = re.compile(r"[^\W\d][\w.:-]*")

#: Prosody writes the time of a message into its attributes.
_OF_STORE = frozenset({"stamp", "stamp_legacy"})

#: Separates the namespace of an attribute from its name.
_SEPARATOR = "\x01"


class NoStanza(ValueError):
    """The table is not a stanza."""


def stanza_xml(item: Table) -> str:
    """Return the XML of a stanza. Raises NoStanza."""
    return "".join(_pieces(item, is_root=True))


def _pieces(element: Table, *, is_root: bool = False) -> list[str]:
    name, attributes = element.get("name"), element.get("attr", {})
    if not isinstance(name, str) or not _NAME.fullmatch(name) or not isinstance(attributes, dict):
        raise NoStanza("it has an element without name or attributes")
    pieces = [f"<{name}"]
    for number, (attribute, value) in enumerate(attributes.items()):
        if is_root and attribute in _OF_STORE:
            continue
        if not isinstance(attribute, str) or not isinstance(value, str):
            raise NoStanza("it has an attribute that is no text")
        ns, separator, local = attribute.rpartition(_SEPARATOR)
        if not _NAME.fullmatch(local):
            raise NoStanza("it has an attribute without a name")
        if ns == "xml" or not separator:
            prefix = "xml:" if separator else ""
            pieces.append(f" {prefix}{local}={quoteattr(value)}")
        else:
            pieces.append(f" xmlns:a{number}={quoteattr(ns)} a{number}:{local}={quoteattr(value)}")
    pieces.append(">")
    n = 1
    while (child := element.get(n)) is not None:
        if isinstance(child, dict):
            pieces += _pieces(child)
        elif isinstance(child, str):
            pieces.append(escape(child))
        else:
            raise NoStanza("it has a child that is neither an element nor a text")
        n += 1
    pieces.append(f"</{name}>")
    return pieces
