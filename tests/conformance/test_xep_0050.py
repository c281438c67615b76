"""XEP-0050: Ad-Hoc Commands, version 1.3.0, with the commands of the component."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.adhoc_commands import NS_COMMANDS, begin, command, form_in, request, specific, submit
from support.operator_commands import BOSS_PHONE, Operated, open_operated
from support.wire import (
    ALICE_PHONE,
    BOB_PHONE,
    COMPONENT,
    NS_DISCO,
    NS_FORM,
    OTHER_HOST,
    Reply,
    Wire,
    element_at,
)

NS_ITEMS = "http://jabber.org/protocol/disco#items"
NODE = "urn:xmpp:mam#configure"


@pytest.fixture
async def operated(tmp_path: Path) -> AsyncIterator[Operated]:
    async with open_operated(tmp_path) as opened:
        yield opened


async def info(wire: Wire, node: str | None = None) -> Reply:
    attribute = "" if node is None else f" node='{node}'"
    return await wire.direct(f"<query xmlns='{NS_DISCO}'{attribute}/>", type="get")


def features(reply: Reply) -> set[str | None]:
    return {feature.get("var") for feature in reply.iq.iter(f"{{{NS_DISCO}}}feature")}


def identities(reply: Reply) -> list[tuple[str | None, str | None]]:
    elements = reply.iq.iter(f"{{{NS_DISCO}}}identity")
    return [(element.get("category"), element.get("type")) for element in elements]


# Discovery


async def test_support_is_advertised(wire: Wire) -> None:
    """2.1: "the responder includes a <feature/> with the "var" of
    "http://jabber.org/protocol/commands""."""
    assert NS_COMMANDS in features(await info(wire))


async def test_commands_are_listed(wire: Wire) -> None:
    """2.2: "Each command is a node of the responder, under the fixed node
    "http://jabber.org/protocol/commands""."""
    reply = await wire.direct(f"<query xmlns='{NS_ITEMS}' node='{NS_COMMANDS}'/>", type="get")

    [item] = element_at(reply.iq, f"{{{NS_ITEMS}}}query")
    assert (item.get("jid"), item.get("node"), bool(item.get("name"))) == (COMPONENT, NODE, True)


async def test_command_list_has_its_identity(wire: Wire) -> None:
    """2.2: "for which the service discovery identity category is "automation" and type is
    "command-list""."""
    assert identities(await info(wire, NS_COMMANDS)) == [("automation", "command-list")]


async def test_command_node_has_its_identity(wire: Wire) -> None:
    """2.2: "A responder MUST at least provide <identity category='automation'
    type='command-node'/>"."""
    assert identities(await info(wire, NODE)) == [("automation", "command-node")]


async def test_command_node_lists_its_features(wire: Wire) -> None:
    """2.2: "and <feature var='http://jabber.org/protocol/commands'/>, and SHOULD include
    <feature var='jabber:x:data'/>"."""
    assert {NS_COMMANDS, NS_FORM} <= features(await info(wire, NODE))


async def test_only_the_components_own_commands_are_reported(wire: Wire) -> None:
    """6: "Responders MUST report their own command nodes only"."""
    reply = await wire.direct(f"<query xmlns='{NS_ITEMS}' node='{NS_COMMANDS}'/>", type="get")

    assert {item.get("jid") for item in reply.iq[0]} == {COMPONENT}


# Execution


@pytest.mark.parametrize("action", [None, "execute"])
async def test_execute_begins_a_command(wire: Wire, action: str | None) -> None:
    """2.4.1: "The requester MAY include the "action='execute'", although this is implied"."""
    reply = await wire.direct(request(NODE, action=action))

    assert (reply.iq.get("type"), command(reply).get("status")) == ("result", "executing")


async def test_command_with_fields_returns_a_form(wire: Wire) -> None:
    """2.4.2: "the responder sends a result <iq/> that contains the command information and the
    form to be filled out"."""
    assert form_in(await begin(wire, NODE)).get("type") == "form"


