"""ejabberd as the integration tests run it, for one virtual host, with or without an archive."""

from __future__ import annotations

from pathlib import Path

from support.ejabberd import Ejabberd, replaced
from support.releases import installed_or_newest

HOST = "chat.example"
COMPONENT = "muniment.example"

#: Where the last block of the example begins, which belongs to Muniment.
_OWN = "  ## MUNIMENT 4 of 4"

#: The archive of ejabberd itself, in its place.
MOD_MAM = """\
  mod_mam:
    db_type: sql
    default: always
"""

#: For every ejabberd alike: all users may be made at once, and none is slowed down.
_CHANGES = {
    "- team.example": "",
    "c2s_shaper: normal": "c2s_shaper: none",
    "loglevel: info": "loglevel: warning",
}

#: Its own archive is asked to keep what is said in rooms, as Muniment does by default.
_ARCHIVED_ROOMS = {"allow_subscription: true": "allow_subscription: true\n      mam: true"}
_COMMON = "registration_timeout: infinity\n"


class BenchmarkedEjabberd(Ejabberd):
    """An ejabberd that takes all the load there is."""

    def __init__(self, folder: Path, *, modules: str | None = None, options: str = "") -> None:
        """`modules` stands in place of what the example has for Muniment."""
        super().__init__(
            folder, installed_or_newest(), hosts=(HOST, "team.example"), component=COMPONENT
        )
        self._modules = modules
        self._options = options

    def _config(self) -> str:
        text = replaced(super()._config(), _CHANGES)
        if self._modules == MOD_MAM:
            text = replaced(text, _ARCHIVED_ROOMS)
        if self._modules is not None:
            text = text.partition(_OWN)[0] + self._modules
        return f"{text}\n{_COMMON}{self._options}"
