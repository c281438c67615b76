"""The policy decides on every stanza with a reason, and never archives one with no-store."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from component.core.archiving.policy import Policy
from component.core.xml.document_parser import parse
from component.core.xml.stanza import Stanza

KNOWN_PAYLOADS = [
    ("jabber:client", "body"),
    ("jabber:client", "subject"),
    ("urn:xmpp:hints", "store"),
    ("urn:xmpp:hints", "no-store"),
    ("urn:xmpp:hints", "no-permanent-store"),
    ("urn:xmpp:hints", "no-copy"),
    ("urn:xmpp:mam:2", "result"),
    ("urn:xmpp:carbons:2", "sent"),
    ("urn:xmpp:carbons:2", "received"),
    ("urn:xmpp:receipts", "received"),
    ("urn:xmpp:chat-markers:0", "displayed"),
    ("urn:xmpp:eme:0", "encryption"),
    ("urn:xmpp:reactions:0", "reactions"),
    ("urn:xmpp:jingle-message:0", "propose"),
    ("http://jabber.org/protocol/pubsub#event", "event"),
]
PAYLOADS = st.frozensets(
    st.sampled_from(KNOWN_PAYLOADS) | st.tuples(st.text(), st.text()), max_size=6
)
ADDRESSES = st.text(max_size=20) | st.sampled_from(
    ["a@example.org/r", "room@conference.example.org/n", "conference.example.org", ""]
)
POLICIES = st.builds(
    Policy, groupchat=st.booleans(), receipts=st.booleans(), markers=st.booleans()
)
STANZAS = st.builds(
    Stanza,
    sender=ADDRESSES,
    recipient=ADDRESSES,
    id=st.text(max_size=3),
    type=st.sampled_from(["chat", "normal", "groupchat", "headline", "error"]) | st.text(),
    payloads=PAYLOADS,
    body=st.none() | st.text(max_size=3),
    delays=st.lists(st.tuples(ADDRESSES, st.integers()), max_size=3).map(tuple),
    digest=st.just(b""),
    raw=st.just(b""),
    element=st.just(parse(b"<message/>")),
)


@given(policy=POLICIES, stanza=STANZAS)
def test_every_decision_of_the_policy_has_a_reason(policy: Policy, stanza: Stanza) -> None:
    keep, reason = policy.judge(stanza)

    assert isinstance(keep, bool)
    assert reason


@given(policy=POLICIES, stanza=STANZAS)
def test_decision_does_not_depend_on_the_order_of_payloads(policy: Policy, stanza: Stanza) -> None:
    reordered = stanza._replace(payloads=frozenset(sorted(stanza.payloads, reverse=True)))

    assert policy.judge(reordered) == policy.judge(stanza)


@given(policy=POLICIES, stanza=STANZAS, hint=st.sampled_from(KNOWN_PAYLOADS[3:5]))
def test_stanza_with_no_store_is_never_archived(
    policy: Policy, stanza: Stanza, hint: tuple[str, str]
) -> None:
    keep, _ = policy.judge(stanza._replace(payloads=stanza.payloads | {hint}))

    assert keep is False


@given(policy=POLICIES, stanza=STANZAS)
def test_error_is_never_archived(policy: Policy, stanza: Stanza) -> None:
    assert policy.judge(stanza._replace(type="error")) == (False, "error")


@given(policy=POLICIES, stanza=STANZAS)
def test_body_never_prevents_archiving(policy: Policy, stanza: Stanza) -> None:
    with_body = stanza._replace(payloads=stanza.payloads | {("jabber:client", "body")})

    assert policy.judge(with_body)[0] >= policy.judge(stanza)[0]


@given(policy=POLICIES, stanza=STANZAS)
def test_archive_of_a_room_keeps_every_stanza_that_occupants_keep(
    policy: Policy, stanza: Stanza
) -> None:
    assert policy.judge_for_room(stanza)[0] >= policy.judge(stanza)[0]


@given(policy=POLICIES, stanza=STANZAS)
def test_store_hint_never_prevents_archiving(policy: Policy, stanza: Stanza) -> None:
    with_hint = stanza._replace(payloads=stanza.payloads | {("urn:xmpp:hints", "store")})

    assert policy.judge(with_hint)[0] >= policy.judge(stanza)[0]


@given(stanza=STANZAS)
def test_disabled_options_archive_no_further_stanza(stanza: Stanza) -> None:
    minimal = Policy(groupchat=False, receipts=False, markers=False)

    assert minimal.judge(stanza)[0] <= Policy().judge(stanza)[0]
