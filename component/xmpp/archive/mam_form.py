"""The form of archive queries: its fields, and the filter that it describes.

XEP-0313 section 4.1; XEP-0431: Full Text Search in MAM, version 0.2.0. A query without
include-groupchat returns messages of rooms too.
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

#: The field of XEP-0431, and those of ejabberd and M-Link: each client supports one of them.
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

#: XEP-0122: an open list accepts values beyond its options.
OPEN = f"<validate xmlns='{NS_VALIDATE}' datatype='xs:string'><open/></validate>"

#: The maximum number of messages that a query may name by their ids.
IDS_MAX = 1000

#: The maximum length of a value, in characters: that of an address.
VALUE_MAX = 3 * 1023 + 2

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def form_xml() -> str:
    """Return the form with the fields of a query (section 4.1.5)."""
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
    """Return the filter of a submitted form. Raises BadRequest, NotImplementedHere."""
    if form is None:
        return ANY
    values = _values(form)
    peer = resource = None
    if (address := _value(values, "with")) is not None:
        prepared = addresses.prepare(address)
        peer, resource = jids.bare(prepared), jids.resource(prepared) or None
    return Filter(
        peer=peer,
        resource=resource,
        since=_time(values, "start"),
        until=_time(values, "end"),
        groupchat=_groupchat(values),
        after=_value(values, "after-id"),
        before=_value(values, "before-id"),
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


def _value(values: Values, name: str) -> str | None:
    return values[name][0] if name in values else None


def _time(values: Values, name: str) -> int | None:
    text = _value(values, name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except BadRequest as error:
        raise BadRequest(f"{name}: {error.message}") from error


def _groupchat(values: Values) -> bool | None:
    text = _value(values, "include-groupchat")
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
    names = [name for name in FULLTEXT if name in values]
    if len(names) > 1:
        raise BadRequest(f"{names[0]} and {names[1]} are the same field: give one of them")
    # An empty text is no search (XEP-0431 section 2.2).
    text = _value(values, names[0]) if names else None
    return fulltext.parse(text) if text else None
