"""The form of archive queries: which fields there are, and what they ask for.

XEP-0313 section 4.1; XEP-0431: Full Text Search in MAM, version 0.2.0. Without include-groupchat
messages of rooms are among the results.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from component.core.errors import BadRequest, NotImplementedHere
from component.core.messages import fulltext
from component.core.xml import jids
from component.core.xml.jids import Jids
from component.core.xml.times import parse_time
from component.xmpp.queries import forms
from component.xmpp.queries.forms import FORM_TYPE, Values
from storage.rows import ANY, Filter, Phrase

NS_MAM = "urn:xmpp:mam:2"
NS_VALIDATE = "http://jabber.org/protocol/xdata-validate"
NS_FULLTEXT = "urn:xmpp:fulltext:0"

#: The field of XEP-0431, that of ejabberd, and that of M-Link: clients know one or another.
FULLTEXT = (f"{{{NS_FULLTEXT}}}fulltext", "withtext", "search")

#: The fields of the form, with their types (section 4.1.5).
FIELDS = {
    "with": "jid-single",
    "start": "text-single",
    "end": "text-single",
    "before-id": "text-single",
    "after-id": "text-single",
    "ids": "list-multi",
    "include-groupchat": "boolean",
    **dict.fromkeys(FULLTEXT, "text-single"),
}

#: XEP-0122: a list that is open takes values which it does not offer.
OPEN = f"<validate xmlns='{NS_VALIDATE}' datatype='xs:string'><open/></validate>"

#: More messages than these are not asked for one by one.
IDS_MAX = 1000

#: What a value of the form may have, in characters; an address is the longest.
VALUE_MAX = 3 * 1023 + 2

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def form_xml() -> str:
    """Return the form that tells which fields a query may have (section 4.1.5)."""
    fields = "".join(_field_xml(name, type) for name, type in FIELDS.items())
    return (
        f"<query xmlns='{NS_MAM}'><x xmlns='{forms.NS}' type='form'>"
        f"<field type='hidden' var='{FORM_TYPE}'><value>{NS_MAM}</value></field>"
        f"{fields}</x></query>"
    )


def _field_xml(name: str, type: str) -> str:
    inside = OPEN if type == "list-multi" else ""
    return f"<field type='{type}' var='{name}'>{inside}</field>"


def read(form: Element | None, addresses: Jids) -> Filter:
    """Return what a submitted form asks for. Raises BadRequest, NotImplementedHere."""
    if form is None:
        return ANY
    values = _values(form)
    peer = resource = None
    if (address := _only(values, "with")) is not None:
        prepared = addresses.prepare(address)
        peer, resource = jids.bare(prepared), jids.resource(prepared) or None
    return Filter(
        peer=peer,
        resource=resource,
        since=_time(values, "start"),
        until=_time(values, "end"),
        groupchat=_groupchat(values),
        after=_only(values, "after-id"),
        before=_only(values, "before-id"),
        ids=_ids(values),
        phrases=_phrases(values),
    )


def _values(form: Element) -> Values:
    """Return the values of a submitted form, by field, without fields that have none."""
    values = forms.values_of(form)
    for name, texts in values.items():
        if name not in FIELDS and name != FORM_TYPE:
            raise NotImplementedHere(f"{name[:40]!r} is not a field of this archive")
        if len(texts) > 1 and FIELDS.get(name) != "list-multi":
            raise BadRequest(f"{name} can have one value only")
        if any(len(text) > VALUE_MAX for text in texts):
            raise BadRequest(f"{name}: a value has {VALUE_MAX} characters at most")
    if values.get(FORM_TYPE, (NS_MAM,)) not in ((NS_MAM,), ()):
        raise BadRequest(f"{FORM_TYPE} must be {NS_MAM}")
    return {name: texts for name, texts in values.items() if texts}


def _only(values: Values, name: str) -> str | None:
    return values[name][0] if name in values else None


def _time(values: Values, name: str) -> int | None:
    text = _only(values, name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except BadRequest as error:
        raise BadRequest(f"{name}: {error.message}") from error


def _groupchat(values: Values) -> bool | None:
    text = _only(values, "include-groupchat")
    if text is None:
        return None
    if text not in _BOOLEANS:
        raise BadRequest(f"include-groupchat: {text[:20]!r} is neither true nor false")
    return None if _BOOLEANS[text] else False


def _ids(values: Values) -> tuple[str, ...] | None:
    if "ids" not in values:
        return None
    if len(values["ids"]) > IDS_MAX:
        raise BadRequest(f"ids can have {IDS_MAX} values at most")
    return values["ids"]


def _phrases(values: Values) -> tuple[Phrase, ...] | None:
    given = [name for name in FULLTEXT if name in values]
    if len(given) > 1:
        raise BadRequest(f"{given[0]} and {given[1]} are the same field: give one of them")
    # An empty text is no search (XEP-0431 section 2.2).
    text = _only(values, given[0]) if given else None
    return fulltext.parse(text) if text else None
