"""Stanzas outside of the stream that declared their namespaces.

A copy of a stanza lacks the declarations of the sender's stream around it, and an archived stanza
is sent inside other XML, whose namespace is different.
"""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

from component.core.xml.stream_parser import Malformed, declared

NS_CLIENT = "jabber:client"

#: The character that expat puts between namespace and name, so no namespace may contain it.
#: ejabberd's parser uses the same character, and so refuses the same namespaces.
SEPARATOR = "\n"

_NAME = re.compile(rb"<[^\s/>?!][^\s/>]*")
_UNBOUND = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_PREDECLARED = ("xml", "xmlns")

#: Nearly all start tags contain this, and no value between single quotes can.
_DECLARATION = f" xmlns='{NS_CLIENT}'"

#: The start tag of a message, up to the declaration of its namespace.
_NAMESPACED = re.compile(
    r"<message(?:\s+(?!xmlns[\s=])[^\s=]+\s*=\s*(?:'[^']*'|\"[^\"]*\"))*\s+xmlns\s*="
)


def in_client_namespace(xml: str) -> str:
    """Return a message with its namespace declared, so that other XML can contain it.

    Old servers post messages without this declaration, and the store has them as posted.
    """
    tag = xml[: xml.find(">")]
    is_declared = _DECLARATION in tag and '"' not in tag
    if is_declared or _NAMESPACED.match(xml) or not xml.startswith("<message"):
        return xml
    return f"<message xmlns='{NS_CLIENT}'{xml.removeprefix('<message')}"


def standalone(raw: bytes) -> bytes:
    """Return an element as a well-formed document, with declarations of its undeclared prefixes.

    Raises Malformed if anything else is wrong with it.
    """
    code = _error_code(raw)
    if code == _UNBOUND:
        raw = _with_declarations(raw, _undeclared(raw))
        # expat stops at the first error: there may be more errors behind the prefix.
        code = _error_code(raw)
    if code is not None:
        raise Malformed(expat.errors.messages[code])
    return raw


def _error_code(raw: bytes) -> int | None:
    """Return expat's code of the first error in a document, None if there is none."""
    try:
        expat.ParserCreate("utf-8", namespace_separator=SEPARATOR).Parse(raw, True)
    except expat.ExpatError as error:
        return error.code
    return None


def _undeclared(raw: bytes) -> set[str]:
    """Return the prefixes that an element, or any inside it, uses without a declaration."""
    undeclared: set[str] = set()
    in_scope = Counter(_PREDECLARED)
    scopes: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        scopes.append(declared(attributes))
        in_scope.update(scopes[-1].keys())
        used = (n.partition(":")[0] for n in (name, *attributes) if ":" in n)
        undeclared.update(prefix for prefix in used if not in_scope[prefix])

    def end(_: str) -> None:
        in_scope.subtract(scopes.pop().keys())

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise Malformed(expat.errors.messages[error.code]) from error
    return undeclared


def _with_declarations(raw: bytes, prefixes: set[str]) -> bytes:
    """Return an element with declarations of these prefixes added to its start tag."""
    name = _NAME.match(raw)
    if name is None:
        raise Malformed("does not begin with an element")
    declarations = "".join(f" xmlns:{p}='urn:muniment:undeclared:{p}'" for p in sorted(prefixes))
    return raw[: name.end()] + declarations.encode() + raw[name.end() :]
