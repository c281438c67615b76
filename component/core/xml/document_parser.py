"""Reads a whole document of one element by an expat that resolves namespaces.

This is faster than the parser of streams, which reads the documents that this parser refuses.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from component.core.xml.namespaces import SEPARATOR
from component.core.xml.stream_parser import Element, Malformed, Parser, end_of


def parse(text: bytes, *, keep_depth: int = 8) -> Element:
    """Read one document and return its root. Raises Malformed.

    Children deeper than `keep_depth` are read, but only their bytes are kept.
    """
    root = read(text, keep_depth=keep_depth, max_depth=len(text))
    if root is not None:
        return root
    roots: list[Element] = []
    parser = Parser(
        lambda element, _: roots.append(element),
        level=0,
        max_bytes=len(text) + 1,
        max_depth=len(text),
        keep_depth=keep_depth,
    )
    parser.feed(text, final=True)
    return roots[0]


def read(text: bytes, *, keep_depth: int, max_depth: int) -> Element | None:
    """Return the root of a document, None if only the parser of streams may read it.

    Only the parser of streams reads a document with an undeclared prefix, children deeper than
    `max_depth`, anything before its root, CDATA, or anything that XMPP forbids.
    """
    # Texts and values have no unescaped "<". A NUL would let expat take the bytes for UTF-16.
    if not text.startswith(b"<") or b"<!" in text or b"<?" in text or b"\0" in text:
        return None
    try:
        return _Reader(text, keep_depth, max_depth).read()
    except (expat.ExpatError, Malformed):
        return None


class _Reader:
    """Reads one document."""

    def __init__(self, text: bytes, keep_depth: int, max_depth: int) -> None:
        self._text = text
        self._keep_depth = keep_depth
        self._max_depth = max_depth
        self._depth = -1
        self._newest: Element | None = None  # the element that began last, None if it is not kept
        self._open: list[list[Any]] = [[]]  # the children of each element that is open
        self._expat = expat.ParserCreate("utf-8", SEPARATOR)

    def read(self) -> Element:
        """Return the root. Raises ExpatError, Malformed."""
        parser, document = self._expat, self._open[0]
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._add_text
        try:
            parser.Parse(self._text, True)
        finally:
            # The handlers refer to this object: without the cycle it is freed at once.
            del self._expat
        root: Element = document[0]
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
            element, index = self._open[-1][-1], self._expat.CurrentByteIndex
            element.end = end_of(element, self._text, index, is_newest=element is self._newest)
        self._depth -= 1

    def _add_text(self, text: str) -> None:
        if self._depth <= self._keep_depth:
            self._open[-1].append(text)
