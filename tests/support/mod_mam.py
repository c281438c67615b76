"""An ejabberd with its own archive, to compare with and to import from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from support.ejabberd import Ejabberd
from support.releases import Release

DATABASE = "ejabberd.db"

#: mod_mam beside Muniment, with an archive of all messages in SQLite.
_BESIDE = {
    "default_room_options:": "default_room_options:\n      mam: true",
    "mod_adhoc: {}": "mod_adhoc: {}\n  mod_mam:\n    default: always\n    db_type: sql",
}


class WithModMam(Ejabberd):
    """An ejabberd whose archive is mod_mam, without any component."""

    def _config(self) -> str:
        config, modules_of_muniment, _ = super()._config().partition("  mod_service_log:")
        assert modules_of_muniment
        return config + "  mod_mam:\n    default: always\n"


class WithSqlArchive(WithModMam):
    """An ejabberd whose mod_mam keeps its archive in SQL: in the file DATABASE, or elsewhere."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        *,
        is_multihost: bool,
        compresses: bool = False,
        sql: Mapping[str, object] | None = None,
    ) -> None:
        """`sql` has further options of ejabberd's connection, such as that to a server."""
        super().__init__(folder, release)
        self.database = folder / DATABASE
        self._compresses = compresses
        self._sql = {
            "sql_type": "sqlite",
            "sql_database": f'"{self.database}"',
            "new_sql_schema": str(is_multihost).lower(),
            **(sql or {}),
        }

    def _config(self) -> str:
        options = "    db_type: sql\n    request_activates_archiving: false\n"
        if self._compresses:
            options += "    compress_xml: true\n"
        config = (
            super()
            ._config()
            .replace("default_room_options:", "default_room_options:\n      mam: true")
        )
        return _lines(self._sql) + config + options


class BesideMuniment(Ejabberd):
    """An ejabberd beside Muniment. Its mod_mam archives all, in the file DATABASE or elsewhere."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        *,
        is_multihost: bool = False,
        compresses: bool = False,
        changes: Mapping[str, str] | None = None,
        processes: Sequence[str] = (),
        sql: Mapping[str, object] | None = None,
    ) -> None:
        """`changes` are further replacements in the example of ejabberd.yml.

        `sql` has further options of ejabberd's connection, such as that to a server.
        """
        changes = {**_BESIDE, **(changes or {})}
        if compresses:
            changes["mod_adhoc: {}"] += "\n    compress_xml: true"
        super().__init__(folder, release, changes=changes, processes=processes)
        self.database = folder / DATABASE
        self._sql = {
            "sql_type": "sqlite",
            "sql_database": f'"{self.database}"',
            "new_sql_schema": str(is_multihost).lower(),
            **(sql or {}),
        }

    def _config(self) -> str:
        return _lines(self._sql) + super()._config()


def _lines(options: Mapping[str, object]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in options.items())
