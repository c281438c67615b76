"""The ejabberd of the integration tests, for one virtual host, with or without an archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path

from support.ejabberd import Ejabberd, replaced
from support.releases import Release, installed_or_newest, unpacked

HOST = "chat.example"
COMPONENT = "muniment.example"

#: The version of ejabberd that a run measures; "" is the installed one, or else the newest.
measured_version: ContextVar[str] = ContextVar("measured_version", default="")

#: The first line of the last block of the example, which belongs to Muniment.
_OWN = "  ## MUNIMENT 4 of 4"

#: The archive of ejabberd itself, which replaces that block.
MOD_MAM = """\
  mod_mam:
    db_type: sql
    default: always
"""

#: Options of every ejabberd: all users can register at once, and ejabberd slows no user down.
_CHANGES = {"- team.example": "", "loglevel: info": "loglevel: warning"}
_UNSHAPED = {"c2s_shaper: normal": "c2s_shaper: none"}

#: ejabberd's own archive stores messages of rooms, as Muniment does by default.
_ARCHIVED_ROOMS = {"allow_subscription: true": "allow_subscription: true\n      mam: true"}
_COMMON = "registration_timeout: infinity\n"


def measured_release() -> Release:
    """Return the release of ejabberd that this run measures. Raises Unavailable."""
    version = measured_version.get()
    return unpacked(version) if version else installed_or_newest()


class BenchmarkedEjabberd(Ejabberd):
    """An ejabberd without limits on load, unless it is shaped."""

    def __init__(
        self,
        folder: Path,
        *,
        modules: str | None = None,
        options: str = "",
        changes: Mapping[str, str] | None = None,
        is_shaped: bool = False,
        processes: Sequence[str] = (),
    ) -> None:
        """`modules` replaces the modules of the example for Muniment.

        `changes` are further replacements in the example. `is_shaped` keeps its traffic shaper.
        `processes` are the domains of several processes of Muniment, () if there is one.
        """
        super().__init__(
            folder,
            measured_release(),
            hosts=(HOST, "team.example"),
            component=COMPONENT,
            changes=changes,
            processes=processes,
        )
        self._modules = modules
        self._options = options
        self._is_shaped = is_shaped

    def _config(self) -> str:
        changes = _CHANGES if self._is_shaped else _CHANGES | _UNSHAPED
        text = replaced(super()._config(), changes)
        if self._modules == MOD_MAM:
            text = replaced(text, _ARCHIVED_ROOMS)
        if self._modules is not None:
            text = text.partition(_OWN)[0] + self._modules
        return f"{text}\n{_COMMON}{self._options}"
