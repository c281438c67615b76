"""The IQs by which users make, ask and change rooms (XEP-0045 sections 6, 9 and 10)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from xml.sax.saxutils import escape, quoteattr

from component.core.ejabberd_options import NS_DISCO_INFO
from component.core.xml.jids import bare
from component.core.xml.stream_parser import Element

NS_ADMIN = "http://jabber.org/protocol/muc#admin"
NS_OWNER = "http://jabber.org/protocol/muc#owner"
NS_FORMS = "jabber:x:data"
NS_SUBSCRIPTIONS = "urn:xmpp:mucsub:0"

_CONFIGURATION = "http://jabber.org/protocol/muc#roomconfig"
_PREFIX = "muc#roomconfig_"

#: The option of a room that is its name for people, without the prefix of the form.
NAME = "roomname"

#: A room for its members alone, who see each other's addresses, and which lasts without occupants.
PRIVATE_ROOM: Mapping[str, str] = {
    "persistentroom": "1",
    "membersonly": "1",
    "publicroom": "0",
    "whois": "anyone",
    "changesubject": "1",
}

#: Options of ejabberd, which other servers may lack.
EJABBERD_OPTIONS: Mapping[str, str] = {"allow_subscription": "1", "mam": "1"}

#: The query for the configuration; ejabberd makes a room that does not exist, and ends it again.
GET_CONFIGURATION = f"<query xmlns='{NS_OWNER}'/>"

GET_FEATURES = f"<query xmlns='{NS_DISCO_INFO}'/>"

DESTROY = f"<query xmlns='{NS_OWNER}'><destroy/></query>"


def configuration(options: Mapping[str, str]) -> str:
    """Return the submission of some options; the others stay as they are."""
    fields = "".join(
        f"<field var={quoteattr(name)}><value>{escape(value)}</value></field>"
        for name, value in options.items()
    )
    form_type = f"<field var='FORM_TYPE'><value>{_CONFIGURATION}</value></field>"
    form = f"<x xmlns='{NS_FORMS}' type='submit'>{form_type}{fields}</x>"
    return f"<query xmlns='{NS_OWNER}'>{form}</query>"


def offered(query: Element, options: Mapping[str, str]) -> dict[str, str]:
    """Return those of some options that a configuration offers, with their full names."""
    form = query.child(NS_FORMS, "x")
    names = {field.get("var") for field in form.elements} if form is not None else set()
    full = {f"{_PREFIX}{name}": value for name, value in options.items()}
    return {name: value for name, value in (full | dict(options)).items() if name in names}


def with_name(name: str) -> str:
    """Return the submission of the name of a room."""
    return configuration({f"{_PREFIX}{NAME}": name})


def get_affiliated(affiliation: str) -> str:
    """Return the query for the users with an affiliation."""
    return f"<query xmlns='{NS_ADMIN}'><item affiliation='{affiliation}'/></query>"


def set_affiliations(jids: Collection[str], affiliation: str) -> str:
    """Return the request to give users an affiliation."""
    items = "".join(f"<item affiliation='{affiliation}' jid={quoteattr(jid)}/>" for jid in jids)
    return f"<query xmlns='{NS_ADMIN}'>{items}</query>"


def affiliated(query: Element) -> Iterable[str]:
    """Return the bare JIDs in the result of `get_affiliated`."""
    return [bare(item.get("jid")) for item in query.elements if item.get("jid")]


def name_of(query: Element) -> str:
    """Return the name of a room in the result of GET_FEATURES, "" if it has none."""
    identities = [child for child in query.elements if child.name == "identity"]
    return next((item.get("name") for item in identities if item.get("name")), "")


def subscribe(jid: str, nick: str) -> str:
    """Return the request to send the messages of a room to a user who is away (MUC/Sub)."""
    event = "<event node='urn:xmpp:mucsub:nodes:messages'/>"
    attributes = f"xmlns='{NS_SUBSCRIPTIONS}' jid={quoteattr(jid)} nick={quoteattr(nick)}"
    return f"<subscribe {attributes}>{event}</subscribe>"


def unsubscribe(jid: str) -> str:
    """Return the request to end that."""
    return f"<unsubscribe xmlns='{NS_SUBSCRIPTIONS}' jid={quoteattr(jid)}/>"
