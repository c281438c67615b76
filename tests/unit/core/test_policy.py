"""The archiving policy as tables of messages, verdicts and reasons."""

from __future__ import annotations

import pytest
from support.builders import BOB, HOST, ROOM, delay, message, stanza

from component.core.archiving.policy import Policy

ALL = Policy()
STORE = "<store xmlns='urn:xmpp:hints'/>"
NO_STORE = "<no-store xmlns='urn:xmpp:hints'/>"
NO_PERMANENT_STORE = "<no-permanent-store xmlns='urn:xmpp:hints'/>"
NO_COPY = "<no-copy xmlns='urn:xmpp:hints'/>"
RECEIPT = "<received xmlns='urn:xmpp:receipts' id='m0'/>"
REQUEST = "<request xmlns='urn:xmpp:receipts'/>"
DISPLAYED = "<displayed xmlns='urn:xmpp:chat-markers:0' id='m0'/>"
MARKABLE = "<markable xmlns='urn:xmpp:chat-markers:0'/>"
COMPOSING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
FORWARDED = "<forwarded xmlns='urn:xmpp:forward:0'/>"
CARBON = f"<sent xmlns='urn:xmpp:carbons:2'>{FORWARDED}</sent>"
CARBON_IN = f"<received xmlns='urn:xmpp:carbons:2'>{FORWARDED}</received>"
RESULT = f"<result xmlns='urn:xmpp:mam:2' id='x'>{FORWARDED}</result>"
EVENT = "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>"
MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'>{}</x>"
INVITE = MUC_USER.format(f"<invite from='{BOB}'><reason>come</reason></invite>")
DECLINE = MUC_USER.format(f"<decline from='{BOB}'/>")
STATUS = MUC_USER.format("<status code='104'/>")
SUBJECT = "<subject>news</subject>"
HISTORY = delay(ROOM, "2026-01-01T12:00:00Z", "")
OFFLINE = delay(HOST, "2026-01-01T12:00:00Z")

CASES = [
    # XEP-0313 section 5.1.1: at least messages of type normal and chat with a body.
    ("chat with a body", {}, True, "body"),
    ("normal with a body", {"type": "normal"}, True, "body"),
    ("no type is normal", {"type": None}, True, "body"),
    ("an unknown type is normal", {"type": "fancy"}, True, "body"),
    ("groupchat with a body", {"type": "groupchat", "sender": f"{ROOM}/n"}, True, "body"),
    ("headline", {"type": "headline"}, False, "headline"),
    ("error", {"type": "error"}, False, "error"),
    ("error with a hint", {"type": "error", "extra": STORE}, False, "error"),
    ("a body with children around", {"extra": COMPOSING + MARKABLE + REQUEST}, True, "body"),
    (
        "a body of another namespace",
        {"body": None, "extra": "<body xmlns='x'>x</body>"},
        False,
        "",
    ),
    ("nothing at all", {"body": None}, False, "nothing to keep"),
    ("a subject alone", {"body": None, "extra": "<subject>s</subject>"}, False, ""),
    ("a chat state alone", {"body": None, "extra": COMPOSING}, False, "nothing to keep"),
    # XEP-0334
    ("no-store", {"extra": NO_STORE}, False, "no-store"),
    ("no-permanent-store", {"extra": NO_PERMANENT_STORE}, False, "no-store"),
    ("no-copy is about carbons", {"extra": NO_COPY}, True, "body"),
    ("store without a body", {"body": None, "extra": STORE + COMPOSING}, True, "store"),
    ("store with headline", {"type": "headline", "extra": STORE}, True, "store"),
    ("store and no-store", {"extra": STORE + NO_STORE}, False, "no-store"),
    ("no-permanent-store and store", {"extra": NO_PERMANENT_STORE + STORE}, False, "no-store"),
    ("no-copy and store", {"body": None, "extra": NO_COPY + STORE}, True, "store"),
    (
        "a marker that asks to be stored",
        {"body": None, "extra": DISPLAYED + STORE},
        True,
        "marker",
    ),
    ("an error with all hints", {"type": "error", "extra": STORE + NO_STORE}, False, "error"),
    ("a hint of another namespace", {"extra": "<no-store xmlns='x'/>"}, True, "body"),
    # Copies and archive results
    ("sent carbon", {"body": None, "extra": CARBON}, False, "copy"),
    ("received carbon", {"body": None, "extra": CARBON_IN}, False, "copy"),
    ("carbon with a body and a hint", {"extra": CARBON + STORE}, False, "copy"),
    ("archive result", {"body": None, "extra": RESULT}, False, "copy"),
    ("pubsub event", {"body": None, "extra": EVENT, "type": "headline"}, False, "copy"),
    ("a forwarded message is a message", {"extra": FORWARDED}, True, "body"),
    # Without a body
    ("invitation by a room", {"body": None, "extra": INVITE}, True, "invitation"),
    ("refused invitation", {"body": None, "extra": DECLINE}, True, "invitation"),
    ("a status code of a room", {"body": None, "extra": STATUS}, False, "nothing to keep"),
    ("receipt", {"body": None, "extra": RECEIPT}, True, "receipt"),
    ("marker", {"body": None, "extra": DISPLAYED}, True, "marker"),
    ("a request for a marker", {"body": None, "extra": MARKABLE}, False, "nothing to keep"),
    ("a request for a receipt", {"body": None, "extra": REQUEST}, False, "nothing to keep"),
    *(
        (label, {"body": None, "extra": f"<{name} xmlns='{ns}'/>"}, True, reason)
        for label, ns, name, reason in [
            ("omemo", "eu.siacs.conversations.axolotl", "encrypted", "encrypted"),
            ("omemo 2", "urn:xmpp:omemo:2", "encrypted", "encrypted"),
            ("openpgp", "urn:xmpp:openpgp:0", "openpgp", "encrypted"),
            ("old openpgp", "jabber:x:encrypted", "x", "encrypted"),
            ("explicit encryption", "urn:xmpp:eme:0", "encryption", "encrypted"),
            ("correction", "urn:xmpp:message-correct:0", "replace", "correction"),
            ("retraction", "urn:xmpp:message-retract:1", "retract", "retraction"),
            ("reaction", "urn:xmpp:reactions:0", "reactions", "reaction"),
            ("invitation", "jabber:x:conference", "x", "invitation"),
            ("call", "urn:xmpp:jingle-message:0", "propose", "call"),
            ("answered call", "urn:xmpp:jingle-message:0", "proceed", "call"),
            ("ended call", "urn:xmpp:jingle-message:0", "finish", "call"),
        ]
    ),
    # Rooms
    (
        "history on join",
        {"type": "groupchat", "sender": f"{ROOM}/n", "extra": HISTORY},
        False,
        "room history",
    ),
    (
        "history marked by the service",
        {
            "type": "groupchat",
            "sender": f"{ROOM}/n",
            "extra": delay(f"conference.{HOST}", "2026-01-01T12:00:00Z"),
        },
        False,
        "room history",
    ),
    (
        "history with a hint",
        {"type": "groupchat", "sender": f"{ROOM}/n", "extra": HISTORY + STORE},
        False,
        "room history",
    ),
    (
        "a room's message delayed by somebody else",
        {"type": "groupchat", "sender": f"{ROOM}/n", "extra": OFFLINE},
        True,
        "body",
    ),
    ("a private message of a room", {"sender": f"{ROOM}/n", "extra": HISTORY}, True, "body"),
    ("from the offline store", {"extra": OFFLINE}, True, "body"),
]


