"""Creating and removing accounts: an account never inherits the archive of an earlier one."""

from __future__ import annotations

from component.core.accounts.protocol import Accounts
from component.core.errors import Conflict, NotAllowed, Overloaded, Refused
from component.core.retention.admin import ArchiveAdmin


async def register_account(
    accounts: Accounts, archives: ArchiveAdmin, jid: str, password: str
) -> None:
    """Create an account, and end the streams that follow the archive of its JID.

    Raises Conflict while the archive of that JID is being erased, and the errors of
    `Accounts.register`.
    """
    if archives.erasure.is_erasing(jid):
        raise Conflict("The archive of this JID is being erased: create the account afterwards.")
    await accounts.register(jid, password)
    archives.followers.end(jid)


async def remove_account(
    accounts: Accounts, archives: ArchiveAdmin, jid: str, *, wait_seconds: float
) -> None:
    """Remove an account and erase its archive.

    Where the source of accounts can disable one, the account is disabled first and removed after
    its archive: after an error nobody can log in or register that JID, and a second call goes on.

    Waits at most `wait_seconds` for the erasure, which then goes on. Raises Overloaded in that
    case; its message says whether to call again or, if the account is removed already, to erase
    the archive. Raises Conflict under a legal hold, and the errors of `Accounts.remove`.
    """
    archives.holds.refuse_if_held(jid)
    try:
        await accounts.set_enabled(jid, False)
    except NotAllowed:
        await accounts.remove(jid)
        await _erase_of_removed(archives, jid, wait_seconds)
    else:
        removed = await archives.erasure.erase(jid, wait_seconds=wait_seconds, scrub=False)
        if not removed.done:
            raise Overloaded(
                "The archive is still being erased, and the account is removed only after that:"
                " ask again."
            )
        await accounts.remove(jid)


async def _erase_of_removed(archives: ArchiveAdmin, jid: str, wait_seconds: float) -> None:
    """Erase the archive of an account that is removed already.

    Raises Refused with a message that says so.
    """
    try:
        removed = await archives.erasure.erase(jid, wait_seconds=wait_seconds, scrub=False)
    except Refused as refused:
        raise type(refused)("The account is removed, its archive is not: erase it.") from refused
    if not removed.done:
        raise Overloaded("The account is removed, its archive is still being erased: erase it.")
