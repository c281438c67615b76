"""Stored stanzas inside other XML, in the namespace that they had on a client's stream."""

from __future__ import annotations

import re

from component.core.xml.stanza import NS_CLIENT

#: What nearly all start tags have, and no value between single quotes can hold.
_USUAL = f" xmlns='{NS_CLIENT}'"

#: The start tag of a stanza, up to the declaration of its namespace.
_NAMESPACED = re.compile(
    r"<message(?:\s+(?!xmlns[\s=])[^\s=]+\s*=\s*(?:'[^']*'|\"[^\"]*\"))*\s+xmlns\s*="
)


def in_client_namespace(xml: str) -> str:
    """Return a stanza that says its namespace, which is not that of what is around it now.

    Old servers leave it out of what they post, and what was posted is kept as it is.
    """
    tag = xml[: xml.find(">")]
    is_usual = _USUAL in tag and '"' not in tag
    if is_usual or _NAMESPACED.match(xml) or not xml.startswith("<message"):
        return xml
    return f"<message xmlns='{NS_CLIENT}'{xml.removeprefix('<message')}"