async def test_stage_lists_its_actions(wire: Wire) -> None:
    """2.4.2: "The <command/> SHOULD include an <actions/> element"."""
    actions = element_at(command(await begin(wire, NODE)), f"{{{NS_COMMANDS}}}actions")

    assert [action.tag for action in actions] == [f"{{{NS_COMMANDS}}}complete"]


async def test_default_action_is_allowed(wire: Wire) -> None:
    """3.4: "The "execute" attribute SHOULD NOT specify a value that does not match one of the
    allowed actions"."""
    actions = element_at(command(await begin(wire, NODE)), f"{{{NS_COMMANDS}}}actions")

    assert actions.get("execute") == "complete"


@pytest.mark.parametrize("action", [None, "execute", "complete"])
async def test_submitted_form_completes_the_command(wire: Wire, action: str | None) -> None:
    """2.4.2 and 3.4 (paraphrase): "execute" stands for the default action, here "complete"."""
    reply = await submit(wire, await begin(wire, NODE), action=action, default=["never"])

    assert command(reply).get("status") == "completed"


@pytest.mark.parametrize("type", ["submit", "cancel"])
async def test_form_of_type_cancel_counts_as_submitted(wire: Wire, type: str) -> None:
    """3.5.1: "Responders SHOULD consider any <x type='cancel'/> to be <x type='submit'/>"."""
    reply = await submit(wire, await begin(wire, NODE), form_type=type, default=["never"])

    assert command(reply).get("status") == "completed"


async def test_completed_command_has_an_info_note(wire: Wire) -> None:
    """4.3: a note "contains information about current conditions in a command sequence"; its type
    "MUST be one of" info, warn, error."""
    reply = await submit(wire, await begin(wire, NODE), default=["never"])

    note = element_at(command(reply), f"{{{NS_COMMANDS}}}note")
    assert (note.get("type"), bool(note.text)) == ("info", True)


async def test_failed_command_has_an_error_note(wire: Wire) -> None:
    """3.6: "If a command completes but fails, the responder MUST include at least one
    <note type='error'/> with the <command status='completed'/> it returns"."""
    wire.grant(roster="none")
    reply = await submit(wire, await begin(wire, NODE), default=["roster"])

    note = element_at(command(reply), f"{{{NS_COMMANDS}}}note")
    assert (command(reply).get("status"), note.get("type")) == ("completed", "error")


async def test_status_in_a_request_is_ignored(wire: Wire) -> None:
    """4.1: "If specified by the requester, the responder MUST ignore it"."""
    reply = await wire.direct(request(NODE, extra=" status='completed'"))

    assert command(reply).get("status") == "executing"


async def test_response_has_the_node(wire: Wire) -> None:
    """4.1: "The "node" attribute uniquely identifies the command. This attribute MUST be
    present"."""
    form_reply = await begin(wire, NODE)
    result_reply = await submit(wire, form_reply, default=["never"])

    assert [command(reply).get("node") for reply in (form_reply, result_reply)] == [NODE, NODE]


async def test_response_has_the_language(wire: Wire) -> None:
    """3.7: "The responder SHOULD specify the language/locale with the every command session's
    response"."""
    form_reply = await begin(wire, NODE)
    result_reply = await submit(wire, form_reply, default=["never"])

    name = "{http://www.w3.org/XML/1998/namespace}lang"
    assert [command(reply).get(name) for reply in (form_reply, result_reply)] == ["en", "en"]


async def test_cancel_is_answered_canceled(wire: Wire) -> None:
    """2.4.3: "The responder MUST reply with the success of the command": the status is
    canceled."""
    form_reply = await begin(wire, NODE)
    reply = await wire.direct(
        request(NODE, action="cancel", session=command(form_reply).get("sessionid"))
    )

    answer = reply.iq.get("type"), command(reply).get("status"), list(command(reply))
    assert answer == ("result", "canceled", [])


# Sessions


