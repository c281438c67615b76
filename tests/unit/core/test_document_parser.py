"""Documents that the document parser reads, and those that it leaves to the stream parser."""

from __future__ import annotations

import gc

import pytest

from component.core.xml.document_parser import parse, read
from component.core.xml.stream_parser import Element, Malformed


def root_of(text: str, *, keep_depth: int = 1, max_depth: int = 8) -> Element | None:
    return read(text.encode(), keep_depth=keep_depth, max_depth=max_depth)


def test_elements_have_their_namespaces() -> None:
    root = root_of("<a xmlns='urn:a' xmlns:p='urn:p'><p:b/><c/><d xmlns=''/><xml:e/></a>")

    assert root is not None
    names = [(element.ns, element.name) for element in (root, *root.elements)]
    xml = "http://www.w3.org/XML/1998/namespace"
    assert names == [("urn:a", "a"), ("urn:p", "b"), ("urn:a", "c"), ("", "d"), (xml, "e")]


def test_attributes_without_a_prefix_are_read_by_name() -> None:
    root = root_of("<a xmlns='urn:a' b='&lt;1' xml:lang='en'/>")

    assert root is not None
    assert (root.get("b"), root.get("lang"), root.get("c")) == ("<1", "", "")


PAYLOADS = [
    "<b/>",
    "<b  c='/>'  />",
    "<b></b>",
    "<b c='/>'></b >",
    "<b>/></b>",
    "<b><c/></b>",
    "<b><b/></b>",
    "<b><c/>/></b\n>",
    "<b>\u00e9 &#x1F600;<c><d/></c></b>",
]


@pytest.mark.parametrize("keep_depth", [1, 2, 3])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_children_have_their_byte_ranges(payload: str, keep_depth: int) -> None:
    text = f"<a>\u00e9{payload}text{payload}</a>"
    root = root_of(text, keep_depth=keep_depth)

    assert root is not None
    raw = text.encode()
    slices = [raw[element.start : element.end].decode() for element in (root, *root.elements)]
    assert slices == [text, payload, payload]


def test_children_below_keep_depth_are_kept_as_bytes_only() -> None:
    root = root_of("<a>1<b>2<c>3</c>4</b>5</a>")

    assert root is not None
    assert (root.text, root.elements[0].text, root.elements[0].elements) == ("15", "24", [])


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_document_above_the_depth_limit_is_refused(depth: int) -> None:
    text = "<a>" * (depth + 1) + "</a>" * (depth + 1)

    assert root_of(text, max_depth=depth) is not None
    assert root_of(f"<a>{text}</a>", max_depth=depth) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        " <a/>",
        "\ufeff<a/>",
        "<?xml version='1.0'?><a/>",
        "<a><?b?></a>",
        "<!DOCTYPE a><a/>",
        "<a><!----></a>",
        "<a><![CDATA[b]]></a>",
        "<a>&nbsp;</a>",
        "<a>\0</a>",
        "<a>\uffff</a>",
        "<a",
        "<a>",
        "<a/><b/>",
        "<a/>text",
        "<a></b>",
        "<a b='1' b='2'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<a xmlns:p='urn:p' xmlns:q='urn:p' p:b='1' q:b='2'/>",
        "<a xmlns='b&#10;c'/>",
    ],
)
def test_document_that_only_the_stream_parser_may_read_is_refused(text: str) -> None:
    assert root_of(text) is None


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_document_that_is_not_utf_8_is_malformed(encoding: str) -> None:
    raw = "<a>\u00e9</a>".encode(encoding)

    assert read(raw, keep_depth=1, max_depth=8) is None
    with pytest.raises(Malformed):
        parse(raw)


@pytest.mark.parametrize("text", ["<p:a q:b='1'/>", "<a><![CDATA[b]]></a>", "\n<a/>"])
def test_document_refused_at_once_is_read_by_the_stream_parser(text: str) -> None:
    root = parse(text.encode())

    assert (root.name, root.is_bound) == ("a", False)


@pytest.mark.parametrize("text", ["<a/>", "<a>", "<p:a/>"])
def test_parsing_leaves_no_cycles(text: str) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(10):
            root_of(text)
        # Other threads may leave a few objects; a cycle for each parsing would be ten or more.
        assert gc.collect() < 10
    finally:
        gc.enable()
