"""XEP-0059: Result Set Management, version 1.0. The <set/> of queries and of results."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from component.core.errors import BadRequest
from component.core.reading.pages import PageQuery
from storage.rows import Filter, Page

NS = "http://jabber.org/protocol/rsm"

SET = f"{{{NS}}}set"

#: The maximum length of an id, in characters; ours are far shorter.
UID_MAX = 256

#: Numbers are cut to this many digits: no archive has more messages.
DIGITS = 18


def read(page: Element | None, filter: Filter) -> PageQuery:
    """Return the query for the page that a <set/> asks for. Raises BadRequest."""
    if page is None:
        return PageQuery(filter=filter)
    after, before = _uid(page, "after"), _uid(page, "before")
    return PageQuery(
        filter=filter,
        limit=_number(page, "max"),
        after=after or None,
        before=before or None,
        # An empty <before/> asks for the last page (section 2.5).
        backwards=before is not None,
        index=_number(page, "index"),
    )


def set_xml(page: Page, *, backwards: bool) -> str:
    """Return the <set/> of a page: its first id with its index, its last id, and the count."""
    first = last = count = ""
    if page.messages:
        # COMPAT: slixmpp (xep_0059) stops where index and count say that a page has the last
        # message of all, and paging backwards begins with such a page. Its index is the count
        # without its messages (section 2.2), so a client knows it all the same.
        has_index = page.index is not None and not (backwards and _has_last_message(page))
        index = f" index='{page.index}'" if has_index else ""
        first = f"<first{index}>{page.messages[0].id}</first>"
        last = f"<last>{page.messages[-1].id}</last>"
    if page.count is not None:
        count = f"<count>{page.count}</count>"
    return f"<set xmlns='{NS}'>{first}{last}{count}</set>"


def _has_last_message(page: Page) -> bool:
    """Return whether a page that is not the only one has the last message of the result set."""
    if page.index is None or page.complete:
        return False
    return page.index + len(page.messages) == page.count


def _uid(page: Element, name: str) -> str | None:
    uid = page.findtext(f"{{{NS}}}{name}")
    if uid is not None and len(uid) > UID_MAX:
        raise BadRequest(f"{name}: an id has {UID_MAX} characters at most")
    return uid


def _number(page: Element, name: str) -> int | None:
    text = page.findtext(f"{{{NS}}}{name}")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(f"{name}: {text[:20]!r} is not a number of messages")
    return int(text[:DIGITS])
