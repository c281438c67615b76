"""XEP-0441: Message Archive Management Preferences, version 0.2.0. Reads and writes <prefs/>.

`component.core.archiving.preferences` applies them.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import User
from component.core.archiving.preferences import Preferences
from component.xmpp.queries.exchange import Exchange
from storage.rows import PreferencesRow

NS = "urn:xmpp:mam:2"

PREFS = f"{{{NS}}}prefs"


class Prefs:
    """Answers queries that read or set archiving preferences."""

    def __init__(self, preferences: Preferences, authorizer: Authorizer) -> None:
        self._preferences = preferences
        self._authorizer = authorizer

    async def answer(self, type: str, prefs: Element, exchange: Exchange) -> str:
        """Return the stanza with the preferences that apply, after a set too. Raises Refused."""
        owner = exchange.owner
        await self._authorizer.authorize(User(exchange.requester), owner, Action.PREFERENCES)
        if type == "set":
            applied = await self._preferences.set(owner, parse(prefs, owner))
        else:
            applied = await self._preferences.of(owner)
        return exchange.result(prefs_xml(applied))


def parse(prefs: Element, owner: str) -> PreferencesRow:
    """Return the preferences of a <prefs/>; a missing list is empty (section 2.1)."""
    return PreferencesRow(
        owner=owner,
        default=prefs.get("default", ""),
        always=_listed(prefs, "always"),
        never=_listed(prefs, "never"),
    )


def prefs_xml(preferences: PreferencesRow) -> str:
    """Return a <prefs/> with both lists, even empty ones (section 2.1)."""
    return (
        f"<prefs xmlns='{NS}' default='{preferences.default}'>"
        f"<always>{_jids(preferences.always)}</always>"
        f"<never>{_jids(preferences.never)}</never></prefs>"
    )


def _listed(prefs: Element, name: str) -> tuple[str, ...]:
    return tuple(jid.text or "" for jid in prefs.iterfind(f"{{{NS}}}{name}/{{{NS}}}jid"))


def _jids(addresses: Iterable[str]) -> str:
    return "".join(f"<jid>{escape(address)}</jid>" for address in addresses)
