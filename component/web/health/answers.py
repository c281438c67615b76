"""Answers about health, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Literal

from pydantic import JsonValue

from component.web.server.operation import Answer


class Live(Answer):
    """The process runs."""

    status: Literal["live"]


class Part(Answer):
    """Whether a part can do its work."""

    ok: bool


class WritingPart(Part):
    """Whether the last commit succeeded, and how many messages are not durable yet."""

    backlog: int


class GrantsPart(Part):
    """The faults of ejabberd."""

    missing: list[dict[str, JsonValue]]


class RetentionPart(Part):
    """Whether nobody has to confirm new limits before a purge."""

    confirmed: bool


class TasksPart(Part):
    """The permanent tasks that have ended."""

    failed: list[str]


class Parts(Answer):
    """The parts of the program."""

    storage: Part
    link: Part
    grants: GrantsPart
    writer: WritingPart
    retention: RetentionPart
    tasks: TasksPart


class Ready(Answer):
    """Whether every part of the program can do its work."""

    status: Literal["ready", "unready"]
    parts: Parts
