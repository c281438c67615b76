"""The table of payloads."""

from __future__ import annotations

import re

import pytest

from component.core.messages.payloads import PAYLOADS, Payload, reference_of
from component.core.xml.document_parser import parse


def test_each_element_has_one_entry_in_the_table() -> None:
    names = [(payload.ns, payload.name) for payload in PAYLOADS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: f"{payload.xep}-{payload.name}")
def test_payload_names_its_xep(payload: Payload) -> None:
    assert re.fullmatch(r"XEP-\d{4}", payload.xep)


def test_receipt_beside_an_apply_to_without_retraction_counts() -> None:
    """XEP-0422 attaches other payloads than retractions, too."""
    message = parse(
        b"<message><apply-to xmlns='urn:xmpp:fasten:0' id='m1'/>"
        b"<received xmlns='urn:xmpp:receipts' id='m2'/></message>",
        keep_depth=3,
    )
    reference = reference_of(message)
    assert reference is not None
    assert (reference.kind, reference.id) == ("received", "m2")
