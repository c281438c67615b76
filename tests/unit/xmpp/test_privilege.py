"""Privileges that hosts grant, and answers to clients without them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from support.wire import (
    ALICE,
    COMPONENT,
    FOOTER,
    HOST,
    OTHER_HOST,
    PRIVILEGE_1,
    PRIVILEGE_2,
    Reply,
    Wire,
    open_wire,
    query,
)


async def read(folder: Path, granted: Iterable[str]) -> Reply:
    """Return the answer to alice with these privileges granted."""
    async with open_wire(folder, granted=granted) as wire:
        wire.say("hello")
        return await wire.history()


def version(reply: Reply) -> list[str]:
    return [child.tag[1:].partition("}")[0] for message in reply.wrapped for child in message]


@pytest.mark.parametrize("namespace", [PRIVILEGE_1, PRIVILEGE_2])
async def test_results_are_sent_in_the_namespace_that_was_granted(
    tmp_path: Path, namespace: str
) -> None:
    assert version(await read(tmp_path, [namespace])) == [namespace]


async def test_with_both_versions_granted_a_result_is_sent_once(tmp_path: Path) -> None:
    reply = await read(tmp_path, [PRIVILEGE_1, PRIVILEGE_2])

    assert (reply.bodies, len(version(reply))) == (["hello"], 1)


async def test_both_versions_in_one_message_are_a_grant(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        perm = "<perm access='message' type='outgoing'/>"
        payloads = "".join(
            f"<privilege xmlns='{ns}'>{perm}</privilege>" for ns in (PRIVILEGE_1, PRIVILEGE_2)
        )
        wire.peer.send(f"<message from='{HOST}' to='{COMPONENT}'>{payloads}</message>")
        wire.say("hello")

        assert (await wire.history()).bodies == ["hello"]


async def test_query_without_privilege_is_refused(tmp_path: Path) -> None:
    reply = await read(tmp_path, [])

    assert (reply.outer.get("type"), reply.refusal) == ("result", "internal-server-error")


async def test_without_privilege_nothing_is_sent_for_the_user(tmp_path: Path) -> None:
    assert (await read(tmp_path, [])).wrapped == []


async def test_without_privilege_an_empty_page_is_still_answered(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        assert (await wire.history()).complete


async def test_missing_privilege_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await read(tmp_path, [])

    assert f"{HOST} does not let us send messages: mod_privilege must grant it" in caplog.messages


@pytest.mark.parametrize("type", ["none", "", "incoming", "both"])
async def test_permission_of_another_type_grants_nothing(tmp_path: Path, type: str) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(type=type)
        wire.say("hello")

        assert (await wire.history()).refusal == "internal-server-error"


async def test_permission_for_another_access_grants_nothing(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.peer.send(
            f"<message from='{HOST}' to='{COMPONENT}'><privilege xmlns='{PRIVILEGE_1}'>"
            "<perm access='roster' type='outgoing'/></privilege></message>"
        )
        wire.say("hello")

        assert (await wire.history()).refusal == "internal-server-error"


@pytest.mark.parametrize("stranger", ["evil.example", ALICE, f"{HOST}/x", f"conference.{HOST}"])
async def test_grant_from_anybody_but_a_host_is_ignored(tmp_path: Path, stranger: str) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(host=stranger)
        wire.say("hello")

        assert (await wire.history()).refusal == "internal-server-error"


async def test_grant_is_for_the_host_that_sent_it(tmp_path: Path) -> None:
    carol = f"carol@{OTHER_HOST}"
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.grant(host=HOST)
        wire.log_copy(
            f"<message xmlns='jabber:client' from='{carol}/x' to='{ALICE}' id='1'>"
            "<body>hello</body></message>",
            host=OTHER_HOST,
        )

        assert (await wire.history(f"{carol}/x")).refusal == "internal-server-error"


async def test_revoked_grant_is_not_used_any_more(wire: Wire) -> None:
    wire.grant(type="none")
    wire.say("hello")

    assert (await wire.history()).refusal == "internal-server-error"


async def test_grant_ends_with_the_connection(wire: Wire) -> None:
    wire.say("hello")
    wire.peer.send(FOOTER)
    await wire.peer.connection_closed()
    await wire.welcome()

    assert (await wire.history()).refusal == "internal-server-error"


async def test_direct_query_needs_no_privilege(tmp_path: Path) -> None:
    async with open_wire(tmp_path, granted=[]) as wire:
        wire.say("hello")

        assert (await wire.direct(query())).bodies == ["hello"]


async def test_iq_permissions_are_held_by_host(wire: Wire) -> None:
    """XEP-0356 section 6.1."""
    wire.grant(PRIVILEGE_2, iqs={"a": "get", "b": "set", "c": "both", "d": "none"})
    wire.grant(PRIVILEGE_2, host=OTHER_HOST, iqs={"a": "set"})
    await wire.caught_up()

    privileges = wire.parts.privileges
    assert privileges.iqs(HOST) == {("a", "get"), ("b", "set"), ("c", "get"), ("c", "set")}
    assert privileges.iqs(OTHER_HOST) == {("a", "set")}
    assert privileges.host_getting("c") == HOST
    assert privileges.host_getting("b") is None


async def test_new_iq_permissions_replace_those_before(wire: Wire) -> None:
    wire.grant(PRIVILEGE_2, iqs={"a": "get"})
    wire.grant(PRIVILEGE_2, iqs={})
    await wire.caught_up()

    assert wire.parts.privileges.iqs(HOST) == frozenset()
