"""Bodies of Remote Data requests about rosters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from component.core.errors import BadRequest
from component.core.remote_data.posts import naming
from component.core.rosters.contacts import Change
from component.core.xml.jids import Jids
from component.web.remote_data.models import Fields, Text, absent_if_empty

#: Pending subscription requests: the names of ejabberd, and the values of a contact.
_ASKS = {
    "none": "",
    "unsubscribe": "",
    "subscribe": "subscribe",
    "out": "subscribe",
    "in": "in",
    "both": "both",
}


class RosterPost(Fields):
    """POST, PATCH and PUT {prefix}/roster: `username` is the owner, `jid` the contact."""

    jid: Text = None
    nick: str | None = None
    subscription: Text = None
    ask: Annotated[
        Literal["none", "unsubscribe", "subscribe", "out", "in", "both"] | None,
        BeforeValidator(absent_if_empty),
    ] = None
    askmessage: str | None = None
    groups: tuple[str, ...] | None = None

    def change(self, jids: Jids) -> Change:
        """Return the change of the contact. Raises BadRequest."""
        if self.jid is None:
            raise BadRequest("jid: missing: it names the contact")
        with naming("jid"):
            jid = jids.prepare(self.jid)
        return Change(
            jid=jid,
            name=self.nick,
            subscription=self.subscription,
            ask=None if self.ask is None else _ASKS[self.ask],
            ask_message=self.askmessage,
            groups=self.groups,
        )
