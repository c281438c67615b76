"""Notifications: how the processes that use one database tell each other of changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from storage.processes import Change, Topic

#: The bytes of a notification are fewer than 8,000.
PAYLOAD_MAX = 7000

_TOPICS = frozenset(topic.value for topic in Topic)

NOTIFY = "SELECT pg_notify($1, $2)"


def payloads(topic: Topic, keys: Iterable[str]) -> Iterator[str]:
    """Yield the notifications of a change: many keys need more than one."""
    part: list[str] = []
    size = 0
    for key in keys:
        bytes_of_key = len(json.dumps(key)) + 2
        if part and size + bytes_of_key > PAYLOAD_MAX:
            yield json.dumps([topic, *part])
            part, size = [], 0
        part.append(key)
        size += bytes_of_key
    yield json.dumps([topic, *part])


def change(payload: str) -> Change | None:
    """Return the change that a notification tells of; None if only a newer Muniment knows it."""
    topic, *keys = json.loads(payload)
    return Change(Topic(topic), tuple(keys)) if topic in _TOPICS else None
