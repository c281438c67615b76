"""Fill archives of several sizes for each contender, in a folder that later turns use again."""

from __future__ import annotations

from pathlib import Path

from support.muniment import DATABASE

from benchmarks.contenders import A, B, C, Contender, D, G
from benchmarks.loading import muniment, tables, templates
from benchmarks.xmpp import register

#: The number of archives of each size, so that clients read different ones.
OWNERS = {1_000: 8, 10_000: 8, 100_000: 4, 1_000_000: 1}


def owners(size: int) -> list[str]:
    """Return the local parts of the owners of archives with `size` messages."""
    return [f"owner{number}of{size}" for number in range(OWNERS.get(size, 1))]


async def fill(contender: Contender, folder: Path, sizes: tuple[int, ...]) -> None:
    """Make accounts, and write their archives."""
    archives = {owner: size for size in sizes for owner in owners(size)}
    with contender.start(folder) as server:
        for owner in archives:
            await register(server.port, owner)
        if contender in (A, B, C):
            await templates.make(server.port)
    if contender is A:
        tables.fill_sqlite(folder / "ejabberd.sqlite", tables.EJABBERD, archives)
    elif contender is B:
        tables.fill_postgres(folder, tables.EJABBERD, archives)
    elif contender is C:
        tables.fill_sqlite(folder / "prosody.sqlite", tables.PROSODY, archives)
    elif contender is D:
        await muniment.fill(folder / DATABASE, archives)
    elif contender is G:
        await muniment.fill_postgres(folder, archives)
