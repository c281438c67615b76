"""Orders of admins about archives: each is authorized, written to the audit log, then done.

The audit log has an order before it is done. If the log cannot be written, the order is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.core.access.audit import Audit
from component.core.access.principals import Principal, Role
from component.core.access.roles import require_role
from component.core.retention.admin import ArchiveAdmin
from component.core.retention.purge import Progress
from component.core.xml.times import now
from storage.rows import Hold, Removed, Rule, Usage, UsageOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOrders:
    """Gives orders to the parts that delete, hold and list archives.

    Every method raises Forbidden unless the principal is an admin, BadRequest and Overloaded.
    """

    archives: ArchiveAdmin
    audit: Audit

    async def list(
        self, principal: Principal, domain: str | None, after: str, limit: int
    ) -> tuple[Usage, ...]:
        """Return the sizes of archives by owner. Raises ItemNotFound for an unknown domain."""
        require_role(principal, Role.ADMIN)
        if domain is not None:
            await self.archives.served.check(domain, principal)
        await self.audit.record(principal.name, "list", domain or "*", "archives")
        return await self.archives.usage(domain, after, limit)

    async def rank(
        self, principal: Principal, order: UsageOrder, part: str, after: str | None, limit: int
    ) -> tuple[Usage, ...]:
        """Return the sizes of archives in an order, of owners with `part` in their JIDs."""
        require_role(principal, Role.ADMIN)
        await self.audit.record(principal.name, "list", "*", "archives")
        return await self.archives.ranked_usage(order, part, after, limit)

    async def set_rule(self, principal: Principal, rule: Rule, *, is_confirmed: bool) -> None:
        """Set a retention rule.

        Raises Conflict if the rule would delete much and is not confirmed, or there are too many.
        """
        require_role(principal, Role.ADMIN)
        if not is_confirmed:
            rules = {**self.archives.rules.of(rule.owner), rule.peer: rule}
            await self.archives.approval.require_rules(rule.owner, rules)
        detail = f"days {rule.days}, messages {rule.messages}, bytes {rule.bytes}"
        peer = f", with {rule.peer}" if rule.peer else ""
        await self.audit.record(principal.name, "set retention", rule.owner, f"{detail}{peer}")
        await self.archives.rules.set(rule)

    async def drop_rule(
        self, principal: Principal, owner: str, peer: str, *, is_confirmed: bool
    ) -> None:
        """Remove a retention rule, so that the defaults apply. Raises as `set_rule` does."""
        require_role(principal, Role.ADMIN)
        if not is_confirmed:
            rules = dict(self.archives.rules.of(owner))
            rules.pop(peer, None)
            await self.archives.approval.require_rules(owner, rules)
        detail = f"with {peer}" if peer else ""
        await self.audit.record(principal.name, "drop retention", owner, detail)
        await self.archives.rules.remove(owner, peer)

    async def hold(self, principal: Principal, subject: str, reason: str) -> Hold:
        """Place a legal hold on a user or a host.

        Raises ItemNotFound for an unknown domain, Conflict if there are too many holds.
        """
        require_role(principal, Role.ADMIN)
        await self.archives.served.check(subject, principal)
        hold = Hold(subject=subject, reason=reason, by=principal.name, at=now())
        await self.audit.record(principal.name, "hold", subject, reason)
        await self.archives.holds.set(hold)
        return hold

    async def release(self, principal: Principal, subject: str) -> None:
        """Release a legal hold if there is one."""
        require_role(principal, Role.ADMIN)
        await self.audit.record(principal.name, "release", subject)
        await self.archives.holds.release(subject)

    async def purge(
        self, principal: Principal, owner: str | None, *, is_confirmed: bool
    ) -> Progress:
        """Start a purge of one archive, or of all if `owner` is None.

        Raises ItemNotFound for an unknown domain, Conflict while another purge runs, or if the
        limits would delete much and are not confirmed.
        """
        require_role(principal, Role.ADMIN)
        if owner is not None:
            await self.archives.served.check(owner, principal)
        detail = "confirm true" if is_confirmed else ""
        await self.audit.record(principal.name, "purge", owner or "*", detail)
        return await self.archives.janitor.order(principal.name, owner, is_confirmed=is_confirmed)

    async def erase(self, principal: Principal, owner: str, *, wait_seconds: float) -> Removed:
        """Erase an archive; after `wait_seconds` the erasure continues. Raises Conflict."""
        require_role(principal, Role.ADMIN)
        self.archives.holds.refuse_if_held(owner)
        await self.audit.record(principal.name, "erase", owner)
        return await self.archives.erasure.erase(owner, wait_seconds=wait_seconds)

    async def blank(self, principal: Principal, owner: str, id: str) -> Removed:
        """Remove the content of one message. Raises Conflict, ItemNotFound."""
        require_role(principal, Role.ADMIN)
        self.archives.holds.refuse_if_held(owner)
        await self.audit.record(principal.name, "delete", owner, f"message {id[:80]}")
        return await self.archives.erasure.blank(owner, id)
