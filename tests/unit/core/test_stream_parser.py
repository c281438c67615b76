"""The stream parser: elements of a stream, its limits, and standalone documents."""

from __future__ import annotations

import tracemalloc
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest

from component.core.xml.document_parser import parse
from component.core.xml.namespaces import standalone
from component.core.xml.stream_parser import ENDLESS, Element, Malformed, Parser, cut

STREAM = b"<stream:stream xmlns='ns' xmlns:stream='s' xmlns:p='urn:p'>"


@dataclass
class Recorder:
    """A parser, and the elements that it reported."""

    max_bytes: int = 10_000
    max_depth: int = 20
    keep_depth: int = 20
    raws: list[bytes] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = Parser(
            self._hear,
            level=1,
            max_bytes=self.max_bytes,
            max_depth=self.max_depth,
            keep_depth=self.keep_depth,
        )

    def _hear(self, element: Element, raw: bytes) -> None:
        self.elements.append(element)
        self.raws.append(raw)

    def feed(self, data: bytes, size: int | None = None) -> Recorder:
        for start in range(0, len(data), size or len(data)):
            self.parser.feed(data[start : start + (size or len(data))])
        return self


STANZAS = [
    b"<a/>",
    b"<a />",
    b"<a\n\t/>",
    b"<a></a>",
    b"<a></a \n>",
    b"<a x='/>' y=\">\" z = 'w'/>",
    b"<a x='/>'></a>",
    b"<a>/></a>",
    b"<a>text</a>",
    b"<a><b/></a>",
    b"<a><b/>/></a>",
    b"<a><b/>\n</a>",
    b"<a><b x='/>'/><c></c>t<d><e/></d></a>",
    b"<a><![CDATA[</a> <b/> > ]]></a>",
    b"<a><![CDATA[/>]]></a>",
    b"<a>&lt;&amp;&#x1F600;&gt;</a>",
    "<ä ö='ü'>\U0001f600</ä>".encode(),
    b"<p:a><p:b p:c='d'/></p:a>",
    b"<q:a/>",
    b"<a q:x=''/>",
]


@pytest.mark.parametrize("raw", STANZAS)
@pytest.mark.parametrize("size", [None, 1, 2, 3, 5])
def test_element_comes_with_exactly_its_bytes(raw: bytes, size: int | None) -> None:
    recorder = Recorder().feed(STREAM + b"\n" + raw + b" <next/> " + raw, size)

    assert recorder.raws == [raw, b"<next/>", raw]


@pytest.mark.parametrize("raw", STANZAS)
def test_element_is_reported_as_soon_as_it_ends(raw: bytes) -> None:
    recorder = Recorder().feed(STREAM + raw, 1)

    assert recorder.raws == [raw]


@pytest.mark.parametrize("raw", [raw for raw in STANZAS if b"q:" not in raw])
def test_element_is_parsed_like_elementtree(raw: bytes) -> None:
    def parts_of(element: Element) -> tuple[object, ...]:
        plain = {k: v for k, v in element.attributes.items() if ":" not in k}
        return (
            element.ns,
            element.name,
            plain,
            element.text,
            [parts_of(e) for e in element.elements],
        )

    def expected(element: ElementTree.Element) -> tuple[object, ...]:
        ns, _, name = element.tag[1:].partition("}")
        plain = {k: v for k, v in element.attrib.items() if "}" not in k}
        text = (element.text or "") + "".join(child.tail or "" for child in element)
        return ns, name, plain, text, [expected(child) for child in element]

    recorder = Recorder().feed(STREAM + raw)
    [root] = ElementTree.fromstring(STREAM + raw + b"</stream:stream>")  # noqa: S314 - our own text

    assert parts_of(recorder.elements[0]) == expected(root)


def test_children_are_cut_out_of_the_bytes_of_their_parent() -> None:
    raw = b"<a><b>1</b> <b x='>'/><c><d>\xc3\xa4</d></c></a>"
    recorder = Recorder().feed(STREAM + b"<first/>" + raw, 4)
    [element] = recorder.elements[1:]

    cuts = [cut(raw, element, child) for child in element.elements]
    inner = element.elements[2].elements[0]

    assert [*cuts, cut(raw, element, inner)] == [
        b"<b>1</b>",
        b"<b x='>'/>",
        b"<c><d>\xc3\xa4</d></c>",
        b"<d>\xc3\xa4</d>",
    ]


