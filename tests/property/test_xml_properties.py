"""A stream yields the same stanzas in any pieces and with any content."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from hypothesis import example, given
from hypothesis import strategies as st

from component.core.xml.document_parser import parse, read
from component.core.xml.namespaces import standalone
from component.core.xml.stream_parser import Element, Malformed, Parser, cut

CHARACTERS = st.characters(
    codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
)
TEXTS = st.text(CHARACTERS | st.sampled_from("/><&\"' \t\n"), max_size=12)
PREFIXES = ["p", "q", "ü", "xml"]
#: Some of them look like markup or like an undeclared prefix.
NAMESPACES = st.sampled_from(
    ["", "n", "jabber:client", "undeclared:p", "undeclared:x='' y", "undeclared:/><a b='", "a b"]
)
NAMES = st.sampled_from(["a", "b", "message", "ä", "x-1"])
SPACES = st.sampled_from(["", " ", "\n", "\t "])


def oracle(text: bytes) -> ElementTree.Element:
    """Read a document with the namespaces of its names."""
    return ElementTree.fromstring(text)  # noqa: S314 - nothing in it is expanded


def quoted(value: str, mark: str) -> str:
    """Write an attribute with as little escaped as XML allows."""
    escaped = value.replace("&", "&amp;").replace("<", "&lt;")
    return f"{mark}{escaped.replace(mark, '&apos;' if mark == chr(39) else '&quot;')}{mark}"


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    """Write an element; its prefixes may be declared on it, around it, or nowhere."""
    prefix = draw(st.sampled_from(["", "", *PREFIXES]))
    name = f"{prefix}:{draw(NAMES)}" if prefix else draw(NAMES)
    attributes: dict[str, str] = {}
    for attribute in draw(st.lists(NAMES, unique=True, max_size=2)):
        before = draw(st.sampled_from(["", *PREFIXES]))
        attributes[f"{before}:{attribute}" if before else attribute] = draw(TEXTS)
    for declared in draw(st.lists(st.sampled_from(PREFIXES[:-1]), unique=True, max_size=2)):
        attributes[f"xmlns:{declared}"] = draw(NAMESPACES.filter(bool))
    if draw(st.booleans()):
        attributes["xmlns"] = draw(NAMESPACES)
    space = draw(SPACES)
    tag = name + "".join(
        f" {space}{key}={space}{quoted(value, draw(st.sampled_from(chr(39) + chr(34))))}"
        for key, value in attributes.items()
    )
    children = draw(st.lists(content(depth), max_size=3)) if depth else []
    if not children and draw(st.booleans()):
        return f"<{tag}{space}/>"
    return f"<{tag}{space}>{''.join(children)}</{name}{space}>"


def content(depth: int) -> st.SearchStrategy[str]:
    plain = TEXTS.map(lambda text: escape(text).replace("&gt;", ">").replace("]]>", "]]&gt;"))
    data = TEXTS.map(lambda text: f"<![CDATA[{text.replace(']]>', '')}]]>")
    return plain | data | elements(depth - 1)


@dataclass
class Recorder:
    """The reports of a parser, in a form that can be compared."""

    max_bytes: int = 100_000
    max_depth: int = 100
    keep_depth: int = 100
    stanzas: list[tuple[bytes, object]] = field(default_factory=list)

    def read(self, pieces: list[bytes]) -> Recorder:
        self.parser = Parser(
            lambda element, raw: self.stanzas.append((raw, description(element, element, raw))),
            level=1,
            max_bytes=self.max_bytes,
            max_depth=self.max_depth,
            keep_depth=self.keep_depth,
        )
        for piece in pieces:
            self.parser.feed(piece)
        return self


def description(element: Element, root: Element, raw: bytes) -> tuple[object, ...]:
    return (
        element.ns,
        element.name,
        element.attributes,
        element.text,
        cut(raw, root, element),
        [description(child, root, raw) for child in element.elements],
    )


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


STANZAS = st.lists(elements(), max_size=4)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@given(stanzas=STANZAS, gap=SPACES, keep_depth=st.integers(1, 5))
def test_each_stanza_is_reported_with_its_bytes(
    stanzas: list[str], gap: str, keep_depth: int
) -> None:
    stream = f"<s>{gap}{gap.join(stanzas)}{gap}</s>".encode()

    recorder = Recorder(keep_depth=keep_depth).read([stream])

    assert [raw for raw, _ in recorder.stanzas] == [stanza.encode() for stanza in stanzas]


@given(stanzas=STANZAS, gap=SPACES, cuts=CUTS)
def test_pieces_of_a_stream_do_not_change_its_stanzas(
    stanzas: list[str], gap: str, cuts: list[int]
) -> None:
    stream = f"<s xmlns='n'>{gap}{gap.join(stanzas)}{gap}</s>".encode()

    whole, pieces = Recorder().read([stream]), Recorder().read(pieces_of(stream, cuts))

    assert pieces.stanzas == whole.stanzas
    assert pieces.parser.is_closed is whole.parser.is_closed is True


@given(stanzas=STANZAS, cuts=CUTS, max_bytes=st.integers(30, 150), max_depth=st.integers(1, 3))
def test_pieces_of_a_stream_do_not_change_its_limits(
    stanzas: list[str], cuts: list[int], max_bytes: int, max_depth: int
) -> None:
    stream = f"<s>{''.join(stanzas)}</s>".encode()

    whole = Recorder(max_bytes, max_depth).read([stream])
    pieces = Recorder(max_bytes, max_depth).read(pieces_of(stream, cuts))

    assert pieces.stanzas == whole.stanzas
    assert pieces.parser.skipped == whole.parser.skipped == len(stanzas) - len(whole.stanzas)


@given(text=elements())
def test_parsed_element_equals_that_of_elementtree(text: str) -> None:
    root = parse(standalone(text.encode()), keep_depth=100)

    def name(element: Element) -> str:
        return f"{{{element.ns}}}{element.name}" if element.ns else element.name

    def compare(ours: Element, theirs: ElementTree.Element) -> None:
        assert name(ours) == theirs.tag
        assert len(ours.elements) == len(theirs)
        text = (theirs.text or "") + "".join(child.tail or "" for child in theirs)
        assert ours.text == text
        for child, their_child in zip(ours.elements, theirs, strict=True):
            compare(child, their_child)

    compare(root, oracle(standalone(text.encode())))


@given(text=elements())
def test_standalone_element_declares_every_prefix(text: str) -> None:
    mended = standalone(text.encode())

    oracle(mended)
    assert standalone(mended) == mended


def as_written(raw: bytes, **depths: int) -> Element | None:
    """Read an element with the stream parser: names of attributes keep their prefixes."""
    parsed: list[Element] = []
    limits = {"max_bytes": 10_000, "max_depth": 100, "keep_depth": 100} | depths
    parser = Parser(lambda element, _: parsed.append(element), level=0, **limits)
    parser.feed(raw, final=True)
    return parsed[0] if parsed else None


@given(text=elements())
def test_standalone_adds_only_declarations(text: str) -> None:
    raw = text.encode()
    mended = standalone(raw)

    before, after = as_written(raw), as_written(mended)
    assert before
    assert after
    added = after.attributes.keys() - before.attributes.keys()
    assert all(name.startswith("xmlns:") for name in added)
    assert len(mended) - len(raw) == sum(
        len(f" {name}='{after.attributes[name]}'".encode()) for name in added
    )


MARKUP = [
    *(b"<a>", b"</a>", b"<a", b"/>", b">", b"<p:a", b" p:x=''", b" x='1'", b" xmlns:p='n'"),
    *(b" xmlns:p=''", b" xmlns='undeclared:p'", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x"),
    *(b"?>", b"&#1;", b"&lt;", b"&e;", b"<!DOCTYPE a [", b"<!ENTITY e 'x'>", b"]>", b"t", b" "),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"\xed\xa0\x80", b"<\0a\0>\0", b"\n"),
]
NOISE = st.lists(st.sampled_from(MARKUP) | st.binary(max_size=4), max_size=20).map(b"".join)


@given(data=NOISE, cuts=CUTS, is_final=st.booleans())
@example(data=b"<a><p:b/></a>", cuts=[], is_final=True)
def test_any_bytes_are_parsed_or_malformed(data: bytes, cuts: list[int], is_final: bool) -> None:
    recorder = Recorder(max_bytes=30, max_depth=4)
    try:
        recorder.read([*pieces_of(b"<s>" + data, cuts), b" "])
        if is_final:
            recorder.parser.feed(b"", final=True)
    except Malformed:
        return

    assert all(raw.startswith(b"<") and raw.endswith(b">") for raw, _ in recorder.stanzas)


@given(data=NOISE)
def test_any_bytes_are_made_standalone_or_malformed(data: bytes) -> None:
    try:
        mended = standalone(data)
    except Malformed:
        return

    oracle(mended)
    assert standalone(mended) == mended


def placed(element: Element) -> tuple[object, ...]:
    """Return the properties of an element that do not depend on the parser."""
    plain = {
        name: value
        for name, value in element.attributes.items()
        if ":" not in name and name != "xmlns" and "\n" not in name
    }
    children = [placed(c) if isinstance(c, Element) else c for c in element.children]
    return element.ns, element.name, plain, element.start, element.end, children


DEPTHS = st.integers(0, 4)


@given(text=elements(), keep_depth=DEPTHS, max_depth=DEPTHS)
def test_document_and_stream_parser_read_an_element_alike(
    text: str, keep_depth: int, max_depth: int
) -> None:
    raw = text.encode()
    slow = as_written(raw, keep_depth=keep_depth, max_depth=max_depth)
    root = read(raw, keep_depth=min(keep_depth, max_depth), max_depth=max_depth)

    if root is not None:
        assert slow is not None
        assert placed(root) == placed(slow)
        assert standalone(raw) == raw
    elif slow is not None and b"<!" not in raw:
        # The document parser reads only elements that stand alone.
        assert not stands_alone(raw)


def stands_alone(raw: bytes) -> bool:
    try:
        return standalone(raw) == raw
    except Malformed:
        return False


@given(text=elements(), noise=NOISE, place=st.floats(0, 1))
def test_damaged_document_is_refused_or_read_alike(text: str, noise: bytes, place: float) -> None:
    whole = text.encode()
    cut = int(place * len(whole))
    raw = whole[:cut] + noise + whole[cut:]
    root = read(raw, keep_depth=2, max_depth=4)
    if root is None:
        return

    slow = as_written(raw, keep_depth=2, max_depth=4)
    assert slow is not None
    assert placed(root) == placed(slow)
    assert standalone(raw) == raw
