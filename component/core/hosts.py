"""The virtual hosts whose users have archives here, and the services whose rooms do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from component.core.xml import jids


class Hosts:
    """Immutable; iterating over it yields the virtual hosts in the order of the configuration."""

    __slots__ = ("_hosts", "_room_services")

    def __init__(self, hosts: Iterable[str], room_services: Iterable[str] = ()) -> None:
        """All domains are prepared, and there is at least one virtual host."""
        # Dictionaries keep the order, and a look-up takes the same time with many hosts.
        self._hosts = dict.fromkeys(hosts)
        self._room_services = dict.fromkeys(room_services)

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    def __contains__(self, domain: object) -> bool:
        """Whether a domain is one of the virtual hosts."""
        return domain in self._hosts

    @property
    def default(self) -> str:
        """The virtual host of requests that name none: the first one."""
        return next(iter(self._hosts))

    @property
    def room_services(self) -> tuple[str, ...]:
        """The domains whose rooms have archives of their own here."""
        return tuple(self._room_services)

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains on which there can be archives: virtual hosts, then room services."""
        return (*self._hosts, *self._room_services)

    def is_user(self, address: str) -> bool:
        """Return whether a bare or full JID is that of a user on one of the virtual hosts.

        The user need not have an account.
        """
        return jids.domain(address) in self._hosts and jids.local(address) != ""

    def is_room(self, address: str) -> bool:
        """Return whether a bare JID, or that of an occupant, is on one of the room services."""
        return jids.domain(address) in self._room_services and jids.local(address) != ""