def test_nearest_declaration_of_a_prefix_applies() -> None:
    root = parse(b"<a xmlns:p='1'><p:b xmlns:p='2'><p:c/></p:b><p:d/></a>")
    b, d = root.elements

    assert (b.ns, b.elements[0].ns, d.ns) == ("2", "2", "1")


def test_default_namespace_is_inherited_until_it_is_changed() -> None:
    root = parse(b"<a xmlns='1'><b/><c xmlns=''><d/></c><e xmlns='2'><f/></e></a>")
    b, c, e = root.elements

    assert [b.ns, c.ns, c.elements[0].ns, e.ns, e.elements[0].ns] == ["1", "", "", "2", "2"]


def test_undeclared_prefix_does_not_end_the_stream() -> None:
    recorder = Recorder().feed(STREAM + b"<q:a><q:b/></q:a><c/>")

    assert recorder.raws == [b"<q:a><q:b/></q:a>", b"<c/>"]


@pytest.mark.parametrize("ns", ["jabber:client", "urn:p", ""])
def test_undeclared_prefix_has_a_namespace_of_its_own(ns: str) -> None:
    assert parse(b"<q:message/>").ns != ns


def test_child_is_found_by_namespace_and_name() -> None:
    root = parse(b"<a xmlns='1'><b xmlns='2' n='0'/><b n='1'/><b n='2'/></a>")

    child = root.child("1", "b")
    assert child is not None
    assert child.get("n") == "1"


def test_missing_child_is_none() -> None:
    assert parse(b"<a xmlns='1'><b><c/></b></a>").child("1", "c") is None


def test_root_has_its_attributes() -> None:
    recorder = Recorder().feed(b"<?xml version='1.0'?><s:stream xmlns:s='n' id='x'>")

    root = recorder.parser.root
    assert root is not None
    assert (root.ns, root.name, root.get("id")) == ("n", "stream", "x")


def test_end_of_the_root_is_reported() -> None:
    recorder = Recorder().feed(STREAM + b"<a/>")
    before = recorder.parser.is_closed
    recorder.feed(b"</stream:stream>")

    assert (before, recorder.parser.is_closed) == (False, True)


# Size and depth limits


@pytest.mark.parametrize("size", [None, 1, 7, 64])
@pytest.mark.parametrize(("length", "skipped"), [(99, 0), (100, 0), (101, 1), (5000, 1)])
def test_size_limit_is_exact_for_any_chunk_size(
    size: int | None, length: int, skipped: int
) -> None:
    raw = b"<a>" + b"x" * (length - 7) + b"</a>"
    recorder = Recorder(max_bytes=100).feed(STREAM + b"<b/>" + raw + b"<c/>" + raw + b"<d/>", size)

    assert recorder.parser.skipped == skipped * 2
    assert [r for r in recorder.raws if r != raw] == [b"<b/>", b"<c/>", b"<d/>"]


@pytest.mark.parametrize("size", [None, 1, 7])
@pytest.mark.parametrize(("depth", "skipped"), [(4, 0), (5, 0), (6, 1), (500, 1)])
def test_depth_limit_is_exact_for_any_chunk_size(
    size: int | None, depth: int, skipped: int
) -> None:
    raw = b"<a>" * depth + b"</a>" * depth
    recorder = Recorder(max_depth=5).feed(STREAM + b"<b/>" + raw + b"<c/>", size)

    assert (recorder.parser.skipped, recorder.raws[0], recorder.raws[-1]) == (
        skipped,
        b"<b/>",
        b"<c/>",
    )
    assert (raw in recorder.raws) is (skipped == 0)


def test_siblings_do_not_count_as_depth() -> None:
    raw = b"<a>" + b"<b><c/></b>" * 50 + b"</a>"

    assert Recorder(max_depth=3).feed(STREAM + raw).raws == [raw]


