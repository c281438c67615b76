"""Check: the store can be used, other users cannot read it, and its limits are confirmed."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from component.config import Config
from component.config.types import MEMORY, SQLITE
from component.core.doctor.checks import RETENTION, STORE
from component.core.doctor.finding import Finding, Severity, ok
from component.core.retention.approval import Approval, describe_unconfirmed
from component.core.retention.forecast import Forecasts
from component.core.retention.holds import Holds
from component.core.retention.rules import Rules
from component.wiring import settings
from storage.errors import Locked, StorageError
from storage.open import examine, open_unchanged


async def check(config: Config) -> AsyncIterator[Finding]:
    """Yield findings about the store. Raises Locked if another process uses it."""
    try:
        yield ok(STORE, f"storage: {await examine(config.storage.url, settings.postgres(config))}")
        async for finding in _retention(config):
            yield finding
    except Locked:
        raise
    except StorageError as error:
        yield Finding(
            id=STORE,
            severity=Severity.ERROR,
            seen=f"storage: {error}",
        )


async def _retention(config: Config) -> AsyncIterator[Finding]:
    """Yield a finding if the limits would delete much of an archive and are not confirmed."""
    async with open_unchanged(config.storage.url, settings.postgres(config)) as storage:
        if storage is None:
            return
        rules, holds = Rules(storage.rules), Holds(storage.holds)
        await rules.load()
        await holds.load()
        forecasts = Forecasts(storage, rules, holds)
        forecast = await Approval(
            storage.rules, forecasts, settings.retention_defaults(config)
        ).unconfirmed_forecast()
        if forecast:
            yield Finding(
                id=RETENTION,
                severity=Severity.WARNING,
                seen=f"retention: {describe_unconfirmed(forecast)}",
            )


def permissions(config: Config) -> Iterator[Finding]:
    """Yield findings about the permissions of the files of the store and of their folder."""
    storage = config.storage
    if storage.url == MEMORY:
        return
    path = Path(storage.spill if storage.is_postgresql else storage.url.removeprefix(SQLITE))
    folder = path.parent
    if not os.path.isdir(folder):  # noqa: PTH112 - raises nothing where it is hidden
        if storage.is_postgresql:
            yield Finding(
                id=STORE,
                severity=Severity.ERROR,
                seen=f"storage.spill: {folder} does not exist, or is hidden from this user",
            )
        return  # `check` says so of SQLite
    if (owner := folder.stat().st_uid) != os.geteuid():
        yield Finding(
            id=STORE,
            severity=Severity.WARNING,
            seen=f"storage: {folder} belongs to {_user(owner)}, and this check runs as "
            f"{_user(os.geteuid())}: run it as the user of the service, whose rights may differ",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            id=STORE,
            severity=Severity.ERROR,
            seen=f"storage: {folder} cannot be written by this user",
        )
    if not path.exists():
        return
    if not os.access(path, os.R_OK | os.W_OK):
        yield Finding(
            id=STORE,
            severity=Severity.ERROR,
            seen=f"storage: {path} cannot be written by this user",
        )
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(
            id=STORE,
            severity=Severity.WARNING,
            seen=f"storage: {path} holds the messages of all users and is accessible to other "
            f"users: chmod go= {path}",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
