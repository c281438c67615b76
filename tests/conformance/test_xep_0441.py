"""XEP-0441: Message Archive Management Preferences, version 0.2.0, delegated and direct."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from support.roster_queries import answer_roster_get, next_roster_get
from support.wire import ALICE, ALICE_PHONE, BOB, BOB_PHONE, NS_MAM, Reply, Wire, element_at

Ask = Callable[..., Awaitable[Reply]]

ROMEO, ROMEO_ORCHARD = "romeo@montague.lit", "romeo@montague.lit/orchard"

#: The defaults in the table of the document.
DEFAULTS = ["always", "never", "roster"]


@pytest.fixture(params=["delegated", "direct"])
def ask(request: pytest.FixtureRequest, wire: Wire) -> Ask:
    """A function that sends a query, delegated by the server or directly to the component."""
    return wire.delegated if request.param == "delegated" else wire.direct


def prefs(default: str | None = None, **lists: list[str]) -> str:
    """Return a <prefs/> with this default and these lists."""
    attribute = "" if default is None else f" default='{default}'"
    inner = "".join(
        f"<{name}>{''.join(f'<jid>{jid}</jid>' for jid in jids)}</{name}>"
        for name, jids in lists.items()
    )
    return f"<prefs xmlns='{NS_MAM}'{attribute}>{inner}</prefs>"


def preferences_of(reply: Reply) -> tuple[str | None, list[str | None], list[str | None]]:
    """Return the default and both lists of a reply. Fail if one of them is missing."""
    element = element_at(reply.iq, f"{{{NS_MAM}}}prefs")
    always, never = (element_at(element, f"{{{NS_MAM}}}{name}") for name in ("always", "never"))
    return element.get("default"), [jid.text for jid in always], [jid.text for jid in never]


async def test_preferences_are_returned(ask: Ask) -> None:
    """2.1: "The <prefs> element MUST be present and contain the current default archiving
    policy"."""
    reply = await ask(prefs(), type="get")

    assert (reply.iq.get("type"), preferences_of(reply)[0]) == ("result", "always")


async def test_empty_lists_are_returned(ask: Ask) -> None:
    """2.1: "The <always> and <never> MUST also be present (even if empty)"."""
    assert preferences_of(await ask(prefs(), type="get"))[1:] == ([], [])


async def test_lists_contain_jids(ask: Ask) -> None:
    """2.1: "and contain a list of JIDs enclosed in <jid> elements"."""
    await ask(prefs("never", always=[BOB, ROMEO], never=["a@b.example"]))
    element = element_at((await ask(prefs(), type="get")).iq, f"{{{NS_MAM}}}prefs")

    assert {jid.tag for name in element for jid in name} == {f"{{{NS_MAM}}}jid"}


async def test_change_is_answered_with_the_applied_preferences(ask: Ask) -> None:
    """2.1 (paraphrase): the server replies to a set with the applied preferences."""
    reply = await ask(prefs("never", always=["Romeo@MONTAGUE.lit"], never=[ROMEO_ORCHARD]))

    assert preferences_of(reply) == ("never", [ROMEO], [ROMEO_ORCHARD])


async def test_change_is_stored(ask: Ask) -> None:
    """2.1: "To update the preferences, the client can simply send an iq stanza with a type of
    'set'"."""
    changed = preferences_of(await ask(prefs("never", always=[ROMEO], never=[BOB])))

    assert preferences_of(await ask(prefs(), type="get")) == changed == ("never", [ROMEO], [BOB])


@pytest.mark.parametrize("default", DEFAULTS)
async def test_default_is_always_never_or_roster(ask: Ask, default: str) -> None:
    """2.1.1: "The 'default' attribute of the 'prefs' element MUST be one of the following
    values"."""
    assert preferences_of(await ask(prefs(default)))[0] == default


@pytest.mark.parametrize("default", [None, "", "sometimes", "ALWAYS"])
async def test_another_default_is_refused(ask: Ask, default: str | None) -> None:
    """2.1.1: "MUST be one of the following values": a missing value is refused too."""
    assert (await ask(prefs(default))).refusal == "bad-request"


async def test_missing_always_list_is_empty(ask: Ask) -> None:
    """2.1.2: "If missing from the preferences, <always/> SHOULD be assumed by the server to be an
    empty list"."""
    await ask(prefs("always", always=[ROMEO], never=[BOB]))

    assert preferences_of(await ask(prefs("always", never=[BOB]))) == ("always", [], [BOB])


async def test_missing_never_list_is_empty(ask: Ask) -> None:
    """2.1.3: "If missing from the preferences, <never/> SHOULD be assumed by the server to be an
    empty list"."""
    await ask(prefs("always", always=[ROMEO], never=[BOB]))

    assert preferences_of(await ask(prefs("always", always=[ROMEO]))) == ("always", [ROMEO], [])


async def test_preferences_of_others_are_forbidden(wire: Wire) -> None:
    """2.1: "'forbidden' (the user is not authorized to change their preferences)"."""
    read = await wire.delegated(prefs(), asker=BOB_PHONE, owner=ALICE, type="get")
    changed = await wire.delegated(prefs("never"), asker=BOB_PHONE, owner=ALICE)

    assert (read.refusal, changed.refusal) == ("forbidden", "forbidden")
    assert preferences_of(await wire.delegated(prefs(), type="get"))[0] == "always"