def test_children_below_keep_depth_are_kept_as_bytes_only() -> None:
    raw = b"<a>1<b>2<c>3<d/>4</c>5</b>6</a>"
    recorder = Recorder(keep_depth=2).feed(STREAM + raw, 3)
    [a] = recorder.elements
    [b] = a.elements

    assert (recorder.raws, a.text, b.text, b.elements) == ([raw], "16", "25", [])


@pytest.mark.parametrize("raw", STANZAS)
@pytest.mark.parametrize("keep_depth", [1, 2])
def test_element_has_all_its_bytes_at_any_keep_depth(raw: bytes, keep_depth: int) -> None:
    recorder = Recorder(keep_depth=keep_depth).feed(STREAM + raw + raw)

    assert recorder.raws == [raw, raw]


def test_element_with_a_rejected_child_is_left_out_and_the_next_one_passes() -> None:
    reported: list[bytes] = []
    parser = Parser(
        lambda _, raw: reported.append(raw),
        level=1,
        max_bytes=1000,
        max_depth=10,
        keep_depth=2,
        unwanted=frozenset({("urn:x", "dull")}),
    )
    dull = b"<a><dull xmlns='urn:x'><b/></dull><c/></a>"
    passing = [b"<a><dull/></a>", b"<a><b><dull xmlns='urn:x'/></b></a>", b"<dull xmlns='urn:x'/>"]
    parser.feed(b"<stream>" + dull + b"".join(passing) + dull)

    assert reported == passing
    assert parser.skipped == 0


def test_skipped_bytes_are_not_kept_in_memory() -> None:
    recorder = Recorder(max_bytes=1000).feed(STREAM + b"<a>")
    tracemalloc.start()
    for _ in range(100):
        recorder.feed(b"<b>" + b"x" * 50_000 + b"</b>")
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 500_000


def test_spaces_between_stanzas_are_not_kept_in_memory() -> None:
    recorder = Recorder().feed(STREAM)
    tracemalloc.start()
    for _ in range(100):
        recorder.feed(b" " * 50_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 500_000


def test_thousands_of_prefixes_take_memory_in_proportion_to_their_bytes() -> None:
    prefixes = b"".join(b" xmlns:p%d='n'" % n for n in range(2000))
    raw = b"<a" + prefixes + b">" + b"<b xmlns:q='n'/>" * 2000 + b"</a>"
    recorder = Recorder(max_bytes=len(raw))
    tracemalloc.start()
    recorder.feed(STREAM + raw)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 100 * len(raw)


@pytest.mark.parametrize("endless", [b"<a x='", b"<a ", b"<aaa", b"</aaa", b"&aaa"])
def test_markup_without_an_end_is_malformed(endless: bytes) -> None:
    recorder = Recorder(max_bytes=100).feed(STREAM + b"<a>" + endless)

    with pytest.raises(Malformed):
        recorder.feed(b"a" * 100 * (ENDLESS + 2), 50)


# Malformed streams


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE s [<!ENTITY e 'x'>]><s>",
        b"<!DOCTYPE s SYSTEM 'file:///etc/passwd'><s>",
        STREAM + b"<!-- c -->",
        STREAM + b"<a><!-- c --></a>",
        STREAM + b"<?pi x?>",
        STREAM + b"<a><?pi x?></a>",
        STREAM + b"<a>&undeclared;</a>",
        STREAM + b"<a>&#0;</a>",
        STREAM + b"<a>&#xD800;</a>",
        STREAM + b"<a>\x00</a>",
        STREAM + b"<a>\x01</a>",
        STREAM + b"<a>\xff</a>",
        STREAM + b"<a>\xed\xa0\x80</a>",
        STREAM + b"<a>\xc0\xaf</a>",
        STREAM + b"<a>]]></a>",
        STREAM + b"<a x='1' x='2'/>",
        STREAM + b"<a x=1/>",
        STREAM + b"<a x='<'/>",
        STREAM + b"<a></b>",
        STREAM + b"</stream:stream><a/>",
        "<s><a/></s>".encode("utf-16"),
        "<s><a/></s>".encode("utf-16-le"),
        "<s><a/></s>".encode("utf-16-be"),
        b"text",
    ],
)
def test_markup_that_is_not_xmpp_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        Recorder().feed(data + b" ")


