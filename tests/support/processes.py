"""Several processes of Muniment on one PostgreSQL, beside one ejabberd."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.ejabberd import Account, Ejabberd
from support.mod_mam import BesideMuniment
from support.muniment import Muniment
from support.raw import Client
from support.releases import Release


@dataclass(frozen=True)
class Processes:
    """An installation with several processes."""

    ejabberd: Ejabberd
    muniments: tuple[Muniment, ...]

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, release: Release, url: str, count: int = 2, *, fills_gaps: bool = False
    ) -> Iterator[Self]:
        """Run all in a folder, the processes with a store at a URL.

        With `fills_gaps`, mod_mam archives everything too, and gaps are filled from its database.
        """
        names = [f"archive-{n}.test" for n in range(1, count + 1)]
        with ExitStack() as stack:
            place, more = folder / "ejabberd", {}
            if fills_gaps:
                beside = BesideMuniment(place, release, is_multihost=True, processes=names)
                more["backfill"] = {"source": "sql", "url": f"sqlite:{beside.database}"}
                ejabberd: Ejabberd = stack.enter_context(beside)
            else:
                ejabberd = stack.enter_context(Ejabberd(place, release, processes=names))
            secret = secrets.token_hex(16)
            muniments = [
                stack.enter_context(
                    Muniment(
                        folder / name,
                        ejabberd,
                        secret=secret,
                        options={
                            "xmpp": {"jid": name, "processes": names},
                            "storage": {"url": url, "spill": str(folder / f"{name}.spill")},
                            **more,
                        },
                    )
                )
                for name in names
            ]
            yield cls(ejabberd, tuple(muniments))

    def accounts(self, *names: str) -> list[Account]:
        """Create accounts on the first host, with new names."""
        host = self.ejabberd.hosts[0]
        accounts = [
            Account(f"{name}-{secrets.token_hex(3)}", host, secrets.token_hex(8)) for name in names
        ]
        self.ejabberd.register(*accounts)
        return accounts

    def client(self, account: Account, resource: str = "phone") -> Client:
        """Return a raw client, for `async with`."""
        return Client(account, self.ejabberd.ports.c2s, resource)