async def test_unreadable_roster_is_feature_not_implemented(ask: Ask, wire: Wire) -> None:
    """2.1: "the standard 'feature-not-implemented' (the server does not support configuration of
    preferences)"."""
    wire.grant(roster="none")
    assert (await ask(prefs("roster"))).refusal == "feature-not-implemented"
    assert preferences_of(await ask(prefs(), type="get"))[0] == "always"


@pytest.mark.parametrize("name", ["always", "never"])
async def test_invalid_jid_is_refused(ask: Ask, name: str) -> None:
    """2.1.2, 2.1.3: "a list of <jid/> elements, each containing a single JID"."""
    assert (await ask(prefs("always", **{name: [BOB, "@"]}))).refusal == "bad-request"


# Archived messages for each preference, in both directions.

MATRIX = [
    # default, roster has the peer, always, never, archived
    ("always", False, [], [], True),
    ("always", False, [], [BOB], False),
    ("always", False, [], [ROMEO], True),
    ("always", False, [BOB], [], True),
    ("never", False, [], [], False),
    ("never", True, [], [], False),
    ("never", False, [BOB], [], True),
    ("never", False, [ROMEO], [], False),
    ("never", False, [BOB], [BOB], False),
    ("roster", True, [], [], True),
    ("roster", False, [], [], False),
    ("roster", False, [BOB], [], True),
    ("roster", True, [], [BOB], False),
    # a listed resource is compared too
    ("always", False, [], [BOB_PHONE], False),
    ("always", False, [], [f"{BOB}/laptop"], True),
    ("never", False, [BOB_PHONE], [], True),
    ("never", False, [f"{BOB}/laptop"], [], False),
    ("never", False, [BOB], [f"{BOB}/laptop"], True),
]


@pytest.mark.parametrize(("sender", "to"), [(ALICE_PHONE, BOB_PHONE), (BOB_PHONE, ALICE)])
@pytest.mark.parametrize(("default", "is_contact", "always", "never", "is_archived"), MATRIX)
async def test_archived_messages_follow_the_preferences(
    wire: Wire,
    default: str,
    is_contact: bool,
    always: list[str],
    never: list[str],
    is_archived: bool,
    sender: str,
    to: str,
) -> None:
    """2.1.1 'always' - "all messages are archived by default", 'never' - "messages are never
    archived by default", 'roster' - "messages are archived only if the contact's bare JID is in
    the user's roster".
    2.1.2: "The server SHOULD archive any messages to/from this JID".
    2.1.3: "The server SHOULD NOT archive any messages to/from this JID".
    2.3.1: "If the listed JID contains a resource, compare against the target JID as-is"; "If the
    listed JID has no resource (it is a bare JID) then first strip any resource from the target
    JID prior to comparison".
    2.3.2: "For outgoing messages, the server MUST use the value of the 'to' attribute".
    2.3.3: "For incoming messages, the server MUST use the value of the 'from' attribute".
    """
    await wire.delegated(prefs(default, always=always, never=never))
    wire.say("hello", sender=sender, to=to)
    if default == "roster" and not always and not never:
        answer_roster_get(wire, await next_roster_get(wire), *([BOB] if is_contact else [ROMEO]))

    assert (await wire.history()).bodies == (["hello"] if is_archived else [])


async def test_bare_address_does_not_match_a_listed_resource(wire: Wire) -> None:
    """2.3.2: "the server MUST use the value of the 'to' attribute as the target JID"."""
    await wire.delegated(prefs("always", never=[BOB_PHONE]))
    wire.say("to all", to=BOB)
    wire.say("to one", to=BOB_PHONE)

    assert (await wire.history()).bodies == ["to all"]


async def test_roster_match_ignores_the_resource(wire: Wire) -> None:
    """2.3.1: "the comparison MUST use the bare target JID (that is, stripped of any resource)"."""
    await wire.delegated(prefs("roster"))
    wire.say("hello", to=f"{BOB}/somewhere else")
    answer_roster_get(wire, await next_roster_get(wire), BOB)

    assert (await wire.history()).bodies == ["hello"]


async def test_preferences_apply_to_their_own_side_only(wire: Wire) -> None:
    """2.1.3 (paraphrase): the lists of a user apply to the archive of this user."""
    await wire.delegated(prefs("never"))
    wire.say("hello")

    sides = (await wire.history()).bodies, (await wire.history(BOB_PHONE)).bodies
    assert sides == ([], ["hello"])


async def test_messages_archived_before_a_change_stay(wire: Wire) -> None:
    """2.1.1 (paraphrase): the default applies to new messages, not to archived ones."""
    wire.say("before")
    await wire.delegated(prefs("never"))
    wire.say("after")

    assert (await wire.history()).bodies == ["before"]


async def test_command_configures_further_preferences(wire: Wire) -> None:
    """2.2: "such a configuration command SHOULD be presented on the well-defined command node of
    "urn:xmpp:mam#configure""."""
    reply = await wire.direct(
        "<query xmlns='http://jabber.org/protocol/disco#items'"
        " node='http://jabber.org/protocol/commands'/>",
        type="get",
    )

    assert [item.get("node") for item in reply.iq[0]] == ["urn:xmpp:mam#configure"]
