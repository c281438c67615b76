"""Elements cut out of a stream of bytes, each with its place in the bytes it came from.

The parser of the stream resolves namespaces itself: expat would end the whole stream at a prefix
without a declaration, and ejabberd passes such ones on (a client may declare a prefix on its own
stream header, which is not forwarded). `document_parser` reads what is there as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, NoReturn
from xml.parsers import expat

#: A piece of markup that goes on for this many times the size of a stanza has no end.
ENDLESS = 16

#: What need not be declared, and is never declared otherwise.
_PREDECLARED = ({"xml": "http://www.w3.org/XML/1998/namespace"},)


class Malformed(Exception):
    """The bytes are not XML as XMPP allows it (RFC 6120 section 11)."""


class Element:
    """An element: its names, attributes, text, children, and where its bytes are."""

    __slots__ = ("attributes", "children", "end", "name", "ns", "start")

    #: whether a declaration was found of each prefix in it, so that its document can stand alone
    is_bound: ClassVar[bool] = True

    def __init__(self, ns: str, name: str, attributes: dict[str, str], start: int) -> None:
        self.ns = ns
        self.name = name
        self.attributes = attributes  #: by name; those with a prefix are as the parser names them
        self.start = start  #: first byte, counted from the start of the input
        self.end = 0  #: first byte behind it
        self.children: list[Element | str] = []  #: text among them, as it stands

    def get(self, attribute: str) -> str:
        """Return an attribute, "" when it is absent."""
        return self.attributes.get(attribute, "")

    @property
    def elements(self) -> list[Element]:
        """The children that are elements."""
        return [child for child in self.children if isinstance(child, Element)]

    def child(self, ns: str, name: str) -> Element | None:
        """Return the first child of this name."""
        for child in self.children:
            if isinstance(child, Element) and child.name == name and child.ns == ns:
                return child
        return None

    @property
    def text(self) -> str:
        """The text directly within."""
        return "".join(child for child in self.children if isinstance(child, str))


def declared(attributes: dict[str, str]) -> dict[str, str]:
    """Return the namespaces of the prefixes that the attributes of an element declare."""
    return {name[6:]: ns for name, ns in attributes.items() if name.startswith("xmlns:")}


class _Scoped(Element):
    """An element of a stream, which knows what was declared around it. Anything may be lacking."""

    __slots__ = ("default", "scopes")

    is_bound = False

    def __init__(
        self, name: str, attributes: dict[str, str], parent: _Scoped | None, start: int
    ) -> None:
        #: namespace of names without a prefix
        self.default: str = attributes.get("xmlns", parent.default if parent else "")
        #: namespaces of prefixes as they were declared, the nearest declarations first
        self.scopes: tuple[dict[str, str], ...] = parent.scopes if parent else _PREDECLARED
        if own := declared(attributes):
            self.scopes = (own, *self.scopes)
        prefix, colon, local = name.partition(":")
        ns = self.default
        if colon:
            known = (scope[prefix] for scope in self.scopes if prefix in scope)
            ns, name = next(known, f"undeclared:{prefix}"), local
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
        """`on_element` hears each whole element, with its bytes.

        Elements of more than `max_bytes`, or with children deeper than `max_depth`, are left out
        and counted in `skipped`: users make them, and users must not be able to end the stream.
        Children deeper than `keep_depth` are read, but only their bytes are kept. Where a child at
        that depth is an `unwanted` one, by namespace and name, all of the element is left out.
        `on_skipped` hears each element that is counted in `skipped`, of which not all may be read.
        """
        self._on_element = on_element
        self._on_skipped = on_skipped
        self._level = level
        self._max_bytes = max_bytes
        self._max_depth = max_depth
        self._keep_depth = min(keep_depth, max_depth)
        self._unwanted = unwanted
        self._buffer = bytearray()
        self._base = 0  # place of the first buffered byte in the input
        self._depth = 0
        self._open: list[_Scoped] = []  # from `level` on
        self._newest: _Scoped | None = None  # None where that one is not kept
        self._skipping = False
        self._is_too_much = False  # why it is skipped
        self._silent = 0  # bytes that made no event yet
        self.root: _Scoped | None = None  #: of `level` 1, once its start tag was read
        self.is_closed = False  #: whether the root of `level` 1 has ended
        self.skipped = 0
        self._expat = self._make_expat()

    @property
    def is_between(self) -> bool:
        """Whether all was read of what was begun, and the next byte is one below the root."""
        is_below = self.root is not None and self._depth == self._level
        return is_below and not self._open and not self._buffer

    def _make_expat(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.CommentHandler = _refuse
        parser.ProcessingInstructionHandler = _refuse
        # Newer versions of expat put off events to save work, but a stanza must not wait.
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        return parser

    def feed(self, data: bytes, *, final: bool = False) -> None:
        """Read on. Raises Malformed; nothing can be read after that."""
        if b"\0" in data or b"\xfe" in data or b"\xff" in data:
            # UTF-8 never has them, or XML in it; expat would take the text for UTF-16 by them.
            raise Malformed("not UTF-8")
        self._buffer += data
        seen = self._expat.CurrentByteIndex
        try:
            self._expat.Parse(data, final)
        except expat.ExpatError as error:
            raise Malformed(f"not well-formed: {expat.errors.messages[error.code]}") from error
        self._silent = 0 if self._expat.CurrentByteIndex != seen else self._silent + len(data)
        if self._silent > self._max_bytes * ENDLESS:
            raise Malformed("a piece of markup has no end")
        if self._open and not self._skipping and len(self._buffer) > self._max_bytes:
            self._skipping = self._is_too_much = True
        if self._skipping:
            self._forget(self._base + len(self._buffer))
        elif not self._open:
            self._forget(self._expat.CurrentByteIndex)

    def _forget(self, place: int) -> None:
        """Let go of the bytes before this place."""
        if place > self._base:
            del self._buffer[: place - self._base]
            self._base = place

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        depth = self._depth
        self._depth = depth + 1
        self._newest = None
        if depth > self._keep_depth or self._skipping:
            if depth > self._max_depth:
                self._skipping = self._is_too_much = True
            return
        if depth < self._level:
            self.root = _Scoped(name, attributes, None, self._expat.CurrentByteIndex)
            return
        parent = self._open[-1] if self._open else self.root
        element = _Scoped(name, attributes, parent, self._expat.CurrentByteIndex)
        if depth == self._level:
            self._forget(element.start)
        elif parent is not None:
            parent.children.append(element)
        self._open.append(element)
        self._newest = element
        if depth == self._keep_depth and (element.ns, element.name) in self._unwanted:
            self._skipping = True

    def _end(self, name: str) -> None:
        self._depth -= 1
        depth = self._depth
        if depth < self._level:
            self.is_closed = True
        elif self._skipping:
            if depth == self._level:
                skipped = self._open[0] if self._is_too_much else None
                self._open.clear()
                self._skipping = self._is_too_much = False
                here = max(self._expat.CurrentByteIndex, self._base)
                self._forget(self._buffer.index(b">", here - self._base) + 1 + self._base)
                if skipped is not None:
                    self._leave_out(skipped)
        elif depth <= self._keep_depth:
            element = self._open.pop()
            here, is_newest = self._expat.CurrentByteIndex - self._base, element is self._newest
            element.end = place_behind(self._buffer, here, element, is_newest) + self._base
            if depth == self._level:
                raw = bytes(self._buffer[element.start - self._base : element.end - self._base])
                self._forget(element.end)
                # One that came in a single piece was not measured while it was read.
                if len(raw) > self._max_bytes:
                    self._leave_out(element)
                else:
                    self._on_element(element, raw)

    def _leave_out(self, element: Element) -> None:
        self.skipped += 1
        self._on_skipped(element)

    def _text(self, text: str) -> None:
        if self._open and self._depth == self._level + len(self._open) and not self._skipping:
            self._open[-1].children.append(text)


def place_behind(text: bytes | bytearray, here: int, element: Element, is_newest: bool) -> int:
    """Return the first place behind an element whose end expat has just told at a place.

    For <a></a> expat stands before the end tag, for <a/> behind all of it. The latter can only be
    one behind which no other has begun.
    """
    is_closed = is_newest and not element.children and text.endswith(b"/>", 0, here)
    return here if is_closed else text.index(b">", here) + 1


def cut(raw: bytes, outer: Element, inner: Element) -> bytes:
    """Return the bytes of an element within the bytes of one around it."""
    return raw[inner.start - outer.start : inner.end - outer.start]


def _refuse(*_: object) -> NoReturn:
    raise Malformed("DTDs, comments and processing instructions are not XMPP")
