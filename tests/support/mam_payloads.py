"""Payloads of archive queries (XEP-0313, XEP-0441) as text, and the content of their answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

NS_MAM = "urn:xmpp:mam:2"
NS_RSM = "http://jabber.org/protocol/rsm"
NS_FORM = "jabber:x:data"
NS_VALIDATE = "http://jabber.org/protocol/xdata-validate"
NS_DISCO = "http://jabber.org/protocol/disco#info"

MAM, FORM = f"{{{NS_MAM}}}", f"{{{NS_FORM}}}"

FULLTEXT = "{urn:xmpp:fulltext:0}fulltext"

METADATA = f"<metadata xmlns='{NS_MAM}'/>"
GET_FORM = f"<query xmlns='{NS_MAM}'/>"
GET_PREFERENCES = f"<prefs xmlns='{NS_MAM}'/>"
GET_FEATURES = f"<query xmlns='{NS_DISCO}'/>"

Value = str | Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """The first or the last message of an archive in its metadata."""

    id: str
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The archiving preferences of a user."""

    default: str
    always: frozenset[str] = frozenset()
    never: frozenset[str] = frozenset()


def archive_query(
    fields: Mapping[str, Value] | None = None,
    *,
    queryid: str | None = None,
    max: int | str | None = None,
    after: str | None = None,
    before: str | None = None,
    index: int | str | None = None,
    is_flipped: bool = False,
    extra: str = "",
) -> str:
    """Return a query with these fields of the form, for this page of the matching messages.

    `extra` is appended unchanged.
    """
    limits = {"max": max, "after": after, "before": before, "index": index}
    page = "".join(f"<{k}>{escape(str(v))}</{k}>" for k, v in limits.items() if v is not None)
    named = "" if queryid is None else f" queryid={quoteattr(queryid)}"
    return (
        f"<query xmlns='{NS_MAM}'{named}>{_form(fields) if fields else ''}"
        + (f"<set xmlns='{NS_RSM}'>{page}</set>" if page else "")
        + ("<flip-page/>" if is_flipped else "")
        + f"{extra}</query>"
    )


def set_preferences(default: str, always: Iterable[str] = (), never: Iterable[str] = ()) -> str:
    """Return the payload that sets these preferences."""
    return (
        f"<prefs xmlns='{NS_MAM}' default={quoteattr(default)}>"
        f"<always>{_jids(always)}</always><never>{_jids(never)}</never></prefs>"
    )


def archive_at(component: str, owner: str) -> str:
    """Return the address that an archive has at the component (XEP-0106)."""
    return f"{owner.replace('@', chr(92) + '40')}@{component}"


def preferences_in(answer: Element) -> Preferences:
    """Return the preferences of an answer, which must have all three parts."""
    prefs = _the(answer, f"{MAM}prefs")
    always, never = _the(prefs, f"{MAM}always"), _the(prefs, f"{MAM}never")
    return Preferences(
        default=prefs.get("default", ""),
        always=frozenset(jid.text or "" for jid in always),
        never=frozenset(jid.text or "" for jid in never),
    )


def metadata_in(answer: Element) -> tuple[Edge, Edge] | None:
    """Return the first and the last message of an archive, None if it is empty."""
    metadata = _the(answer, f"{MAM}metadata")
    if len(metadata) == 0:
        return None
    start, end = (_the(metadata, f"{MAM}{name}") for name in ("start", "end"))
    return _edge(start), _edge(end)


def fields_in(answer: Element) -> dict[str, Element]:
    """Return the fields of the form in an answer, by name."""
    fields = _the(answer, f"{MAM}query/{FORM}x").iterfind(f"{FORM}field")
    return {field.get("var", ""): field for field in fields}


def features_in(answer: Element) -> set[str]:
    """Return the features that an answer to service discovery lists."""
    return {feature.get("var", "") for feature in answer.iter(f"{{{NS_DISCO}}}feature")}


def _form(fields: Mapping[str, Value]) -> str:
    written = "".join(
        f"<field var={quoteattr(name)}>"
        + "".join(
            f"<value>{escape(value)}</value>"
            for value in ([values] if isinstance(values, str) else values)
        )
        + "</field>"
        for name, values in {"FORM_TYPE": NS_MAM, **fields}.items()
    )
    return f"<x xmlns='{NS_FORM}' type='submit'>{written}</x>"


def _jids(jids: Iterable[str]) -> str:
    return "".join(f"<jid>{escape(jid)}</jid>" for jid in jids)


def _edge(element: Element) -> Edge:
    return Edge(id=element.attrib["id"], stamp=element.attrib["timestamp"])


def _the(element: Element, path: str) -> Element:
    child = element.find(path)
    assert child is not None, f"no {path} in {element.tag}"
    return child
