"""Checks that the running program answers: it has the connection, the store and the ports."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

from component.clients.muniment_http import Client, ClientSettings, NotRunning
from component.core.doctor.checks import CONFIG, HTTP, LINK, RETENTION, STORE
from component.core.doctor.finding import Finding, Severity, ok

#: The longest time in which the program reconnects and examines ejabberd, in seconds.
EXAMINATION_SECONDS = 60.0

#: The check to which each part of the health of the program belongs; others count as `config`.
_CHECKS = {"storage": STORE, "writer": STORE, "link": LINK}


class NotExamined(Exception):
    """The running program does not examine ejabberd; the message says why."""


async def check(
    client_settings: ClientSettings, *, live: bool, reconnect: bool
) -> AsyncIterator[Finding]:
    """Yield findings of the program that runs with this configuration, none if none answers.

    `live` has it examine ejabberd anew, `reconnect` reconnect before. Raises NotExamined.
    """
    patient = replace(client_settings, timeout_seconds=EXAMINATION_SECONDS)
    async with Client(client_settings) as client, Client(patient) as patient_client:
        try:
            parts = await client.health()
        except NotRunning:
            return
        yield ok(HTTP, f"running: Muniment answers at {client.place}")
        grants = parts.pop("grants", {}).get("missing", [])
        for finding in _of_parts(parts):
            yield finding
        if live:
            for finding in await _examined(patient_client, reconnect=reconnect):
                yield finding
        else:
            for fields in grants:
                yield Finding.of_fields(fields)
        yield ok(STORE, "store, ejabberd and HTTP port: in use by the running program")


def _of_parts(parts: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    for name, part in parts.items():
        if not part["ok"]:
            yield Finding(
                id=_CHECKS.get(name, CONFIG),
                severity=Severity.ERROR,
                seen=f"running: {name} is not ready: the log says why",
            )
    if not parts.get("retention", {}).get("confirmed", True):
        yield Finding(
            id=RETENTION,
            severity=Severity.WARNING,
            seen="running: nothing is purged, because the limits of retention would delete much "
            "of an archive and are not confirmed: run `muniment purge`",
        )


async def _examined(client: Client, *, reconnect: bool) -> list[Finding]:
    query = {"reconnect": "true"} if reconnect else {}
    try:
        answer = await client.ask("POST", "v1", "doctor", query=query)
    except NotRunning as error:
        raise NotExamined(str(error)) from error
    if not answer.is_good:
        raise NotExamined(
            f"Muniment at {client.place} does not examine ejabberd: {answer.message}"
        )
    try:
        return [Finding.of_fields(fields) for fields in answer.data["findings"]]
    except (KeyError, TypeError, ValueError) as error:
        raise NotExamined(
            f"The program that answers at {client.place} is not Muniment."
        ) from error