@pytest.mark.parametrize(
    "text", [b"", b" ", b"<a>", b"<a/><b/>", b"<a/>x", b"a", b"<a", b"<!-- c --><a/>"]
)
def test_text_without_a_document_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        parse(text)


# Standalone documents


@pytest.mark.parametrize(
    "raw",
    [
        b"<a/>",
        b"<a xmlns='x'><b xml:lang='de'/></a>",
        b"<p:a xmlns:p='x' p:y=''><p:b/></p:a>",
        b"<a><p:b xmlns:p='x'/></a>",
        b"<xml:a/>",
        b"<a x='q:y'>q:z</a>",
        b"<a xmlns='not a {real} namespace'/>",
    ],
)
def test_standalone_document_is_unchanged(raw: bytes) -> None:
    assert standalone(raw) == raw


@pytest.mark.parametrize(
    ("raw", "added"),
    [
        (b"<q:a/>", [b"q"]),
        (b"<a q:x=''/>", [b"q"]),
        (b"<a><q:b r:x=''/></a>", [b"q", b"r"]),
        (b"<a\n x='y'><q:b/></a>", [b"q"]),
        (b"<a><q:b xmlns:q='x'/><q:c/></a>", [b"q"]),
        ("<a><ü:b/></a>".encode(), ["ü".encode()]),
        (b"<a><xml:b/><q:c/></a>", [b"q"]),
        (b"<a><b xml:lang='de'/><q:c/></a>", [b"q"]),
    ],
)
def test_undeclared_prefixes_are_declared_in_the_start_tag(raw: bytes, added: list[bytes]) -> None:
    name, space, remainder = raw.partition(b"\n" if b"\n" in raw else b" ")
    if b">" in name or not space:
        name, space, remainder = raw.partition(b">" if raw[2:3] == b">" else b"/")
    declarations = b"".join(b" xmlns:%b='urn:muniment:undeclared:%b'" % (p, p) for p in added)

    assert standalone(raw) == name + declarations + space + remainder


def test_namespace_that_looks_like_a_missing_prefix_declares_nothing() -> None:
    raw = b"<a><q:b/><c xmlns='undeclared:other'/></a>"

    assert b"xmlns:other" not in standalone(raw)


@pytest.mark.parametrize(
    "namespace",
    [
        "undeclared:x='' y",
        "undeclared:p='u'/&gt;&lt;message from='admin@example.org'/&gt;&lt;a ",
        "undeclared:",
        "undeclared:&#x09;x",
    ],
)
def test_namespace_is_escaped(namespace: str) -> None:
    raw = f'<a><q:b/><c xmlns="{namespace}"/></a>'.encode()

    root = ElementTree.fromstring(standalone(raw))  # noqa: S314 - nothing in it is expanded

    assert (root.tag, root.attrib, len(root)) == ("a", {}, 2)


@pytest.mark.parametrize(
    "raw",
    [
        b"<a><q:b/><c xmlns:x='u' xmlns:y='u' x:z='' y:z=''/></a>",
        b"<a><q:b/><c xmlns:x=''/></a>",
        b"<a><q:b/><c xmlns:xml='u'/></a>",
        b"<a><q:b/><c xmlns:xmlns='u'/></a>",
        b"<a><q:b/><xmlns:c/></a>",
        b"<a><q:b/><c:d:e/></a>",
        b"<a><q:b/><:c/></a>",
        b"<a xmlns:x='u' xmlns:y='u' x:z='' y:z=''/>",
        b"<a xmlns:x=''/>",
        b"<a xmlns='x&#10;y'/>",
        b"<q:a>",
        b"<q:a/><b/>",
        b"<?xml version='1.0'?><q:a/>",
        b"",
    ],
)
def test_document_with_other_errors_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        standalone(raw)


def test_deep_element_with_undeclared_prefixes_takes_little_memory() -> None:
    raw = b"".join(b"<a xmlns:p%d='n'>" % n for n in range(4000)) + b"<q:b/>" + b"</a>" * 4000
    tracemalloc.start()
    standalone(raw)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 100 * len(raw)
