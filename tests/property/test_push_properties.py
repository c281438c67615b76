"""Push: bodies fit whatever their text is, encrypted ones too, and delays keep their limits."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ALICE, BOB, NOON
from support.push import CONTACT, Browser, Request

from component.core.events.reader import ReadableEvent
from component.core.messages.stored import Message
from component.core.push import payload, schedule
from component.core.push.targets import web_push
from component.core.push.values import Content, PushLimits
from component.core.reading.views import ReadableMessage
from component.push.web_push import WebPush
from storage.rows import ArchivedMessage, Direction, Event, PushKind, PushSubscription

BROWSER = Browser("https://push.example/1")
WEB_PUSH = WebPush(ec.generate_private_key(ec.SECP256R1()), CONTACT)


def subscription(content: Content) -> PushSubscription:
    target = web_push(BROWSER.endpoint, BROWSER.keys["p256dh"], BROWSER.keys["auth"])
    return PushSubscription(
        id="subscription-id",
        jid=ALICE,
        sign_in="sign-in",
        kind=PushKind.WEB_PUSH,
        endpoint=target.url,
        secret=target.auth,
        public_key=target.public_key,
        content=content.value,
        events=("message",),
        created_at=0,
        cursor="cursor",
    )


def message(body: str | None, subject: str | None, nick: str) -> ReadableEvent:
    children = "".join(
        f"<{name}>{escape(text)}</{name}>"
        for name, text in (("subject", subject), ("body", body))
        if text is not None
    )
    row = ArchivedMessage(
        id="id",
        at=NOON,
        peer=BOB,
        resource="phone",
        type="chat",
        direction=Direction.RECEIVED,
        xml=f"<message from={quoteattr(BOB)} to={quoteattr(ALICE)} id='m-1'>{children}</message>",
        nick=nick,
    )
    return ReadableEvent(
        event=Event(event_id=1, cursor="cursor", message=row),
        message=ReadableMessage(Message(row)),
        target=None,
        conversation=None,
    )


# No part of a stanza is longer in these characters; a repeated text is as long as a stanza may be.
texts = st.text(
    st.characters(
        codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
    ),
    max_size=50,
)
long_texts = st.builds(lambda text, times: text * times, texts, st.integers(0, 400))


@given(
    body=st.none() | long_texts,
    subject=st.none() | long_texts,
    nick=texts,
    content=st.sampled_from(Content),
)
def test_pushed_event_fits_and_is_decrypted_as_it_was(
    body: str | None, subject: str | None, nick: str, content: Content
) -> None:
    receiver = subscription(content)
    limit = payload.max_bytes(receiver.kind, 1)
    event = payload.body_of(message(body, subject, nick), receiver, unread=1, max_bytes=limit)

    headers, encrypted = WEB_PUSH.request(receiver, event, 1_000_000_000)

    assert len(encrypted) <= 4096
    decrypted = BROWSER.decrypt(Request("/", headers, encrypted))
    assert decrypted == json.loads(event)
    sent = decrypted["data"].get("message")
    assert content is Content.TEXT or sent is None
    if content is Content.TEXT and not decrypted["data"].get("truncated"):
        assert (sent["body"], sent["subject"]) == (body, subject)
    elif sent is not None:
        assert (body or "").startswith(sent["body"])
        # One more character would not have fitted.
        assert len(event) > limit - 16


@given(
    attempts=st.integers(1, 10_000),
    random=st.floats(0, 1),
    retry_after=st.floats(0, 1e12),
    first=st.floats(0.1, 3600),
    longest=st.floats(0.1, 86400),
)
def test_delay_is_within_its_limits(
    attempts: int, random: float, retry_after: float, first: float, longest: float
) -> None:
    limits = PushLimits(retry_seconds=first, retry_max_seconds=longest)

    delay = schedule.delay(attempts, limits, lambda: random, retry_after=retry_after)

    assert min(first, longest) / 2 <= delay <= longest
    assert delay >= min(retry_after, longest)
