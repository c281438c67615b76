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
        lines = [f"{name}: {value}" for name, value in self._sql.items()]
        options = "    db_type: sql\n    request_activates_archiving: false\n"
        if self._compresses:
            options += "    compress_xml: true\n"
        config = (
            super()
            ._config()
            .replace("default_room_options:", "default_room_options:\n      mam: true")
        )
        return "\n".join(lines) + "\n" + config + options


class BesideMuniment(Ejabberd):
    """An ejabberd whose mod_mam archives everything in the file DATABASE, beside Muniment."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        *,
        is_multihost: bool = False,
        changes: Mapping[str, str] | None = None,
        processes: Sequence[str] = (),
    ) -> None:
        """`changes` are further replacements in the example of ejabberd.yml."""
        changes = {**_BESIDE, **(changes or {})}
        super().__init__(folder, release, changes=changes, processes=processes)
        self.database = folder / DATABASE
        self._is_multihost = is_multihost

    def _config(self) -> str:
        lines = f'sql_type: sqlite\nsql_database: "{self.database}"\n'
        if self._is_multihost:
            lines += "new_sql_schema: true\n"
        return lines + super()._config()
