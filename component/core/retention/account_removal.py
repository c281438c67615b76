"""Accounts that come and go: each of a name is somebody else than the one before."""

from __future__ import annotations

from component.core.accounts.protocol import AccountSource
from component.core.errors import Conflict, NotAllowed, Overloaded, Refused
from component.core.retention.admin import Administration


async def register_account(
    accounts: AccountSource, administration: Administration, jid: str, password: str
) -> None:
    """Make an account, and have those leave that follow the archive of its name.

    Raises Conflict while the archive of that name is being erased, and what
    `AccountAdmin.register` does.
    """
    if administration.erasure.is_erasing(jid):
        raise Conflict("The archive of that name is being erased: make the account behind that.")
    await accounts.admin.register(jid, password)
    administration.live.end(jid)


async def remove_account(
    accounts: AccountSource, administration: Administration, jid: str, *, patience: float
) -> None:
    """Remove an account, and its archive: the next one of that name is somebody else.

    Where a source can disable accounts, the name is free only behind the archive: after an error
    nobody logs in, nobody else gets the name, and who asks again goes on.

    Waits up to `patience` seconds for the archive to be gone; then that goes on, and Overloaded
    says to ask again, or where the account is gone already to erase the archive. Raises Conflict
    where there is a legal hold on the archive, and what `AccountAdmin.remove` does.
    """
    administration.holds.refuse_if_held(jid)
    try:
        await accounts.admin.set_enabled(jid, False)
    except NotAllowed:
        await accounts.admin.remove(jid)
        await _erase_behind(administration, jid, patience)
    else:
        shed = await administration.erasure.erase(jid, patience=patience, scrub=False)
        if not shed.done:
            raise Overloaded("The archive is still being removed, and the account waits for it.")
        await accounts.admin.remove(jid)


async def _erase_behind(administration: Administration, jid: str, patience: float) -> None:
    """Erase the archive of an account that is gone. Raises Refused, which says that it is."""
    try:
        shed = await administration.erasure.erase(jid, patience=patience, scrub=False)
    except Refused as refused:
        raise type(refused)("The account is gone, its archive is not: erase that.") from refused
    if not shed.done:
        raise Overloaded("The account is gone, its archive is still being removed: erase that.")
