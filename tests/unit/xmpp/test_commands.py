"""Sessions of ad-hoc commands, and the form for archiving preferences."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import pytest
from support.adhoc_commands import NS_COMMANDS, begin, form_in, request, specific, submit
from support.wire import (
    ALICE,
    ALICE_PHONE,
    BOB,
    BOB_PHONE,
    COMPONENT,
    NS_FORM,
    NS_MAM,
    Wire,
    element_at,
    open_wire,
    parsed,
)

from component.core.errors import BadRequest
from component.xmpp.archive.prefs_form import NODE
from component.xmpp.commands.adhoc import AdHocCommand, AdHocCommands, Completion
from component.xmpp.queries.exchange import Direct, Exchange
from component.xmpp.queries.forms import Field, Form, Values, form_xml, result_xml, submitted

HOSTILE = ["'", '"', "<&>", "]]>", "' var='x", "\u00e9\U0001f600"]


def fields(form: Element) -> dict[str | None, list[str | None]]:
    """Return the values of a form, by field."""
    return {
        field.get("var"): [value.text for value in field.findall(f"{{{NS_FORM}}}value")]
        for field in form.findall(f"{{{NS_FORM}}}field")
    }


def options(form: Element) -> list[str | None]:
    path = f"{{{NS_FORM}}}field[@var='default']/{{{NS_FORM}}}option/{{{NS_FORM}}}value"
    return [value.text for value in form.findall(path)]


async def preferred(wire: Wire) -> tuple[str | None, list[str | None]]:
    """Return the default of alice and all JIDs in her lists."""
    reply = await wire.delegated(f"<prefs xmlns='{NS_MAM}'/>", type="get")
    prefs = element_at(reply.iq, f"{{{NS_MAM}}}prefs")
    return prefs.get("default"), [jid.text for jid in prefs.iter(f"{{{NS_MAM}}}jid")]


# Sessions


def form_commands(*nodes: str, **limits: int) -> AdHocCommands:
    """Return commands with an empty form."""

    async def run(_: Exchange, __: Values) -> Completion:
        return Completion(note="done")

    async def form(_: Exchange) -> Form:
        return Form(title="", instructions="", fields=())

    return AdHocCommands(
        (AdHocCommand(node=node, name=node, form=form, run=run) for node in nodes), **limits
    )


async def execute(
    commands: AdHocCommands, node: str, session: str | None = None, asker: str = ALICE_PHONE
) -> Element:
    """Begin a session, or submit the form of one; return the <command/> of the answer."""
    form = "" if session is None else f"<x xmlns='{NS_FORM}' type='submit'/>"
    exchange = Direct(addressee=COMPONENT, asker=asker, id="1")
    answer = await commands.answer(
        "set", parsed(request(node, session=session, inside=form)), exchange
    )
    return element_at(parsed(answer), f"{{{NS_COMMANDS}}}command")


async def begun_sessions(
    commands: AdHocCommands, count: int, asker: str = ALICE_PHONE
) -> list[str | None]:
    """Begin sessions and return their ids."""
    return [(await execute(commands, "node", asker=asker)).get("sessionid") for _ in range(count)]


async def test_oldest_session_is_evicted_at_the_bound() -> None:
    commands = form_commands("node", sessions_max=2)
    oldest, *sessions = await begun_sessions(commands, 3)
    with pytest.raises(BadRequest) as refused:
        await execute(commands, "node", oldest)

    assert refused.value.specific == (NS_COMMANDS, "bad-sessionid")
    for session in sessions:
        assert (await execute(commands, "node", session)).get("status") == "completed"


async def test_bound_per_requester_evicts_only_own_sessions() -> None:
    commands = form_commands("node", sessions_per_requester_max=2)
    [session_of_alice] = await begun_sessions(commands, 1)
    oldest_of_bob, *_ = await begun_sessions(commands, 3, BOB_PHONE)

    completed = await execute(commands, "node", session_of_alice)
    assert completed.get("status") == "completed"
    with pytest.raises(BadRequest) as refused:
        await execute(commands, "node", oldest_of_bob, BOB_PHONE)
    assert refused.value.specific == (NS_COMMANDS, "bad-sessionid")


async def test_session_of_another_command_is_bad_sessionid() -> None:
    commands = form_commands("node", "other")
    [session] = await begun_sessions(commands, 1)
    with pytest.raises(BadRequest) as refused:
        await execute(commands, "other", session)

    assert refused.value.specific == (NS_COMMANDS, "bad-sessionid")


async def test_cancel_sets_no_preferences(wire: Wire) -> None:
    await submit(wire, await begin(wire, NODE), action="cancel", default=["never"])

    assert await preferred(wire) == ("always", [])


async def test_session_is_unknown_after_restart(tmp_path: Path) -> None:
    async with open_wire(tmp_path) as wire:
        session_reply = await begin(wire, NODE)
    async with open_wire(tmp_path) as wire:
        reply = await submit(wire, session_reply, default=["never"])

    assert specific(reply) == ("bad-request", "bad-sessionid")


# The form of preferences


async def test_form_shows_current_preferences(wire: Wire) -> None:
    await wire.delegated(
        f"<prefs xmlns='{NS_MAM}' default='never'><always><jid>{BOB}</jid><jid>a@b.example/x</jid>"
        "</always><never><jid>c@d.example</jid></never></prefs>"
    )

    assert fields(form_in(await begin(wire, NODE))) == {
        "default": ["never"],
        "always": [BOB, "a@b.example/x"],
        "never": ["c@d.example"],
    }


async def test_submitted_form_sets_preferences(wire: Wire) -> None:
    session_reply = await begin(wire, NODE)
    await submit(
        wire, session_reply, default=["never"], always=[BOB, "A@b.example/X"], never=[ALICE]
    )

    assert await preferred(wire) == ("never", [BOB, "a@b.example/X", ALICE])


async def test_omitted_fields_set_empty_lists(wire: Wire) -> None:
    await submit(wire, await begin(wire, NODE), default=["never"], always=[BOB])
    await submit(wire, await begin(wire, NODE), default=["always"])

    assert await preferred(wire) == ("always", [])


@pytest.mark.parametrize(
    ("roster", "offered"),
    [("get", ["always", "never", "roster"]), ("none", ["always", "never"])],
)
async def test_form_offers_only_usable_defaults(
    wire: Wire, roster: str, offered: list[str]
) -> None:
    wire.grant(roster=roster)

    assert options(form_in(await begin(wire, NODE))) == offered


async def test_form_offers_the_current_default(wire: Wire) -> None:
    await submit(wire, await begin(wire, NODE), default=["roster"])
    wire.grant(roster="none")

    assert "roster" in options(form_in(await begin(wire, NODE)))


async def test_form_for_another_owner_is_forbidden(wire: Wire) -> None:
    reply = await wire.direct(request(NODE), to=rf"bob\40example.org@{COMPONENT}")

    assert reply.refusal == "forbidden"


# Forms


@pytest.mark.parametrize("text", HOSTILE)
def test_form_round_trips_any_text(text: str) -> None:
    field = Field(
        name=text, type="text-single", label=text, values=(text,), options=((text, text),)
    )
    form = parsed(form_xml(Form(title=text, instructions=text, fields=[field])))

    form_field = element_at(form, f"{{{NS_FORM}}}field")
    assert {form.findtext(f"{{{NS_FORM}}}{name}") for name in ("title", "instructions")} == {text}
    assert (form_field.get("var"), form_field.get("label"), list(form_field.itertext())) == (
        text,
        text,
        [text, text],
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_table_round_trips_any_text(text: str) -> None:
    field = Field(name="f", type="text-multi", label=text, values=(text, "2"))
    table = result_xml([field], [("a", text), ("b", "B")], [((text,), ()), (("1", "2"), (text,))])
    form = parsed(table)

    assert form.get("type") == "result"
    [reported] = form.findall(f"{{{NS_FORM}}}reported")
    assert [(column.get("var"), column.get("label")) for column in reported] == [
        ("a", text),
        ("b", "B"),
    ]
    assert [fields(item) for item in form.findall(f"{{{NS_FORM}}}item")] == [
        {"a": [text], "b": []},
        {"a": ["1", "2"], "b": [text]},
    ]
    assert fields(form) == {"f": [text, "2"]}


@pytest.mark.parametrize("character", ["\0", "\x01", "\x1b", "\ufffe", "\udc80"])
def test_character_that_xml_cannot_have_is_replaced(character: str) -> None:
    """Texts from HTTP may have it, and it would end the stream of the component."""
    text = f"a{character}b"
    field = Field(name="f", type="text-single", label="F", values=(text,))

    table = parsed(result_xml([field], [("a", "A")], [((text,),)]))

    assert fields(table) == {"f": ["a\N{REPLACEMENT CHARACTER}b"]}
    assert [fields(item) for item in table.findall(f"{{{NS_FORM}}}item")] == [
        {"a": ["a\N{REPLACEMENT CHARACTER}b"]}
    ]


def test_duplicate_field_is_bad_request() -> None:
    twice = "<field var='a'><value>1</value></field>" * 2
    with pytest.raises(BadRequest, match="'a' is there twice"):
        submitted(parsed(f"<command><x xmlns='{NS_FORM}' type='submit'>{twice}</x></command>"))


def test_missing_form_is_bad_request() -> None:
    with pytest.raises(BadRequest, match="missing"):
        submitted(parsed("<command/>"))