@pytest.mark.parametrize(
    ("parts", "keep", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_policy_judges_a_message_by_its_payloads(
    parts: dict[str, str | None], keep: bool, reason: str
) -> None:
    verdict = ALL.judge(stanza(message(**parts)))

    assert verdict == (keep, reason or "nothing to keep")


@pytest.mark.parametrize(
    ("policy", "parts", "reason"),
    [
        (Policy(receipts=False), {"body": None, "extra": RECEIPT}, "receipt"),
        (Policy(markers=False), {"body": None, "extra": DISPLAYED}, "marker"),
        (Policy(groupchat=False), {"type": "groupchat", "sender": f"{ROOM}/n"}, "groupchat"),
        (Policy(groupchat=False), {"type": "groupchat", "extra": STORE}, "groupchat"),
        (Policy(markers=False), {"body": None, "extra": DISPLAYED + STORE}, "marker"),
        (Policy(receipts=False), {"body": None, "extra": RECEIPT + STORE}, "receipt"),
    ],
)
def test_payload_that_is_switched_off_is_not_archived(
    policy: Policy, parts: dict[str, str | None], reason: str
) -> None:
    assert policy.judge(stanza(message(**parts))) == (False, reason)


@pytest.mark.parametrize("extra", [RECEIPT, DISPLAYED])
def test_body_is_archived_beside_a_payload_that_is_switched_off(extra: str) -> None:
    policy = Policy(receipts=False, markers=False, groupchat=False)

    assert policy.judge(stanza(message("hi", to=BOB, extra=extra))) == (True, "body")


def test_marker_that_is_switched_off_does_not_hide_a_receipt() -> None:
    verdict = Policy(markers=False).judge(stanza(message(None, extra=RECEIPT + DISPLAYED)))

    assert verdict == (True, "receipt")


def test_receipt_that_is_switched_off_does_not_hide_a_marker() -> None:
    verdict = Policy(receipts=False).judge(stanza(message(None, extra=RECEIPT + DISPLAYED)))

    assert verdict == (True, "marker")


ROOM_CASES = [
    ("a body", {}, True, "body"),
    ("a subject as it changes", {"body": None, "extra": SUBJECT}, True, "subject"),
    (
        "the subject on join",
        {"body": None, "extra": SUBJECT, "id": None},
        False,
        "nothing to keep",
    ),
    ("history", {"extra": HISTORY}, False, "room history"),
    ("a subject with no-store", {"body": None, "extra": SUBJECT + NO_STORE}, False, "no-store"),
    ("a change of configuration", {"body": None, "extra": STATUS}, False, "nothing to keep"),
]


@pytest.mark.parametrize(
    ("parts", "keep", "reason"),
    [case[1:] for case in ROOM_CASES],
    ids=[case[0] for case in ROOM_CASES],
)
def test_room_archive_has_bodies_and_subjects(
    parts: dict[str, str | None], keep: bool, reason: str
) -> None:
    room_stanza = stanza(message(**({"type": "groupchat", "sender": f"{ROOM}/n"} | parts)))

    assert ALL.judge_for_room(room_stanza) == (keep, reason)


def test_room_archive_has_messages_if_groupchat_is_off_for_users() -> None:
    room_stanza = stanza(message(type="groupchat", sender=f"{ROOM}/n"))

    assert Policy(groupchat=False).judge_for_room(room_stanza) == (True, "body")
