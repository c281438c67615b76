"""XEP-0334: Message Processing Hints, version 1.0.0, as an archive obeys them."""

from __future__ import annotations

import pytest
from support.wire import ALICE_PHONE, BOB, BOB_PHONE, NS_CLIENT, NS_HINTS, Wire, chat, query


def hint(*names: str) -> str:
    return "".join(f"<{name} xmlns='{NS_HINTS}'/>" for name in names)


@pytest.mark.parametrize("asker", [ALICE_PHONE, BOB_PHONE], ids=["sender", "recipient"])
async def test_message_with_no_permanent_store_is_not_archived(wire: Wire, asker: str) -> None:
    """4.1: "informs entities that they shouldn't store the message in any permanent or
    semi-permanent public or private archive (such as described in [...] Message Archive
    Management)"."""
    wire.log_copy(chat("secret", extra=hint("no-permanent-store")))

    assert (await wire.history(asker)).bodies == []


@pytest.mark.parametrize("asker", [ALICE_PHONE, BOB_PHONE], ids=["sender", "recipient"])
async def test_message_with_no_store_is_not_archived(wire: Wire, asker: str) -> None:
    """4.2: "should not be stored by a server either permanently (as above) or temporarily"."""
    wire.log_copy(chat("secret", extra=hint("no-store")))

    assert (await wire.history(asker)).bodies == []


async def test_message_with_no_copy_is_archived(wire: Wire) -> None:
    """4.3: "should not be copied to addresses other than the one to which it is addressed"."""
    wire.log_copy(chat("hello", extra=hint("no-copy")))

    assert (await wire.history()).bodies == ["hello"]


async def test_message_without_body_with_store_is_archived(wire: Wire) -> None:
    """4.4 (paraphrase): a message with the store hint that is not of type error SHOULD be
    stored."""
    wire.log_copy(
        chat("", extra=f"<x xmlns='urn:x'/>{hint('store')}").replace("<body></body>", "")
    )

    assert len((await wire.history()).results) == 1


async def test_headline_with_store_is_archived(wire: Wire) -> None:
    """4.4 (paraphrase): the hint applies to messages of every type except error."""
    wire.log_copy(chat("news", type="headline", extra=hint("store")))

    assert (await wire.history()).bodies == ["news"]


async def test_store_in_an_error_is_ignored(wire: Wire) -> None:
    """5 (paraphrase): hints SHOULD be ignored in messages of type error."""
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='e' from='{BOB}' to='{ALICE_PHONE}'>"
        f"<body>hello</body>{hint('store')}<error type='cancel'/></message>"
    )

    assert (await wire.history()).results == []


async def test_error_with_body_still_removes_the_bounced_message(wire: Wire) -> None:
    """5 (paraphrase): hints SHOULD be ignored in messages of type error."""
    wire.log_copy(chat("hello"), is_delivered=False)
    wire.log_copy(
        f"<message xmlns='{NS_CLIENT}' type='error' id='m1' from='{BOB}' to='{ALICE_PHONE}'>"
        f"<body>hello</body><error type='cancel'/></message>"
    )

    assert (await wire.history(BOB_PHONE)).bodies == []


async def test_no_store_takes_precedence_over_store(wire: Wire) -> None:
    """The document does not define the precedence of contradictory hints. A message that is not
    stored cannot violate privacy."""
    wire.log_copy(chat("secret", extra=hint("store", "no-store")))

    assert (await wire.history()).bodies == []


async def test_hint_of_another_namespace_is_ignored(wire: Wire) -> None:
    """4: hints are "qualified by the 'urn:xmpp:hints' namespace" (paraphrase)."""
    wire.log_copy(chat("hello", extra="<no-store xmlns='urn:x'/>"))

    assert (await wire.history()).bodies == ["hello"]


async def test_results_have_no_store_and_no_copy(wire: Wire) -> None:
    """4.2 and 4.3 for the sender of hints: results are for one client, and they are stored
    already."""
    wire.say("hello")
    [message] = (await wire.history()).messages

    hints = {child.tag for child in message if child.tag.startswith(f"{{{NS_HINTS}}}")}
    assert hints == {f"{{{NS_HINTS}}}no-store", f"{{{NS_HINTS}}}no-copy"}


async def test_messages_with_no_copy_are_addressed_to_full_jids(wire: Wire) -> None:
    """4.3: "This hint MUST only be included on messages addressed to full JIDs"."""
    wire.say("hello")
    messages = (await wire.history()).messages + (await wire.direct(query())).messages

    assert all("/" in message.get("to", "") for message in messages)
