"""Whose archives there can be: those of domains that are served, and those that are stored."""

from __future__ import annotations

from collections.abc import Sequence

from component.core.access.principals import Principal, Role
from component.core.access.roles import has_role
from component.core.errors import ItemNotFound
from component.core.store_errors import translated
from component.core.wording import meant
from component.core.xml import jids
from storage.interface import Retention

#: Domains that a refusal names.
NAMED_MAX = 10


class ServedArchives:
    """The domains that are served, with all domains below them, as those of rooms are.

    An owner on one of them may have an archive that is empty. On any other domain whoever asks
    has most likely made a mistake, unless there is an archive from when it was served.
    """

    def __init__(self, domains: Sequence[str], keeping: Retention) -> None:
        """`domains` are virtual hosts and services of rooms, prepared."""
        self._domains = tuple(dict.fromkeys(domains))
        self._keeping = keeping

    def covers(self, domain: str) -> bool:
        """Whether a domain is served."""
        return any(domain == one or domain.endswith(f".{one}") for one in self._domains)

    async def has(self, owner: str) -> bool:
        """Whether there can be an archive of an owner, or of anybody on a domain.

        Raises Overloaded.
        """
        if self.covers(jids.domain(owner)):
            return True
        with translated():
            if jids.local(owner):
                return (await self._keeping.usage_of(owner)).messages > 0
            return bool(await self._keeping.usage(domain=owner, limit=1))

    async def check(self, owner: str, principal: Principal) -> None:
        """Return if there can be an archive of an owner, or of anybody on a domain.

        Raises ItemNotFound, Overloaded.
        """
        if not await self.has(owner):
            raise self.refusal(jids.domain(owner), principal)

    def refusal(self, domain: str, principal: Principal) -> ItemNotFound:
        """Return what is said of a domain that is not served; to admins which ones are."""
        if not has_role(principal, Role.ADMIN):
            return ItemNotFound(f"{domain} is not served here")
        named = ", ".join(self._domains[:NAMED_MAX])
        more = len(self._domains) - NAMED_MAX
        rest = f" and {more} more" if more > 0 else ""
        return ItemNotFound(
            f"{domain} is not served here{meant(domain, self._domains) or '.'}"
            f" Served are {named}{rest}."
        )
