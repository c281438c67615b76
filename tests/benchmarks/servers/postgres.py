"""PostgreSQL with the tables of ejabberd, and with default durability."""

from __future__ import annotations

from pathlib import Path

from support import postgres

USER = "bench"
DATABASE = "bench"
_SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")


class Postgres(postgres.Postgres):
    """A server with ejabberd's tables."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"shared_buffers": "256MB"}, user=USER)

    def prepare(self) -> None:
        """Create the tables."""
        self.create(DATABASE)
        self.sql(_SCHEMA.read_bytes())

    def sql(self, text: bytes, *, database: str = DATABASE) -> bytes:
        """Run a script and return its output."""
        return super().sql(text, database=database)
