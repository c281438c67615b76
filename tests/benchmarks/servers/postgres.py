"""PostgreSQL with an empty database, or with the tables of ejabberd, and default durability."""

from __future__ import annotations

from pathlib import Path

from support import postgres

USER = "bench"
DATABASE = "bench"
_SCHEMA = Path("/usr/share/ejabberd/sql/pg.sql")


class Postgres(postgres.Postgres):
    """A server with an empty database."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, {"shared_buffers": "256MB"}, user=USER)

    def prepare(self) -> None:
        """Create the database."""
        self.create(DATABASE)

    def sql(self, text: bytes, *, database: str = DATABASE) -> bytes:
        """Run a script and return its output."""
        return super().sql(text, database=database)


class EjabberdPostgres(Postgres):
    """A server with ejabberd's tables."""

    def prepare(self) -> None:
        """Create the database and the tables."""
        super().prepare()
        self.sql(_SCHEMA.read_bytes())
