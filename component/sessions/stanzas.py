"""Messages of users as XML, and stanzas of the server as events of a session."""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement

from component.core.messages.files import (
    NS_FALLBACK,
    NS_METADATA,
    NS_OOB,
    NS_SHARING,
    NS_URL_DATA,
    File,
)
from component.core.messages.payloads import (
    NS_CORRECT,
    NS_MARKERS,
    NS_REACTIONS,
    NS_RECEIPTS,
    NS_REPLY,
    NS_RETRACT,
)
from component.core.messages.replies import quotation
from component.core.sessions import events
from component.core.sessions.outgoing import (
    ChatState,
    Correction,
    Displayed,
    Invitations,
    Outgoing,
    OwnPresence,
    Reactions,
    ReplyTo,
    Retraction,
    Text,
)
from component.core.xml.namespaces import NS_CLIENT
from component.core.xml.stanza import NS_MUC_USER, NS_STANZA_ID

CLIENT: Final = f"{{{NS_CLIENT}}}"
_CARBONS = "{urn:xmpp:carbons:2}"
_CHAT_STATES = "{http://jabber.org/protocol/chatstates}"
_CORRECT = f"{{{NS_CORRECT}}}"
_FALLBACK = f"{{{NS_FALLBACK}}}"
_FORWARD = "{urn:xmpp:forward:0}"
_HINTS = "{urn:xmpp:hints}"
_METADATA = f"{{{NS_METADATA}}}"
_OOB = f"{{{NS_OOB}}}"
_SHARING = f"{{{NS_SHARING}}}"
_URL_DATA = f"{{{NS_URL_DATA}}}"
_MARKERS = f"{{{NS_MARKERS}}}"
_MUC = "{http://jabber.org/protocol/muc}"
_MUC_USER = f"{{{NS_MUC_USER}}}"
_REACTIONS = f"{{{NS_REACTIONS}}}"
_RECEIPTS = f"{{{NS_RECEIPTS}}}"
_REPLY = f"{{{NS_REPLY}}}"
_RETRACT = f"{{{NS_RETRACT}}}"
ROSTER: Final = "{jabber:iq:roster}"
_STANZAS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"
_STANZA_ID = f"{{{NS_STANZA_ID}}}"
_VCARD_UPDATE = "{vcard-temp:x:update}"

#: The status of a presence that a room sends about the user who receives it.
_SELF = "110"


def message(outgoing: Outgoing) -> Element:
    """Return a message of a user."""
    attributes = {"to": outgoing.to, "type": outgoing.type, "id": outgoing.id}
    stanza = Element(f"{CLIENT}message", attributes)
    payload = outgoing.payload
    if isinstance(payload, ChatState):
        SubElement(stanza, _CHAT_STATES + payload)
        SubElement(stanza, f"{_HINTS}no-store")
        return stanza
    if isinstance(payload, Invitations):
        _invite(stanza, payload)
        return stanza
    SubElement(stanza, f"{_STANZA_ID}origin-id", {"id": outgoing.id})
    if isinstance(payload, Text | Correction):
        _say(stanza, payload, asks_receipt=outgoing.room is None)
        return stanza
    if isinstance(payload, Reactions):
        reactions = SubElement(stanza, f"{_REACTIONS}reactions", {"id": payload.id})
        for reaction in payload.reactions:
            SubElement(reactions, f"{_REACTIONS}reaction").text = reaction
    elif isinstance(payload, Retraction):
        SubElement(stanza, f"{_RETRACT}retract", {"id": payload.id})
    elif isinstance(payload, Displayed):
        SubElement(stanza, f"{_MARKERS}displayed", {"id": payload.id})
    SubElement(stanza, f"{_HINTS}store")
    return stanza


def _say(stanza: Element, text: Text | Correction, *, asks_receipt: bool) -> None:
    quote = quotation(text.reply.quote) if text.reply is not None else ""
    SubElement(stanza, f"{CLIENT}body").text = quote + text.body
    if text.reply is not None:
        _answer(stanza, text.reply, len(quote))
    if isinstance(text, Correction):
        SubElement(stanza, f"{_CORRECT}replace", {"id": text.id})
    elif text.file is not None:
        _share(stanza, text.file)
    if asks_receipt:
        SubElement(stanza, f"{_RECEIPTS}request")
    SubElement(stanza, f"{_MARKERS}markable")


def _answer(stanza: Element, reply: ReplyTo, length: int) -> None:
    """Name the answered message; the first `length` characters of the text quote it (XEP-0461)."""
    attributes = {"to": reply.to, "id": reply.id} if reply.to else {"id": reply.id}
    SubElement(stanza, f"{_REPLY}reply", attributes)
    if length:
        fallback = SubElement(stanza, f"{_FALLBACK}fallback", {"for": NS_REPLY})
        SubElement(fallback, f"{_FALLBACK}body", {"start": "0", "end": str(length)})


def _invite(stanza: Element, invitations: Invitations) -> None:
    x = SubElement(stanza, f"{_MUC_USER}x")
    for jid in invitations.jids:
        SubElement(x, f"{_MUC_USER}invite", {"to": jid})


