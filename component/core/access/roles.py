"""Roles: the rights of a principal apart from reading archives (see `authorize` for these)."""

from __future__ import annotations

from component.core.access.principals import Operator, Principal, Role, Server
from component.core.errors import Forbidden


def has_role(principal: Principal, role: Role) -> bool:
    """Return whether a principal has a role; the server has all of them, a user has none."""
    if isinstance(principal, Operator):
        return principal.role in (role, Role.ADMIN)
    return isinstance(principal, Server)


def require_role(principal: Principal, role: Role) -> None:
    """Raise Forbidden if a principal does not have a role."""
    if not has_role(principal, role):
        raise Forbidden(f'This is for operators of the role "{role}".')


def require_server(principal: Principal) -> None:
    """Raise Forbidden if the principal is not the server itself."""
    if not isinstance(principal, Server):
        raise Forbidden("This is for the server itself, not for operators.")