async def test_session_has_an_id(wire: Wire) -> None:
    """4.1: "The value of this attribute MUST NOT be empty or null"."""
    assert command(await begin(wire, NODE)).get("sessionid")


async def test_session_keeps_its_id(wire: Wire) -> None:
    """4.1: "the responder SHOULD initialize (if not provided) or maintain this attribute"."""
    form_reply = await begin(wire, NODE)
    result_reply = await submit(wire, form_reply, default=["never"])

    assert command(result_reply).get("sessionid") == command(form_reply).get("sessionid")


async def test_session_ids_are_unique(wire: Wire) -> None:
    """3.3: "It is the responder's responsibility to ensure that each 'sessionid' value is
    unique"."""
    names = {command(await begin(wire, NODE)).get("sessionid") for _ in range(20)}

    assert len(names) == 20


async def test_sessions_run_in_parallel(wire: Wire) -> None:
    """3.3: "It may be possible for a requester to be executing more than one session of the same
    command with a given responder"."""
    first, second = await begin(wire, NODE), await begin(wire, NODE)
    answers = [await submit(wire, form_reply, default=["never"]) for form_reply in (second, first)]

    assert [command(answer).get("status") for answer in answers] == ["completed", "completed"]


async def test_session_of_another_requester_is_bad_sessionid(wire: Wire) -> None:
    """3.3: a session "SHOULD be valid only between one requester/responder pair"."""
    form_reply = await begin(wire, NODE)
    reply = await submit(wire, form_reply, asker=BOB_PHONE, default=["never"])

    assert specific(reply) == ("bad-request", "bad-sessionid")
    assert command(await submit(wire, form_reply, default=["never"])).get("status") == "completed"


@pytest.mark.parametrize("action", ["complete", "cancel"])
async def test_ended_session_is_refused(wire: Wire, action: str) -> None:
    """3.3: "Once a session has ended, its 'sessionid' value SHOULD NOT be used again"; 4.4:
    <not-allowed/> with <session-expired/>."""
    form_reply = await begin(wire, NODE)
    await submit(wire, form_reply, action=action, default=["never"])
    reply = await submit(wire, form_reply, default=["always"])

    assert specific(reply) == ("not-allowed", "session-expired")


# Errors of section 4.4


async def test_unknown_session_is_bad_sessionid(wire: Wire) -> None:
    """4.4: <bad-sessionid/>: "The responding JID cannot accept the specified sessionid"."""
    reply = await wire.direct(request(NODE, session="unknown"))

    assert specific(reply) == ("bad-request", "bad-sessionid")


@pytest.mark.parametrize("action", ["", "EXECUTE", "destroy"])
async def test_unknown_action_is_malformed_action(wire: Wire, action: str) -> None:
    """4.4: <malformed-action/>: "The responding JID does not understand the specified action"."""
    reply = await wire.direct(request(NODE, action=action))

    assert specific(reply) == ("bad-request", "malformed-action")


@pytest.mark.parametrize("action", ["prev", "next"])
async def test_action_that_the_stage_lacks_is_bad_action(wire: Wire, action: str) -> None:
    """4.4: <bad-action/>: "The responding JID cannot accept the specified action"."""
    form_reply = await begin(wire, NODE)
    reply = await submit(wire, form_reply, action=action, default=["never"])

    assert specific(reply) == ("bad-request", "bad-action")
    assert command(await submit(wire, form_reply, default=["never"])).get("status") == "completed"


@pytest.mark.parametrize("action", ["prev", "next", "complete", "cancel"])
async def test_other_action_without_session_is_refused(wire: Wire, action: str) -> None:
    """3.3: "The requester starts a new session for a command by simply sending a <command/>"."""
    reply = await wire.direct(request(NODE, action=action))

    assert specific(reply) == ("bad-request", "bad-action")


