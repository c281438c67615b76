"""Decide by domain, or by the store, whether an owner can have an archive."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.access.principals import Principal, Role
from component.core.access.roles import has_role
from component.core.errors import ItemNotFound
from component.core.store_errors import translated
from component.core.wording import did_you_mean
from component.core.xml import jids
from storage.interface import Retention

#: Domains that a refusal names.
NAMED_MAX = 10


class ServedArchives:
    """The served domains, with all domains below them, such as those of rooms.

    An owner on one of them may have an empty archive. An owner on another domain is most likely a
    mistake, unless the store has an archive from when this domain was served.
    """

    def __init__(self, domains: Sequence[str], retention: Retention) -> None:
        """`domains` are virtual hosts and room services, prepared."""
        self._domains = tuple(dict.fromkeys(domains))
        self._retention = retention

    def covers(self, domain: str) -> bool:
        """Return whether a domain is served."""
        return any(domain == served or domain.endswith(f".{served}") for served in self._domains)

    async def has(self, owner: str) -> bool:
        """Return whether an owner, or any owner on a domain, can have an archive.

        Raises Overloaded.
        """
        if self.covers(jids.domain(owner)):
            return True
        with translated():
            if jids.local(owner):
                return (await self._retention.usage_of(owner)).messages > 0
            return bool(await self._retention.usage(domain=owner, limit=1))

    async def check(self, owner: str, principal: Principal) -> None:
        """Raise ItemNotFound if no archive of an owner, or on a domain, can exist.

        Raises Overloaded too.
        """
        if not await self.has(owner):
            raise self.refusal(jids.domain(owner), principal)

    def refusal(self, domain: str, principal: Principal) -> ItemNotFound:
        """Return the refusal of a domain that is not served; for admins it names served ones."""
        if not has_role(principal, Role.ADMIN):
            return ItemNotFound(f"{domain} is not served here")
        named = ", ".join(self._domains[:NAMED_MAX])
        unnamed = len(self._domains) - NAMED_MAX
        others = f" and {unnamed} more" if unnamed > 0 else ""
        return ItemNotFound(
            f"{domain} is not served here{did_you_mean(domain, self._domains) or '.'}"
            f" Served are {named}{others}."
        )
