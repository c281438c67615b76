"""Creating and removing accounts: an account never inherits the archive of an earlier one."""

from __future__ import annotations

from component.core.accounts.protocol import AccountSource
from component.core.errors import Conflict, NotAllowed, Overloaded, Refused
from component.core.retention.admin import ArchiveAdmin


async def register_account(
    accounts: AccountSource, archives: ArchiveAdmin, jid: str, password: str
) -> None:
    """Create an account, and end the streams that follow the archive of its JID.

    Raises Conflict while the archive of that JID is being erased, and the errors of
    `AccountAdmin.register`.
    """
    if archives.erasure.is_erasing(jid):
        raise Conflict("The archive of this JID is being erased: create the account afterwards.")
    await accounts.admin.register(jid, password)
    archives.followers.end(jid)


async def remove_account(
    accounts: AccountSource, archives: ArchiveAdmin, jid: str, *, wait_seconds: float
) -> None:
    """Remove an account and erase its archive.

    If the source of accounts can disable one, the account is disabled first and removed after its
    archive: after an error nobody can log in or register that JID, and a second call continues.

    Waits at most `wait_seconds` for the erasure, which then continues. Raises Overloaded in that
    case; its message says whether to call again or, if the account is removed already, to erase
    the archive. Raises Conflict under a legal hold, and the errors of `AccountAdmin.remove`.
    """
    archives.holds.refuse_if_held(jid)
    try:
        await accounts.admin.set_enabled(jid, False)
    except NotAllowed:
        await accounts.admin.remove(jid)
        await _erase_of_removed(archives, jid, wait_seconds)
    else:
        removed = await archives.erasure.erase(jid, wait_seconds=wait_seconds, scrub=False)
        if not removed.done:
            raise Overloaded(
                "The archive is still being erased, and the account is removed only after that:"
                " ask again."
            )
        await accounts.admin.remove(jid)


async def _erase_of_removed(archives: ArchiveAdmin, jid: str, wait_seconds: float) -> None:
    """Erase the archive of an account that is removed already.

    Raises Refused, whose message says that the account is removed.
    """
    try:
        removed = await archives.erasure.erase(jid, wait_seconds=wait_seconds, scrub=False)
    except Refused as refused:
        raise type(refused)("The account is removed, its archive is not: erase it.") from refused
    if not removed.done:
        raise Overloaded("The account is removed, its archive is still being erased: erase it.")