@pytest.mark.parametrize(
    "fields", [{}, {"default": []}, {"default": ["sometimes"]}, {"never": ["@"]}], ids=str
)
async def test_invalid_form_is_bad_payload(wire: Wire, fields: dict[str, list[str]]) -> None:
    """4.4: <bad-payload/>: "(e.g. the data form did not provide one or more required fields)"."""
    form_reply = await begin(wire, NODE)
    reply = await submit(wire, form_reply, **fields)

    assert specific(reply) == ("bad-request", "bad-payload")
    assert command(await submit(wire, form_reply, default=["never"])).get("status") == "completed"


async def test_command_without_form_completes_at_once(operated: Operated) -> None:
    """2.4.1: "If the command does not require any user interaction (returns results only)" it is
    completed with a form of type result."""
    reply = await operated.wire.direct(request("muniment#statistics"), asker=BOSS_PHONE)

    form = element_at(command(reply), f"{{{NS_FORM}}}x")
    assert (command(reply).get("status"), form.get("type")) == ("completed", "result")
    assert command(reply).get("sessionid")


async def test_session_of_a_command_without_form_has_ended(operated: Operated) -> None:
    """3.3: "A session ends when the responder sends a <command status='completed'/>"."""
    result_reply = await operated.wire.direct(request("muniment#statistics"), asker=BOSS_PHONE)
    repeated = request("muniment#statistics", session=command(result_reply).get("sessionid"))
    reply = await operated.wire.direct(repeated, asker=BOSS_PHONE)

    assert specific(reply) == ("not-allowed", "session-expired")


async def test_unavailable_command_is_forbidden(operated: Operated) -> None:
    """2.2: "If the command is not available to the requester, the responder SHOULD respond with a
    403 "Forbidden" error"."""
    assert (await info(operated.wire, "muniment#statistics")).refusal == "forbidden"


async def test_requester_without_permission_is_forbidden(wire: Wire) -> None:
    """4.4: <forbidden/>: "The requesting JID is not allowed to execute the command"."""
    reply = await wire.direct(request(NODE), asker="romeo@montague.lit/orchard")

    assert reply.refusal == "forbidden"


@pytest.mark.parametrize("node", ["", "unknown", NS_COMMANDS])
async def test_unknown_command_is_item_not_found(wire: Wire, node: str) -> None:
    """4.4: <item-not-found/>: "The responding JID cannot find the requested command node"."""
    assert (await wire.direct(request(node))).refusal == "item-not-found"


async def test_iq_get_of_a_command_is_refused(wire: Wire) -> None:
    """2.4.1 (paraphrase): the requester sends an IQ of type set."""
    assert (await wire.direct(request(NODE), type="get")).refusal == "bad-request"


async def test_delegated_command_is_executed(wire: Wire) -> None:
    """XEP-0355 section 4 (paraphrase): the component answers each namespace that it manages."""
    form_reply = await wire.delegated(request(NODE))
    session = command(form_reply).get("sessionid")
    direct = await wire.direct(request(NODE, session=session, action="cancel"))
    result_reply = await wire.delegated(request(NODE, session=session, action="cancel"))

    # A delegated query is about the same archive and belongs to the same session.
    assert [command(reply).get("status") for reply in (form_reply, direct)] == [
        "executing",
        "canceled",
    ]
    assert specific(result_reply) == ("not-allowed", "session-expired")


async def test_users_of_every_host_can_execute(wire: Wire) -> None:
    """2.2: "The responder is not required to send the same list of commands to all requesters".
    Muniment does."""
    reply = await wire.direct(request(NODE), asker=f"carol@{OTHER_HOST}/x")

    assert command(reply).get("status") == "executing", ET.tostring(reply.iq)


async def test_session_of_another_resource_is_refused(wire: Wire) -> None:
    """3.3: "SHOULD be valid only between one requester/responder pair": both are full JIDs in all
    examples."""
    form_reply = await begin(wire, NODE)
    other = ALICE_PHONE.replace("phone", "laptop")

    assert specific(await submit(wire, form_reply, asker=other, default=["never"])) == (
        "bad-request",
        "bad-sessionid",
    )
