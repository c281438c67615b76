"""ejabberd and Muniment together, as an installation has them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support.ejabberd import Account, Ejabberd
from support.muniment import Muniment, Options
from support.pool import lent_ejabberd
from support.raw import Client
from support.releases import Release


@dataclass(frozen=True)
class Server:
    """An installation: ejabberd and Muniment."""

    ejabberd: Ejabberd
    muniment: Muniment

    @classmethod
    @contextmanager
    def running(
        cls, folder: Path, release: Release, options: Options | None = None
    ) -> Iterator[Self]:
        """Run both in a folder, Muniment with further options; ejabberd may be an idle one."""
        with (
            lent_ejabberd(folder / "ejabberd", release) as ejabberd,
            Muniment(folder / "muniment", ejabberd, options=options) as muniment,
        ):
            yield cls(ejabberd, muniment)

    def accounts(self, *names: str) -> list[Account]:
        """Create accounts with new names: "bob" on the first host, "bob@2" on the second."""
        made = [self._account(*name.split("@")) for name in names]
        self.ejabberd.register(*made)
        return made

    def account(self, name: str) -> Account:
        """Create one account, as `accounts` does."""
        return self.accounts(name)[0]

    def client(self, account: Account, resource: str = "phone") -> Client:
        """Return a raw client, for `async with`."""
        return Client(account, self.ejabberd.ports.c2s, resource)

    def _account(self, name: str, number: str = "1") -> Account:
        host = self.ejabberd.hosts[int(number) - 1]
        return Account(f"{name}-{secrets.token_hex(3)}", host, secrets.token_hex(8))
