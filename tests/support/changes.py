"""Messages that change earlier ones, as clients write them: corrections and retractions."""

from __future__ import annotations

from support.archives import correct, retract
from support.raw import Client

#: The text that clients show which do not understand retractions (XEP-0428).
RETRACTED = "This person tried to retract a message."

FALLBACK = (
    "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>"
    "<store xmlns='urn:xmpp:hints'/>"
)


async def say_and_correct(
    sender: Client, to: str, wrong: str, right: str, *, seen_by: Client, type: str = "chat"
) -> None:
    """Say something wrong, then correct it."""
    id = sender.say(to, wrong, type=type)
    await seen_by.wait_for_body(wrong)
    sender.say(to, right, type=type, extra=correct(id))
    await seen_by.wait_for_body(right)


async def say_and_retract(sender: Client, to: str, text: str, *, seen_by: Client) -> None:
    """Say something in a chat, then retract it."""
    id = sender.say(to, text)
    await seen_by.wait_for_body(text)
    retraction = sender.say(to, RETRACTED, extra=retract(id) + FALLBACK)
    await seen_by.wait_for(lambda stanza: stanza.get("id") == retraction)
