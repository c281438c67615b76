"""Facts about ejabberd on the present connection."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """Facts about a virtual host of xmpp.hosts."""

    host: str
    is_served: bool = True  #: whether this ejabberd has the virtual host
    delegates: bool = False  #: archive queries (XEP-0355)
    has_privileges: bool = False  #: whether it said which privileges it grants, maybe none
    sends_messages: bool = False  #: whether we may send messages as its users (XEP-0356)
    reads_rosters: bool = False  #: whether we may read rosters of its users
    has_copies: bool | None = None  #: whether mod_service_log copies to us, None: not known
    has_mod_mam: bool | None = None  #: whether mod_mam is loaded too, None: not known


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomServiceFacts:
    """Facts about a domain of archive.room_services."""

    service: str
    is_answering: bool
    is_for_rooms: bool  #: whether its answer says that it has rooms (XEP-0045)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The grants that the configuration needs from ejabberd."""

    rosters: bool = True  #: whether rosters are read by privilege
    roster_default: bool = False  #: whether a roster decides what is archived by default
    processes: tuple[str, ...] = ()  #: the domains of several processes; (): this is the only one
    backfill: bool = False  #: whether gaps are filled from mod_mam
    ignored: frozenset[str] = frozenset()  #: the ids of checks that the operator ignores


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """Facts about ejabberd."""

    component: str  #: our domain
    needs: Needs
    hosts: tuple[HostFacts, ...]
    unknown_hosts: tuple[str, ...] = ()  #: virtual hosts that grant something, but are not ours
    has_iq_privilege: bool = False  #: whether ejabberd knows IQs by privilege: 24.10 and newer
    may_ask_rooms: bool = False  #: whether it grants them for service discovery
    room_services: tuple[RoomServiceFacts, ...] = ()
    misdirected: str = ""  #: a domain whose stanzas we were given, "" if there is none
    sent_probes: int = 0  #: messages that we sent to ourselves
    lost_probes: int | None = None  #: those of them that did not come back, None: not known

    @property
    def served(self) -> tuple[HostFacts, ...]:
        """The virtual hosts that this ejabberd has."""
        return tuple(host for host in self.hosts if host.is_served)
