"""The connection to the server: refusals, silence, restarts and the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from support.wire import (
    ALICE,
    BOB,
    COMPONENT,
    FOOTER,
    HANDSHAKE,
    HEADER,
    HOST,
    NS_COMPONENT,
    NS_MAM,
    NS_PING,
    PATIENCE,
    SECRET,
    Peer,
    Wire,
    chat,
    copy_of,
    open_wire,
    until,
)

from component.wiring import app
from component.xmpp.connection.connector import Connector, ServerRefused, Timeouts
from storage.rows import ANY
from storage.spill import Spill

QUICK = Timeouts(ping_interval=0.1, ping_timeout=0.1, reconnect_max=0.1, drain=5.0)


@pytest.fixture
async def lonely(tmp_path: Path) -> AsyncIterator[Wire]:
    """A component that has not connected yet."""
    async with open_wire(tmp_path, connected=False, patience=QUICK) as wire:
        yield wire


@pytest.fixture
async def restless(tmp_path: Path) -> AsyncIterator[Wire]:
    """A connected component with short intervals and timeouts of pings."""
    async with open_wire(tmp_path, patience=QUICK, granted=[]) as wire:
        yield wire


async def refused(wire: Wire, condition: str) -> str:
    """Refuse the component and return the message of its ServerRefused."""
    wire.start()
    peer = await wire.server.accept()
    await peer.meet()
    await peer.refuse(condition)
    with pytest.raises(ServerRefused) as refusal:
        await wire.link
    return str(refusal.value)


async def next_ping(peer: Peer) -> str:
    """Return the id of the next ping."""
    while True:
        stanza = await peer.next()
        if stanza.find(f"{{{NS_PING}}}ping") is not None:
            return stanza.get("id", "")


def pong(wire: Wire, id: str, type: str = "result") -> None:
    wire.peer.send(f"<iq type='{type}' id='{id}' from='{HOST}' to='{COMPONENT}'/>")


# --- refusals


async def test_wrong_secret_ends_the_connector_with_a_clear_message(lonely: Wire) -> None:
    message = await refused(lonely, "not-authorized")

    assert "refuses xmpp.secret" in message


async def test_refusal_does_not_contain_the_secret(
    lonely: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "component")
    message = await refused(lonely, "not-authorized")

    assert SECRET not in message + caplog.text


@pytest.mark.parametrize("condition", ["host-unknown", "conflict", "invalid-namespace"])
async def test_stream_error_in_the_configuration_ends_the_connector(
    lonely: Wire, condition: str
) -> None:
    message = await refused(lonely, condition)

    assert condition in message


@pytest.mark.parametrize("condition", ["system-shutdown", "internal-server-error", "reset"])
async def test_transient_stream_error_is_retried(lonely: Wire, condition: str) -> None:
    lonely.start()
    peer = await lonely.server.accept()
    await peer.meet()
    await peer.refuse(condition)

    await lonely.welcome()


async def test_stream_error_after_a_first_connection_is_retried(restless: Wire) -> None:
    """The refusal may come while the server reloads its configuration."""
    await restless.peer.close()
    peer = await restless.server.accept()
    await peer.meet()
    await peer.refuse("not-authorized")

    await restless.welcome()


async def test_refusal_names_the_server(lonely: Wire) -> None:
    message = await refused(lonely, "host-unknown")

    assert message == f"127.0.0.1:{lonely.server.port} refuses {COMPONENT}: host-unknown"


# --- reconnecting


async def test_connector_reconnects_after_the_server_ends_the_stream(restless: Wire) -> None:
    restless.peer.send(FOOTER)

    await restless.welcome()


async def test_connector_reconnects_after_the_server_closes_the_connection(restless: Wire) -> None:
    restless.peer.writer.transport.abort()

    await restless.welcome()


async def test_connector_reconnects_after_a_restart_of_the_server(restless: Wire) -> None:
    await restless.server.close()
    await until(lambda: not restless.stream.is_up)
    await restless.server.open()

    await restless.welcome()


async def test_operator_who_restarts_the_connection_does_not_wait_longer_each_time(
    tmp_path: Path,
) -> None:
    """The pause doubles only where the server drops the connection."""
    patient = replace(QUICK, reconnect_max=60.0)
    async with open_wire(tmp_path, patience=patient, granted=[]) as wire:
        for _ in range(6):
            wire.connection.restart()
            await wire.peer.stream_closed()
            wire.peer.send(FOOTER)
            await wire.welcome()
            await until(lambda: wire.stream.is_up)


async def test_connector_connects_to_a_server_that_starts_later(lonely: Wire) -> None:
    await lonely.server.close()
    lonely.start()
    await until(lambda: "Connect call failed" in lonely.stream.trouble)
    await lonely.server.open()

    await lonely.welcome()


async def test_copies_are_archived_after_reconnecting(restless: Wire) -> None:
    restless.peer.send(FOOTER)
    await restless.welcome()
    restless.log_copy(chat("hello"))

    assert await restless.bodies(ALICE) == ["hello"]


async def test_partial_stanza_is_dropped_with_its_connection(restless: Wire) -> None:
    restless.peer.send(copy_of(chat("lost"))[:-30])
    await restless.peer.close()
    await restless.welcome()
    restless.log_copy(chat("hello"))

    assert await restless.bodies(ALICE) == ["hello"]


async def test_each_connection_has_its_own_handshake(restless: Wire) -> None:
    """No stanza is delivered before the handshake of a later connection, too."""
    restless.peer.send(FOOTER)
    peer = await restless.server.accept()
    peer.send(HEADER + copy_of(chat("early")) + HANDSHAKE)
    restless.peer = peer
    assert (await peer.next()).tag == f"{{{NS_COMPONENT}}}handshake"

    assert await restless.bodies(ALICE) == []


async def test_stream_is_up_only_after_the_handshake(lonely: Wire) -> None:
    lonely.start()
    peer = await lonely.server.accept()
    lonely.peer = peer
    await peer.meet()
    await peer.next()

    assert not lonely.stream.is_up
    peer.send(HANDSHAKE)
    await until(lambda: lonely.stream.is_up)


async def test_stream_is_down_without_a_server(restless: Wire) -> None:
    await restless.server.close()

    await until(lambda: not restless.stream.is_up)


async def pauses(wire: Wire, count: int, *, welcome: bool) -> list[float]:
    """Return the seconds between the attempts of a component whose connection is always closed."""
    loop = asyncio.get_running_loop()
    times = []
    for _ in range(count + 1):
        wire.peer = peer = await wire.server.accept()
        times.append(loop.time())
        if welcome:
            await peer.welcome()
            await until(lambda: wire.stream.is_up)
        await peer.close()
    return [after - before for before, after in pairwise(times)]


@pytest.mark.parametrize("welcome", [False, True], ids=["before", "after the handshake"])
async def test_pauses_between_attempts_grow_up_to_a_limit(tmp_path: Path, welcome: bool) -> None:
    patience = replace(PATIENCE, first_pause=0.02, reconnect_max=0.16)
    async with open_wire(tmp_path, connected=False, patience=patience) as wire:
        wire.start()
        measured = await pauses(wire, 10, welcome=welcome)

    # Each pause is between one half and all of 0.02, 0.04, 0.08, 0.16, and then 0.16 again.
    minimum = [0.01, 0.02, 0.04, *[0.08] * 7]
    assert all(pause >= shortest for pause, shortest in zip(measured, minimum, strict=True)), (
        measured
    )
    # Without a limit each of the last four would be longer. A busy machine may delay some.
    assert min(measured[-4:]) < 0.64, measured


async def test_pauses_differ_from_one_component_to_the_next(tmp_path: Path) -> None:
    """Components that lost the same server must not return at the same moment."""
    patience = replace(PATIENCE, first_pause=0.1, reconnect_max=0.1)
    async with open_wire(tmp_path, connected=False, patience=patience) as wire:
        wire.start()
        measured = await pauses(wire, 8, welcome=False)

    assert max(measured) - min(measured) > 0.003, measured


async def test_no_pause_is_longer_than_the_limit(tmp_path: Path) -> None:
    patience = replace(PATIENCE, reconnect_max=0.1)
    async with open_wire(tmp_path, connected=False, patience=patience) as wire:
        wire.start()

        # Without the limit each would take half a second. A busy machine may delay some.
        assert min(await pauses(wire, 3, welcome=False)) < 0.25


async def test_long_outage_leaves_no_objects_behind(lonely: Wire) -> None:
    await lonely.server.close()
    before = len(asyncio.all_tasks())
    events = ("session_start", "disconnected", "connection_failed")
    handlers = [lonely.stream.event_handled(event) for event in events]
    for _ in range(20):
        with pytest.raises(ServerRefused):
            await lonely.connection.probe()

    assert [lonely.stream.event_handled(event) for event in events] == handlers
    assert len(asyncio.all_tasks()) <= before + 1  # slixmpp's task that sends


# --- handshakes


async def test_unanswered_handshake_times_out(tmp_path: Path) -> None:
    patience = replace(QUICK, handshake=0.5)
    async with open_wire(tmp_path, connected=False, patience=patience) as wire:
        wire.start()
        peer = await wire.server.accept()
        await peer.meet()
        await peer.connection_closed()

        await wire.welcome()


async def test_unanswered_connection_attempt_times_out(lonely: Wire) -> None:
    timeouts = replace(QUICK, handshake=0.1)
    with socket.socket() as deaf:
        # With its backlog full, the kernel leaves further attempts without an answer.
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            connection = Connector(lonely.stream, "127.0.0.1", port, HOST, timeouts)

            async with asyncio.timeout(30):
                with pytest.raises(ServerRefused):
                    await connection.probe()


async def test_server_that_speaks_no_xmpp_is_the_logged_reason(lonely: Wire) -> None:
    probing = asyncio.create_task(lonely.connection.probe())
    peer = await lonely.server.accept()
    peer.send("HTTP/1.1 400 Bad Request\r\n\r\n")

    with pytest.raises(ServerRefused, match="the server's stream is refused"):
        await probing


async def test_probe_closes_its_stream(lonely: Wire) -> None:
    probing = asyncio.create_task(lonely.connection.probe())
    peer = await lonely.server.accept()
    await peer.welcome()
    await peer.stream_closed()
    peer.send(FOOTER)
    await probing

    assert not lonely.stream.is_up


async def test_probe_without_a_server_is_refused(lonely: Wire) -> None:
    await lonely.server.close()

    with pytest.raises(ServerRefused, match="is ejabberd_service listening there"):
        await lonely.connection.probe()


# --- pings


async def test_silent_server_is_pinged(restless: Wire) -> None:
    ping = await next_ping(restless.peer)

    assert ping


async def test_ping_is_sent_from_the_component_to_a_virtual_host(restless: Wire) -> None:
    next_stanza = await restless.peer.next()

    # ejabberd 24.10 and 24.12 drop an IQ to an address without a resource.
    assert (
        next_stanza.attrib.items()
        >= {
            "type": "get",
            "from": COMPONENT,
            "to": f"{HOST}/muniment",
        }.items()
    )


@pytest.mark.parametrize("type", ["result", "error"])
async def test_error_or_result_of_a_ping_keeps_the_connection(restless: Wire, type: str) -> None:
    for _ in range(5):
        pong(restless, await next_ping(restless.peer), type)

    assert restless.stream.is_up


async def test_unanswered_ping_ends_the_connection(restless: Wire) -> None:
    await next_ping(restless.peer)
    await restless.peer.connection_closed()

    await restless.welcome()


async def test_ping_answer_from_another_address_does_not_count(restless: Wire) -> None:
    ping = await next_ping(restless.peer)
    restless.peer.send(f"<iq type='result' id='{ping}x' from='{HOST}' to='{COMPONENT}'/>")
    # The server sent something, so the next ping decides.
    await next_ping(restless.peer)
    await restless.peer.connection_closed()

    await restless.welcome()


async def test_server_that_sends_is_not_pinged(tmp_path: Path) -> None:
    """A ping is sent after silence only."""
    patience = replace(QUICK, ping_interval=1.0, ping_timeout=1.0)
    loop = asyncio.get_running_loop()
    async with open_wire(tmp_path, patience=patience, granted=[]) as wire:
        deadline = loop.time() + 1.5
        while loop.time() < deadline:
            wire.peer.send(" ")
            await asyncio.sleep(0.02)
        next_stanza = asyncio.ensure_future(wire.peer.next())
        finished, _ = await asyncio.wait([next_stanza], timeout=0)

        assert not finished
        next_stanza.cancel()


async def test_server_that_sends_but_does_not_answer_the_ping_is_alive(tmp_path: Path) -> None:
    """A long queue of copies delays the answer to a ping."""
    loop = asyncio.get_running_loop()
    patience = replace(QUICK, ping_timeout=1.0)
    async with open_wire(tmp_path, patience=patience, granted=[]) as wire:
        await next_ping(wire.peer)
        deadline = loop.time() + 1.5
        while loop.time() < deadline:
            wire.say(str(loop.time()))
            await asyncio.sleep(0.01)

        assert wire.stream.is_up


async def test_server_is_not_dead_while_reading_is_held(tmp_path: Path) -> None:
    options = {"queue_bytes": 65536}
    async with open_wire(
        tmp_path, patience=QUICK, granted=[], writing=False, archive=options
    ) as wire:
        loop = asyncio.get_running_loop()
        wire.say("x" * 65536, id="fills the queue")
        await until(lambda: not wire.stream.is_reading)
        deadline = loop.time() + 0.5
        await until(lambda: loop.time() > deadline or not wire.stream.is_up)

        assert wire.stream.is_up
        wire.write()


async def test_server_has_the_full_interval_after_reading_was_held(tmp_path: Path) -> None:
    """Reading resumes just before the interval ends, and the answer may follow many bytes."""
    patience = replace(QUICK, ping_interval=0.2, ping_timeout=0.4)
    async with open_wire(tmp_path, patience=patience, granted=[]) as wire:
        loop = asyncio.get_running_loop()
        await next_ping(wire.peer)
        ping_sent = loop.time()
        wire.stream.hold(True)
        await until(lambda: loop.time() > ping_sent + 0.35)
        wire.stream.hold(False)
        await until(lambda: loop.time() > ping_sent + 0.5)

        assert wire.stream.is_up


async def test_connection_lost_during_a_ping_is_reopened_at_once(
    tmp_path: Path,
) -> None:
    patience = replace(QUICK, ping_timeout=60.0)
    async with open_wire(tmp_path, patience=patience, granted=[]) as wire:
        await next_ping(wire.peer)
        await wire.peer.close()

        await wire.welcome()  # well before the timeout of the ping


# --- the end


async def closing(wire: Wire) -> asyncio.Task[None]:
    """Stop the link and begin to close the stream, as the program does."""
    assert wire.link is not None
    wire.link.cancel()
    await asyncio.gather(wire.link, return_exceptions=True)
    task = asyncio.create_task(wire.connection.close())
    await wire.peer.stream_closed()
    return task


async def test_stanzas_sent_before_the_server_closes_its_stream_are_archived(wire: Wire) -> None:
    task = await closing(wire)
    for number in range(100):
        wire.say(f"late {number}")
    wire.peer.send(FOOTER)
    await task
    await wire.writer.wait_durable()

    page = await wire.archive.count(ALICE, ANY)
    assert page == 100


async def test_closing_ends_when_the_server_ends_its_stream(tmp_path: Path) -> None:
    async with open_wire(tmp_path, patience=replace(PATIENCE, drain=60.0)) as wire:
        task = await closing(wire)
        wire.peer.send(FOOTER)

        async with asyncio.timeout(30):
            await task


async def test_closing_waits_for_the_server_no_longer_than_the_drain_time(tmp_path: Path) -> None:
    async with open_wire(tmp_path, patience=replace(PATIENCE, drain=0.1)) as wire:
        task = await closing(wire)

        async with asyncio.timeout(30):
            await task


async def test_closing_without_drain_time_closes_at_once(tmp_path: Path) -> None:
    async with open_wire(tmp_path, patience=replace(PATIENCE, drain=0.0)) as wire:
        task = await closing(wire)
        await task
        await wire.peer.connection_closed()

        assert not wire.stream.is_connected()


async def test_closing_without_a_connection_does_nothing(lonely: Wire) -> None:
    await lonely.connection.close()

    assert not lonely.stream.is_connected()


async def test_closing_ends_while_the_queue_is_full(tmp_path: Path) -> None:
    async with open_wire(tmp_path, archive={"queue_bytes": 65536}, writing=False) as wire:
        for number in range(100):
            wire.say(str(number))
        await until(lambda: not wire.stream.is_reading)
        wire.write()
        task = await closing(wire)
        wire.peer.send(FOOTER)
        await task
        await wire.writer.wait_durable()

        assert await wire.archive.count(BOB, ANY) == 100


async def test_end_reads_all_stanzas_with_a_full_queue(tmp_path: Path) -> None:
    async with open_wire(tmp_path, archive={"queue_bytes": 65536}, writing=False) as wire:
        for number in range(2000):
            wire.say(str(number))
        await until(lambda: not wire.stream.is_reading)
        assert wire.link is not None
        end_task = asyncio.create_task(app.end(wire.link, wire.connection))
        await wire.peer.stream_closed()
        wire.say("the last one")
        wire.peer.send(FOOTER)
        await end_task

        unwritten = [row for row in wire.writer.unwritten if row.owner == BOB]
        assert len(unwritten) == 2001
        wire.write()
        await wire.writer.wait_durable()


async def test_waiting_messages_of_all_parts_are_spilled(tmp_path: Path) -> None:
    spill = Spill(tmp_path / "archive.db-spill")
    async with open_wire(tmp_path, writing=False, spill=spill) as wire:
        wire.log_copy(chat("undecided"), is_delivered=False)
        await wire.caught_up()

        await wire.parts.save()

        assert {row.owner for row in spill.read().messages} == {ALICE, BOB}


async def test_query_under_way_at_the_end_logs_no_error(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    wire.say("hello")
    wire.peer.send(
        f"<iq type='set' id='q' from='{ALICE}' to='{COMPONENT}'><query xmlns='{NS_MAM}'/></iq>"
    )
    task = await closing(wire)
    wire.peer.send(FOOTER)
    await task

    assert [r for r in caplog.records if r.levelname == "ERROR"] == []


async def test_nothing_is_sent_on_a_lost_connection(restless: Wire) -> None:
    await restless.server.close()
    await until(lambda: not restless.stream.is_up)

    await restless.stream.send_text("<message/>")


async def test_send_text_waits_for_a_slow_server(wire: Wire) -> None:
    wire.peer.writer.transport.pause_reading()
    megabyte = f"<message to='{HOST}' from='{COMPONENT}'>{'x' * 1_000_000}</message>"

    async def flood() -> None:
        for _ in range(100):
            await wire.stream.send_text(megabyte)

    flooding = asyncio.create_task(flood())
    await until(lambda: wire.stream.transport.get_write_buffer_size() > 0)
    finished, _ = await asyncio.wait([flooding], timeout=0.2)

    assert not finished
    flooding.cancel()
    wire.stream.abort()


async def test_lost_connection_ends_waiting_of_send_text(wire: Wire) -> None:
    wire.peer.writer.transport.pause_reading()
    sending = asyncio.create_task(wire.stream.send_text("<message>" + "x" * 30_000_000))
    await until(lambda: wire.stream.transport.get_write_buffer_size() > 0)
    wire.stream.abort()

    async with asyncio.timeout(30):
        await sending
