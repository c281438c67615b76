"""Documents of one element, read at once by an expat that resolves their namespaces.

What it refuses is left to the parser of streams, which is slower and knows how to make do.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from component.core.xml.namespaces import SEPARATOR
from component.core.xml.stream_parser import Element, Malformed, Parser, place_behind


def parse(text: bytes, *, keep_depth: int = 8) -> Element:
    """Read one document and return its root. Raises Malformed.

    Children deeper than `keep_depth` are read, but only their bytes are kept.
    """
    root = read(text, keep_depth=keep_depth, max_depth=len(text))
    if root is not None:
        return root
    found: list[Element] = []
    parser = Parser(
        lambda element, _: found.append(element),
        level=0,
        max_bytes=len(text) + 1,
        max_depth=len(text),
        keep_depth=keep_depth,
    )
    parser.feed(text, final=True)
    return found[0]


def read(text: bytes, *, keep_depth: int, max_depth: int) -> Element | None:
    """Return the root of a document, None where it is not of the usual kind.

    That kind has all of its prefixes declared, no children deeper than `max_depth`, nothing in
    front of its element, and in it neither CDATA nor anything that is not XMPP.
    """
    # Text and values have no < as it is. With a NUL, expat would take it for UTF-16.
    if not text.startswith(b"<") or b"<!" in text or b"<?" in text or b"\0" in text:
        return None
    reading = _Reading(text, keep_depth, max_depth)
    try:
        return reading.root()
    except (expat.ExpatError, Malformed):
        return None


class _Reading:
    """One document while it is read."""

    __slots__ = ("_depth", "_expat", "_keep_depth", "_max_depth", "_newest", "_open", "_text")

    def __init__(self, text: bytes, keep_depth: int, max_depth: int) -> None:
        self._text = text
        self._keep_depth = keep_depth
        self._max_depth = max_depth
        self._depth = -1
        self._newest: Element | None = None  # None where that one is not kept
        self._open: list[list[Any]] = [[]]  # the children of each element that is open
        self._expat = expat.ParserCreate("utf-8", SEPARATOR)

    def root(self) -> Element:
        """Read it. Raises ExpatError, Malformed."""
        parser, top = self._expat, self._open[0]
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._said
        try:
            parser.Parse(self._text, True)
        finally:
            # Or each would keep the other until the garbage is collected.
            del self._expat
        root: Element = top[0]
        return root

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth = depth = self._depth + 1
        if depth <= self._keep_depth:
            ns, _, local = name.rpartition(SEPARATOR)
            self._newest = new = Element(ns, local, attributes, self._expat.CurrentByteIndex)
            self._open[-1].append(new)
            self._open.append(new.children)
        else:
            self._newest = None
            if depth > self._max_depth:
                raise Malformed("too deep")

    def _end(self, _: str) -> None:
        if self._depth <= self._keep_depth:
            self._open.pop()
            element, here = self._open[-1][-1], self._expat.CurrentByteIndex
            element.end = place_behind(self._text, here, element, element is self._newest)
        self._depth -= 1

    def _said(self, text: str) -> None:
        if self._depth <= self._keep_depth:
            self._open[-1].append(text)
