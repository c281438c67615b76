"""Archiving preferences as an ad-hoc command, for clients without <prefs/> (XEP-0441 2.2)."""

from __future__ import annotations

from component.core.access.authorize import Action, Authorizer
from component.core.access.principals import User
from component.core.archiving.preferences import ALWAYS, NEVER, ROSTER, Preferences
from component.core.errors import BadRequest
from component.xmpp.commands.adhoc import AdHocCommand, Completion
from component.xmpp.queries.exchange import Exchange
from component.xmpp.queries.forms import Field, Form, Values
from storage.rows import PreferencesRow

NODE = "urn:xmpp:mam#configure"

_DEFAULTS = {
    ALWAYS: "Archive them",
    NEVER: "Do not archive them",
    ROSTER: "Archive them with contacts only",
}


def preferences_command(preferences: Preferences, authorizer: Authorizer) -> AdHocCommand:
    """Return the command by which users read and set their own preferences."""

    async def authorized_owner(exchange: Exchange) -> str:
        principal, owner = User(exchange.requester), exchange.owner
        await authorizer.authorize(principal, owner, Action.PREFERENCES)
        return owner

    async def form(exchange: Exchange) -> Form:
        owner = await authorized_owner(exchange)
        return _form(preferences, await preferences.of(owner))

    async def run(exchange: Exchange, values: Values) -> Completion:
        owner = await authorized_owner(exchange)
        await preferences.set(owner, _preferences(owner, values))
        return Completion(note="Your archiving preferences are set.")

    return AdHocCommand(node=NODE, name="Archiving preferences", form=form, run=run)


def _form(preferences: Preferences, row: PreferencesRow) -> Form:
    options = tuple(
        (default, label)
        for default, label in _DEFAULTS.items()
        if default == row.default or preferences.can_use(row.owner, default)
    )
    return Form(
        title="Archiving preferences",
        instructions="Choose which of your messages the archive of your server keeps.",
        fields=(
            Field(
                name="default",
                type="list-single",
                label="Messages with addresses in neither list",
                values=(row.default,),
                options=options,
            ),
            Field(
                name="always",
                type="jid-multi",
                label="Always archive messages with",
                values=row.always,
            ),
            Field(
                name="never",
                type="jid-multi",
                label="Never archive messages with",
                values=row.never,
            ),
        ),
    )


def _preferences(owner: str, values: Values) -> PreferencesRow:
    submitted = values.get("default", ())
    if len(submitted) != 1:
        raise BadRequest("default must have one value")
    return PreferencesRow(
        owner=owner,
        default=submitted[0],
        always=values.get("always", ()),
        never=values.get("never", ()),
    )
