"""Cuts elements out of a stream of bytes, each with its place in these bytes.

The parser of the stream resolves namespaces itself: expat would end the whole stream at a prefix
without a declaration, and ejabberd passes such prefixes on (a client may declare one on its own
stream header, which is not forwarded). `document_parser` reads single documents.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NoReturn
from xml.parsers import expat

#: A tag that is longer than this many times the size of a stanza counts as one without an end.
ENDLESS = 16

#: The prefix that is bound without a declaration.
_PREDECLARED = ({"xml": "http://www.w3.org/XML/1998/namespace"},)


class Malformed(Exception):
    """The bytes are not XML that XMPP allows (RFC 6120 section 11)."""


class Element:
    """An element: its names, attributes, text and children, and the place of its bytes."""

    __slots__ = ("attributes", "children", "end", "name", "ns", "start")

    #: whether all of its prefixes are declared inside it, so that its bytes are a document
    is_bound: ClassVar[bool] = True

    def __init__(self, ns: str, name: str, attributes: dict[str, str], start: int) -> None:
        self.ns = ns
        self.name = name
        self.attributes = attributes  #: by name; names with a prefix are as the parser writes them
        self.start = start  #: index of its first byte in the input
        self.end = 0  #: index behind its last byte
        self.children: list[Element | str] = []  #: elements and text in document order

    def get(self, attribute: str) -> str:
        """Return the value of an attribute, "" if there is none."""
        return self.attributes.get(attribute, "")

    @property
    def elements(self) -> list[Element]:
        """The children that are elements."""
        return [child for child in self.children if isinstance(child, Element)]

    def child(self, ns: str, name: str) -> Element | None:
        """Return the first child element of this name, None if there is none."""
        for child in self.children:
            if isinstance(child, Element) and child.name == name and child.ns == ns:
                return child
        return None

    @property
    def text(self) -> str:
        """The text of the element itself, without that of its children."""
        return "".join(child for child in self.children if isinstance(child, str))


def declared(attributes: dict[str, str]) -> dict[str, str]:
    """Return the namespaces of the prefixes that the attributes of an element declare."""
    return {name[6:]: ns for name, ns in attributes.items() if name.startswith("xmlns:")}


class _ScopedElement(Element):
    """An element of a stream, with the declarations around it; some may be missing."""

    __slots__ = ("default", "scopes")

    is_bound = False

    def __init__(
        self, name: str, attributes: dict[str, str], parent: _ScopedElement | None, start: int
    ) -> None:
        #: namespace of names without a prefix
        self.default: str = attributes.get("xmlns", parent.default if parent else "")
        #: namespaces of prefixes, those of the nearest declarations first
        self.scopes: tuple[dict[str, str], ...] = parent.scopes if parent else _PREDECLARED
        if own := declared(attributes):
            self.scopes = (own, *self.scopes)
        prefix, colon, local = name.partition(":")
        ns = self.default
        if colon:
            namespaces = (scope[prefix] for scope in self.scopes if prefix in scope)
            ns, name = next(namespaces, f"undeclared:{prefix}"), local
        super().__init__(ns, name, attributes, start)


class Parser:
    """Cuts the children of the root (`level` 1), or the root itself (`level` 0), out of bytes."""

    def __init__(
        self,
        on_element: Callable[[Element, bytes], None],
        *,
        level: int,
        max_bytes: int,
        max_depth: int,
        keep_depth: int,
        unwanted: frozenset[tuple[str, str]] = frozenset(),
        on_skipped: Callable[[Element], None] = lambda _: None,
    ) -> None:
        """`on_element` is called with each complete element and its bytes.

        An element of more than `max_bytes`, or with children deeper than `max_depth`, is skipped
        and counted in `skipped`, because a user who sends one must not be able to end the stream.
        `on_skipped` is called with such an element, which may be incomplete. Children deeper than
        `keep_depth` are read, but only their bytes are kept. An element with a child at that depth
        whose namespace and name are in `unwanted` is skipped without a call.
        """
        self._on_element = on_element
        self._on_skipped = on_skipped
        self._level = level
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._keep_depth = min(keep_depth, max_depth)
        self._unwanted = unwanted
        self._buffer = bytearray()
        self._base = 0  # index of the first buffered byte in the input
        self._depth = 0
        self._open: list[_ScopedElement] = []  # from `level` on
        self._newest: _ScopedElement | None = None  # that began last, None if it is not kept
        self._is_skipping = False
        self._is_oversized = False  # why it is skipped
        self._silent_bytes = 0  # that were fed since expat's last event
        self.root: _ScopedElement | None = None  #: with `level` 1, once its start tag was read
        self.is_closed = False  #: whether the root of `level` 1 has ended
        self.skipped = 0
        self._expat = self._make_expat()

    @property
    def is_between(self) -> bool:
        """Whether all bytes were read and the next one is between two children of the root."""
        is_below_root = self.root is not None and self._depth == self._level
        return is_below_root and not self._open and not self._buffer

    @property
    def unfinished(self) -> bytes | None:
        """The bytes behind the last child of the root that has ended, None if some are dropped."""
        return None if self._is_skipping else bytes(self._buffer)

    def _make_expat(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.CommentHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        # Newer versions of expat defer events to save work, but a stanza must not wait.
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        return parser

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Read more bytes. Raises Malformed, after which the parser cannot be used."""
        if b"\0" in data or b"\xfe" in data or b"\xff" in data:
            # XML in UTF-8 has none of these bytes; expat would take it for UTF-16.
            raise Malformed("not UTF-8")
        self._buffer += data
        index = self._expat.CurrentByteIndex
        try:
            self._expat.Parse(data, final)
        except expat.ExpatError as error:
            raise Malformed(f"not well-formed: {expat.errors.messages[error.code]}") from error
        has_event = self._expat.CurrentByteIndex != index
        self._silent_bytes = 0 if has_event else self._silent_bytes + len(data)
        if self._silent_bytes > self._max_bytes * ENDLESS:
            raise Malformed("a piece of markup has no end")
        if self._open and not self._is_skipping and len(self._buffer) > self._max_bytes:
            self._is_skipping = self._is_oversized = True
        if self._is_skipping:
            self._discard_before(self._base + len(self._buffer))
        elif not self._open:
            self._discard_before(self._expat.CurrentByteIndex)

    def _discard_before(self, index: int) -> None:
        """Remove the bytes before this index from the buffer."""
        if index > self._base:
            del self._buffer[: index - self._base]
            self._base = index

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        self._newest = None
        if depth > self._keep_depth or self._is_skipping:
            if depth > self._max_depth:
                self._is_skipping = self._is_oversized = True
            return
        if depth < self._level:
            self.root = _ScopedElement(name, attributes, None, self._expat.CurrentByteIndex)
            return
        parent = self._open[-1] if self._open else self.root
        element = _ScopedElement(name, attributes, parent, self._expat.CurrentByteIndex)
        if depth == self._level:
            self._discard_before(element.start)
        elif parent is not None:
            parent.children.append(element)
        self._open.append(element)
        self._newest = element
        if depth == self._keep_depth and (element.ns, element.name) in self._unwanted:
            self._is_skipping = True

    def _end(self, name: str) -> None:
        self._depth -= 1
        depth = self._depth
        if depth < self._level:
            self.is_closed = True
        elif self._is_skipping:
            if depth == self._level:
                oversized = self._open[0] if self._is_oversized else None
                self._open.clear()
                self._is_skipping = self._is_oversized = False
                index = max(self._expat.CurrentByteIndex, self._base)
                self._discard_before(self._buffer.index(b">", index - self._base) + 1 + self._base)
                if oversized is not None:
                    self._skip(oversized)
        elif depth <= self._keep_depth:
            element = self._open.pop()
            index, is_newest = self._expat.CurrentByteIndex - self._base, element is self._newest
            element.end = end_of(element, self._buffer, index, is_newest=is_newest) + self._base
            if depth == self._level:
                raw = bytes(self._buffer[element.start - self._base : element.end - self._base])
                self._discard_before(element.end)
                # `feed` does not measure an element that comes in a single piece.
                if len(raw) > self._max_bytes:
                    self._skip(element)
                else:
                    self._on_element(element, raw)

    def _skip(self, element: Element) -> None:
        self.skipped += 1
        self._on_skipped(element)

    def _text(self, text: str) -> None:
        is_kept = self._open and self._depth == self._level + len(self._open)
        if is_kept and not self._is_skipping:
            self._open[-1].children.append(text)


def end_of(element: Element, text: bytes | bytearray, index: int, *, is_newest: bool) -> int:
    """Return the index behind an element whose end expat reports at `index`.

    For <a></a> expat reports the beginning of the end tag, for <a/> the end of the element. Only
    an element without children can be written as <a/>: the one that began last.
    """
    is_empty_tag = is_newest and not element.children and text.endswith(b"/>", 0, index)
    return index if is_empty_tag else text.index(b">", index) + 1


def cut(raw: bytes, outer: Element, inner: Element) -> bytes:
    """Return the bytes of `inner`; `raw` has those of `outer`, which contains `inner`."""
    return raw[inner.start - outer.start : inner.end - outer.start]


def _refuse(*_: object) -> NoReturn:
    raise Malformed("DTDs, comments and processing instructions are not XMPP")