def _share(stanza: Element, file: File) -> None:
    """Share a file whose address is the body (XEP-0066 section 3.2, XEP-0447 section 3.2)."""
    SubElement(SubElement(stanza, f"{_OOB}x"), f"{_OOB}url").text = file.url
    sharing = SubElement(stanza, f"{_SHARING}file-sharing", {"disposition": "inline"})
    metadata = SubElement(sharing, f"{_METADATA}file")
    values = (("media-type", file.type), ("name", file.name), ("size", file.size))
    for name, value in values:
        if value is not None:
            SubElement(metadata, _METADATA + name).text = str(value)
    sources = SubElement(sharing, f"{_SHARING}sources")
    SubElement(sources, f"{_URL_DATA}url-data", {"target": file.url})
    fallback = SubElement(stanza, f"{_FALLBACK}fallback", {"for": NS_SHARING})
    SubElement(fallback, f"{_FALLBACK}body")


def receipt(to: str, id: str) -> Element:
    """Return the acknowledgement of a message (XEP-0184)."""
    stanza = Element(f"{CLIENT}message", {"to": to, "type": "chat"})
    SubElement(stanza, f"{_RECEIPTS}received", {"id": id})
    return stanza


def contact(jid: str, name: str, groups: tuple[str, ...]) -> Element:
    """Return the query that sets a contact on the roster (RFC 6121 section 2.3)."""
    query = Element(f"{ROSTER}query")
    item = SubElement(query, f"{ROSTER}item", {"jid": jid, "name": name})
    for group in groups:
        SubElement(item, f"{ROSTER}group").text = group
    return query


def removed_contact(jid: str) -> Element:
    """Return the query that removes a contact from the roster (RFC 6121 section 2.5)."""
    query = Element(f"{ROSTER}query")
    SubElement(query, f"{ROSTER}item", {"jid": jid, "subscription": "remove"})
    return query


def join(occupant: str) -> Element:
    """Return the presence that enters a room under a nickname, without its history."""
    stanza = Element(f"{CLIENT}presence", {"to": occupant})
    SubElement(SubElement(stanza, f"{_MUC}x"), f"{_MUC}history", {"maxstanzas": "0"})
    return stanza


def presence(own: OwnPresence | None) -> Element:
    """Return the presence of a user, None: available, and nothing else."""
    stanza = Element(f"{CLIENT}presence")
    if own is not None and own.show is not None:
        SubElement(stanza, f"{CLIENT}show").text = own.show
    if own is not None and own.status:
        SubElement(stanza, f"{CLIENT}status").text = own.status
    if own is not None and own.photo is not None:
        update = SubElement(stanza, f"{_VCARD_UPDATE}x")
        SubElement(update, f"{_VCARD_UPDATE}photo").text = own.photo
    return stanza


def is_own_occupant(presence: Element) -> bool:
    """Return whether a room sends this presence about the user who receives it."""
    statuses = presence.findall(f"{_MUC_USER}x/{_MUC_USER}status")
    return any(status.get("code") == _SELF for status in statuses)


def error_of(stanza: Element) -> tuple[str, str]:
    """Return the condition and the text of a stanza of type error."""
    error = stanza.find(f"{CLIENT}error")
    children = [] if error is None else list(error)
    conditions = [
        child.tag.removeprefix(_STANZAS)
        for child in children
        if child.tag.startswith(_STANZAS) and child.tag != f"{_STANZAS}text"
    ]
    texts = [child.text or "" for child in children if child.tag == f"{_STANZAS}text"]
    return next(iter(conditions), "undefined-condition"), next(iter(texts), "")


def unwrapped(stanza: Element, account: str) -> Element | None:
    """Return a message, or the one in a carbon of it; None for a forged carbon (XEP-0280)."""
    for name in ("received", "sent"):
        carbon = stanza.find(f"{_CARBONS}{name}")
        if carbon is not None:
            is_own = stanza.get("from") == account
            return carbon.find(f"{_FORWARD}forwarded/{CLIENT}message") if is_own else None
    return stanza


def event_of(stanza: Element, account: str) -> events.Event | None:
    """Return the event of a message that an account received, None if it is of no interest."""
    if stanza.get("type") == "error":
        condition, text = error_of(stanza)
        return events.Bounced(stanza.get("id", ""), stanza.get("from", ""), condition, text)
    is_carbon = False
    for name in ("received", "sent"):
        carbon = stanza.find(f"{_CARBONS}{name}")
        if carbon is None:
            continue
        forwarded = carbon.find(f"{_FORWARD}forwarded/{CLIENT}message")
        # A carbon that another entity sends is forged (XEP-0280 section 11).
        if forwarded is None or name == "sent" or stanza.get("from") != account:
            return None
        stanza, is_carbon = forwarded, True
    return _received(stanza, is_carbon=is_carbon)


def _received(stanza: Element, *, is_carbon: bool) -> events.Received:
    confirmed = stanza.find(f"{_RECEIPTS}received")
    states = [state for state in ChatState if stanza.find(_CHAT_STATES + state) is not None]
    return events.Received(
        sender=stanza.get("from", ""),
        type=stanza.get("type", "normal"),
        id=stanza.get("id", ""),
        asks_receipt=stanza.find(f"{_RECEIPTS}request") is not None,
        receipt_for="" if confirmed is None else confirmed.get("id", ""),
        chat_state=next(iter(states), None),
        is_carbon=is_carbon,
    )
