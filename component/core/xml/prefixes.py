"""Stanzas that can stand alone: a copy lacks what was declared around the stanza it was of."""

from __future__ import annotations

import re
from collections import Counter
from xml.parsers import expat

from component.core.xml.stream_parser import Malformed, declared

_NAME = re.compile(rb"<[^\s/>?!][^\s/>]*")

#: What expat puts between namespace and name, so a namespace must not have it. ejabberd's parser
#: has the same: what it would refuse is refused here, and all else that users send it is not.
SEPARATOR = "\n"

_UNBOUND = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_PREDECLARED = ("xml", "xmlns")


def standalone(raw: bytes) -> bytes:
    """Return an element as a well-formed document, declaring the prefixes that it lacks.

    Raises Malformed where more is wrong with it than that.
    """
    trouble = _trouble(raw)
    if trouble == _UNBOUND:
        raw = _declaring(raw, _undeclared(raw))
        # An error may have stood behind the first prefix.
        trouble = _trouble(raw)
    if trouble is not None:
        raise Malformed(expat.errors.messages[trouble])
    return raw


def _trouble(raw: bytes) -> int | None:
    """Return what is wrong with a document, as expat numbers it."""
    try:
        expat.ParserCreate("utf-8", namespace_separator=SEPARATOR).Parse(raw, True)
    except expat.ExpatError as error:
        return error.code
    return None


def _undeclared(raw: bytes) -> set[str]:
    """Return the prefixes that an element or any in it uses without a declaration."""
    lacking: set[str] = set()
    known = Counter(_PREDECLARED)
    scopes: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        scopes.append(declared(attributes))
        known.update(scopes[-1].keys())
        used = (n.partition(":")[0] for n in (name, *attributes) if ":" in n)
        lacking.update(prefix for prefix in used if not known[prefix])

    def end(_: str) -> None:
        known.subtract(scopes.pop().keys())

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(raw, True)
    except expat.ExpatError as error:
        raise Malformed(expat.errors.messages[error.code]) from error
    return lacking


def _declaring(raw: bytes, prefixes: set[str]) -> bytes:
    """Return an element with declarations of these prefixes added to its start tag."""
    name = _NAME.match(raw)
    if name is None:
        raise Malformed("does not begin with an element")
    declarations = "".join(f" xmlns:{p}='urn:muniment:undeclared:{p}'" for p in sorted(prefixes))
    return raw[: name.end()] + declarations.encode() + raw[name.end() :]
