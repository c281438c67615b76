"""Archiving preferences as a form, for clients that know no <prefs/> (XEP-0441 section 2.2)."""

from __future__ import annotations

from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import User
from component.core.archiving.preferences import ALWAYS, NEVER, ROSTER, Preferences
from component.core.errors import BadRequest
from component.xmpp.commands.adhoc import Command, Done
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import Field, Form, Values
from storage.rows import PreferencesRow

NODE = "urn:xmpp:mam#configure"

_DEFAULTS = {
    ALWAYS: "Archive them",
    NEVER: "Do not archive them",
    ROSTER: "Archive them with contacts only",
}


def configure(preferences: Preferences, authorizer: Authorizer) -> Command:
    """Return the command by which users read and set their own preferences."""

    async def authorized_owner(exchange: Exchange) -> str:
        principal, owner = User(exchange.requester), exchange.owner
        await authorizer.authorize(principal, owner, Action.PREFERENCES)
        return owner

    async def form(exchange: Exchange) -> Form:
        owner = await authorized_owner(exchange)
        return _form(preferences, await preferences.of(owner))

    async def run(exchange: Exchange, values: Values) -> Done:
        owner = await authorized_owner(exchange)
        await preferences.set(owner, _preferences(owner, values))
        return Done(note="Your archiving preferences are set.")

    return Command(node=NODE, name="Archiving preferences", form=form, run=run)


def _form(preferences: Preferences, applied: PreferencesRow) -> Form:
    offered = tuple(
        (default, label)
        for default, label in _DEFAULTS.items()
        if default == applied.default or preferences.can_use(applied.owner, default)
    )
    return Form(
        title="Archiving preferences",
        instructions="Choose which of your messages the archive of your server keeps.",
        fields=(
            Field(
                name="default",
                type="list-single",
                label="Messages with addresses in neither list",
                values=(applied.default,),
                options=offered,
            ),
            Field(
                name="always",
                type="jid-multi",
                label="Always archive messages with",
                values=applied.always,
            ),
            Field(
                name="never",
                type="jid-multi",
                label="Never archive messages with",
                values=applied.never,
            ),
        ),
    )


def _preferences(owner: str, values: Values) -> PreferencesRow:
    defaults = values.get("default", ())
    if len(defaults) != 1:
        raise BadRequest("default must have one value")
    return PreferencesRow(
        owner=owner,
        default=defaults[0],
        always=values.get("always", ()),
        never=values.get("never", ()),
    )
