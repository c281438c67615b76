"""Turns of queries over XMPP."""

from __future__ import annotations

from collections import Counter
from itertools import product

from support.builders import ALICE, BOB, entries
from support.wire import COMPONENT, Wire, query, until

from component.core.turns import CROWDED_ABOVE


async def test_at_most_one_page_waits_for_a_slow_server(wire: Wire) -> None:
    """A turn lasts until the server has read the answer, and answers are sent one by one."""
    body = f"<body>{'x' * 900_000}</body>"
    xml = f"<message xmlns='jabber:client'>{body}</message>"
    for owner in (ALICE, BOB):
        await wire.archive.append(entries(8, owner=owner, xml=xml))
    await wire.caught_up()
    transport = wire.stream.transport
    assert transport is not None
    for asker, n in product((ALICE, BOB), range(8)):
        wire.peer.send(
            f"<iq type='set' id='{asker}{n}' from='{asker}/x' to='{COMPONENT}'>{query()}</iq>"
        )

    await until(lambda: transport.get_write_buffer_size() > 0)
    assert wire.queries.turns.pending > 0

    answered_ids = set()
    while len(answered_ids) < 16:
        stanza = await wire.next_sent()
        assert transport.get_write_buffer_size() < 2 * 1024 * 1024
        if stanza.tag.endswith("iq"):
            answered_ids.add(stanza.get("id"))
    await until(lambda: wire.queries.turns.pending == 0)


async def test_query_that_is_answered_is_not_refused_with_those_that_wait(wire: Wire) -> None:
    await wire.archive.append(entries(1))
    await wire.caught_up()
    count = CROWDED_ABOVE + 2
    for number in range(count):
        wire.peer.send(
            f"<iq type='set' id='{number}' from='{ALICE}/x' to='{COMPONENT}'>{query()}</iq>"
        )
    answered: Counter[str] = Counter()
    # The server does not carry the results of the first answer.
    answered[await _answered(wire)] += 1

    wire.queries.turns.refuse()
    wire.peer.send(f"<iq type='set' id='bob' from='{BOB}/x' to='{COMPONENT}'>{query()}</iq>")
    while (id := await _answered(wire)) != "bob":
        answered[id] += 1

    assert answered == Counter(str(number) for number in range(count))


async def _answered(wire: Wire) -> str:
    """Return the id of the next query that is answered or refused."""
    while not (stanza := await wire.next_sent()).tag.endswith("iq"):
        pass
    return stanza.get("id", "")
