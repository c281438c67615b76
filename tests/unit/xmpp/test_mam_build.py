"""The XML of archive results, of `<fin/>`, of metadata and of the form."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from support.wire import (
    NS_CLIENT,
    NS_DELAY,
    NS_FORM,
    NS_FORWARD,
    NS_MAM,
    NS_RSM,
    chat,
    element_at,
    parsed,
)

from component.xmpp.archive.mam_form import FIELDS, form_xml
from component.xmpp.archive.mam_results import fin_xml, metadata_xml, results_xml
from storage.rows import ArchivedMessage, Direction, Kind, Page

HOSTILE = [
    "",
    "f27",
    "'",
    '"',
    "'\"",
    "<>&",
    "' id='other",
    "'/><evil xmlns='urn:evil'/><x a='",
    "]]>",
    "&amp;",
    "&#10;",
    " \t\n\r ",
    "\u00e9\U0001f600\u2028\u202e",
    "x" * 10_000,
]


def stored(xml: str = chat("hello"), at: int = 1_767_225_600_123_456) -> ArchivedMessage:
    return ArchivedMessage(
        id="HMlwsHKLYIVm85h2nU8PRA",
        at=at,
        peer="bob@example.org",
        resource="",
        type="chat",
        direction=Direction.SENT,
        xml=xml,
        nick="",
    )


def result_xml(message: ArchivedMessage, queryid: str | None) -> str:
    [text] = results_xml([message], queryid)
    return text


def fin(
    *messages: ArchivedMessage,
    complete: bool = False,
    count: int | None = None,
    index: int | None = None,
    backwards: bool = False,
) -> ET.Element:
    page = Page(messages=messages, complete=complete, index=index, count=count)
    return parsed(fin_xml(page, backwards=backwards))


@pytest.mark.parametrize("queryid", HOSTILE)
def test_query_id_is_repeated_with_any_characters(queryid: str) -> None:
    result = parsed(result_xml(stored(), queryid))

    assert result.attrib == {"queryid": queryid, "id": "HMlwsHKLYIVm85h2nU8PRA"}


def test_result_has_no_query_id_if_the_query_had_none() -> None:
    result = parsed(result_xml(stored(), None))

    assert result.attrib == {"id": "HMlwsHKLYIVm85h2nU8PRA"}


def test_result_has_the_message_in_a_forwarded_element() -> None:
    result = parsed(result_xml(stored(), None))

    message = element_at(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message")
    canonical, expected = (
        ET.canonicalize(xml, rewrite_prefixes=True)
        for xml in (ET.tostring(message), chat("hello"))
    )
    assert canonical == expected


def test_message_is_returned_byte_for_byte() -> None:
    xml = chat("a  b &#x1F600; &lt;", extra='<x\n a = "1"  />')

    assert xml in result_xml(stored(xml), "q")


@pytest.mark.parametrize(
    "xml",
    [
        "<message><body/></message>",
        "<message/>",
        "<message id='a>b'/>",
        "<message id='a>b' xmlns='jabber:client'/>",
        "<message\nxmlns='jabber:client'/>",
        "<message\txmlns = 'jabber:client'\n/>",
        '<message id=" xmlns=" to=\'"\'/>',
        '<message id=" xmlns=\'jabber:client\'" to="x"/>',
        "<message id='&quot;' xmlns='jabber:client'/>",
        "<message id='x' type='chat' xmlns='jabber:client'/>",
        "<message id='x'><body xmlns='jabber:client'/></message>",
        "<message xmlns:x='urn:x' x:y='1'/>",
        "<c:message xmlns:c='jabber:client'/>",
    ],
)
def test_posted_message_is_returned_in_the_namespace_of_clients(xml: str) -> None:
    """A result that is not well-formed would end the stream at each query of this page."""
    result = parsed(result_xml(stored(xml), None))

    assert result.find(f"{{{NS_FORWARD}}}forwarded/{{{NS_CLIENT}}}message") is not None


@pytest.mark.parametrize(
    ("at", "stamp"),
    [
        (1_767_225_600_123_456, "2026-01-01T00:00:00.123456Z"),
        (0, "1970-01-01T00:00:00.000000Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_result_has_the_time_of_receipt(at: int, stamp: str) -> None:
    result = parsed(result_xml(stored(at=at), None))

    delay = element_at(result, f"{{{NS_FORWARD}}}forwarded/{{{NS_DELAY}}}delay")
    assert delay.attrib == {"stamp": stamp}


def test_fin_names_the_first_and_the_last_id() -> None:
    first, last = stored()._replace(id="first"), stored()._replace(id="last")

    page = element_at(fin(first, stored(), last), f"{{{NS_RSM}}}set")
    assert [(child.tag, child.text) for child in page] == [
        (f"{{{NS_RSM}}}first", "first"),
        (f"{{{NS_RSM}}}last", "last"),
    ]


def test_fin_of_an_empty_page_has_no_ids() -> None:
    assert list(element_at(fin(), f"{{{NS_RSM}}}set")) == []


def test_fin_has_the_count_if_known() -> None:
    assert fin(count=0).findtext(f"{{{NS_RSM}}}set/{{{NS_RSM}}}count") == "0"


@pytest.mark.parametrize(("complete", "expected"), [(True, "true"), (False, None)])
def test_fin_is_complete_on_the_last_page(complete: bool, expected: str | None) -> None:
    assert fin(complete=complete).get("complete") == expected


@pytest.mark.parametrize(("index", "expected"), [(0, "0"), (371, "371"), (None, None)])
def test_fin_has_the_index_if_known(index: int | None, expected: str | None) -> None:
    first = element_at(fin(stored(), index=index), f"{{{NS_RSM}}}set/{{{NS_RSM}}}first")

    assert first.get("index") == expected


@pytest.mark.parametrize(
    ("index", "complete", "backwards", "expected"),
    [
        (5, False, True, None),
        (5, False, False, "5"),
        (4, False, True, "4"),
        (5, True, True, "5"),
    ],
)
def test_fin_of_the_last_page_has_no_index_backwards(
    index: int, complete: bool, backwards: bool, expected: str | None
) -> None:
    """slixmpp pages backwards until the index is that of the end, so it would stop too early."""
    element = fin(stored(), index=index, count=6, complete=complete, backwards=backwards)

    assert element_at(element, f"{{{NS_RSM}}}set/{{{NS_RSM}}}first").get("index") == expected


def test_fin_is_stable() -> None:
    assert fin().get("stable") == "true"


def test_result_of_a_blanked_message_has_its_time_only() -> None:
    blanked = stored()._replace(xml="", kind=Kind.BLANKED)

    forwarded = element_at(parsed(result_xml(blanked, "q")), f"{{{NS_FORWARD}}}forwarded")
    assert [child.tag for child in forwarded] == [f"{{{NS_DELAY}}}delay"]


def test_each_result_of_a_page_has_its_own_id() -> None:
    """The common part is built once and must not leak from one result into the next."""
    messages = [stored(at=n)._replace(id=f"id{n}") for n in range(3)]

    results = [parsed(text) for text in results_xml(messages, "q")]
    assert [result.attrib for result in results] == [
        {"queryid": "q", "id": f"id{n}"} for n in range(3)
    ]


def test_metadata_has_the_first_and_the_last_message() -> None:
    first, last = stored(at=0)._replace(id="first"), stored(at=1_000_000)._replace(id="last")

    assert [(bound.tag, bound.attrib) for bound in parsed(metadata_xml((first, last)))] == [
        (f"{{{NS_MAM}}}start", {"id": "first", "timestamp": "1970-01-01T00:00:00.000000Z"}),
        (f"{{{NS_MAM}}}end", {"id": "last", "timestamp": "1970-01-01T00:00:01.000000Z"}),
    ]


def test_metadata_of_an_empty_archive_is_empty() -> None:
    metadata = parsed(metadata_xml(None))

    assert (metadata.tag, list(metadata)) == (f"{{{NS_MAM}}}metadata", [])


def test_form_has_each_field_with_its_type() -> None:
    form = element_at(parsed(form_xml()), f"{{{NS_FORM}}}x")

    assert {field.get("var"): field.get("type") for field in form} == {
        "FORM_TYPE": "hidden",
        **FIELDS,
    }


def test_only_the_list_of_ids_has_open_validation() -> None:
    form = element_at(parsed(form_xml()), f"{{{NS_FORM}}}x")

    assert {field.get("var") for field in form if list(field)} == {"FORM_TYPE", "ids"}


def test_form_has_the_form_type_of_archive_queries() -> None:
    form = parsed(form_xml())

    path = f"{{{NS_FORM}}}x/{{{NS_FORM}}}field[@var='FORM_TYPE']/{{{NS_FORM}}}value"
    assert form.findtext(path) == NS_MAM
