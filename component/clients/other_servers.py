"""Other XMPP servers whose users may sign in: where they are, and whether a password is right."""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiodns
from pycares import SRVRecordData

from component.clients.vetted_addresses import AddressRefused, VettedAddresses
from component.core.accounts.c2s import MECHANISMS
from component.core.errors import NotAllowed, Overloaded
from component.core.sessions.credentials import Credential
from component.core.sessions.servers import Endpoint, OpenedServers
from component.core.xml import jids
from component.sessions.connection import Connection, Login

log = logging.getLogger(__name__)

#: Seconds for a whole login that checks a password.
CHECK_SECONDS = 5.0

#: Such logins at once. Fewer than passwords that are checked at once, so that others are left.
CHECKS_MAX = 16

#: The port of clients where no SRV record names another one (RFC 6120 section 14.7).
PORT = 5222

#: SRV records that are used, and addresses that are tried.
RECORDS_MAX = 8
ENDPOINTS_MAX = 4

#: The service that is not offered (RFC 2782).
_NOT_OFFERED = "."


@dataclass(frozen=True, slots=True)
class Record:
    """An SRV record of a service of XMPP clients."""

    priority: int
    weight: int
    port: int
    target: str
    is_direct_tls: bool


class OtherServer:
    """An opened server. Implements `core.sessions.servers.Server`."""

    def __init__(self, domain: str, addresses: VettedAddresses) -> None:
        self._domain = domain
        self._addresses = addresses
        #: The certificate has to be that of the domain of the JID (RFC 6120 section 13.7.2).
        self.context = ssl.create_default_context()

    @property
    def name(self) -> str:
        """How the server is called in the log."""
        return self._domain

    @property
    def mechanisms(self) -> dict[str, Any]:
        """The mechanisms that tell a right password from a wrong one, over TLS alone."""
        return {
            "use_mechs": set(MECHANISMS),
            "unencrypted_plain": False,
            "unencrypted_scram": False,
        }

    async def endpoints(self) -> Sequence[Endpoint]:
        """Return the vetted addresses in the order of the SRV records (XEP-0368, RFC 6120 3.2).

        Raises AddressRefused.
        """
        try:
            domain = self._domain.encode("idna").decode()
        except UnicodeError:
            raise AddressRefused from None
        records = await self._records(domain)
        if records is None:
            records = [Record(0, 0, PORT, domain, is_direct_tls=False)]
        endpoints: list[Endpoint] = []
        for record in _in_order(records):
            try:
                addresses = await self._addresses.resolve(record.target)
            except AddressRefused:
                continue
            endpoints += [
                Endpoint(address, record.port, record.is_direct_tls) for address in addresses
            ]
            if len(endpoints) >= ENDPOINTS_MAX:
                break
        if not endpoints:
            raise AddressRefused
        return endpoints[:ENDPOINTS_MAX]

    async def _records(self, domain: str) -> list[Record] | None:
        """Return the records of both services, None if there are none."""
        answers = await asyncio.gather(
            self._query(f"_xmpps-client._tcp.{domain}", is_direct_tls=True),
            self._query(f"_xmpp-client._tcp.{domain}", is_direct_tls=False),
        )
        records = [record for answer in answers for record in answer]
        if not records:
            return None
        return [record for record in records if record.target != _NOT_OFFERED][:RECORDS_MAX]

    async def _query(self, name: str, *, is_direct_tls: bool) -> list[Record]:
        try:
            answer = await self._addresses.dns.query_dns(name, "SRV")
        except (aiodns.error.DNSError, ValueError):
            return []
        services = [
            record.data for record in answer.answer if isinstance(record.data, SRVRecordData)
        ]
        return [
            Record(
                service.priority,
                service.weight,
                service.port,
                service.target.rstrip(".") or _NOT_OFFERED,
                is_direct_tls,
            )
            for service in services
        ]


class OtherServers:
    """The opened servers, and an Authenticator that logs in to them."""

    def __init__(self, opened: OpenedServers, addresses: VettedAddresses) -> None:
        self._opened = opened
        self._addresses = addresses
        self._checks = 0

    def admits(self, address: str) -> bool:
        """Return whether a JID is that of a user on an opened server."""
        return self._opened.admits(address)

    def server(self, domain: str) -> OtherServer:
        """Return an opened server."""
        return OtherServer(domain, self._addresses)

    async def authenticate(self, jid: str, password: str) -> bool:
        """Return whether the user's own server takes a password, within CHECK_SECONDS.

        A closed server is asked nothing, and every other fault counts as a wrong password too.
        Raises Overloaded.
        """
        if self._checks >= CHECKS_MAX:
            raise Overloaded("Too many sign-ins are under way: try again shortly.")
        self._checks += 1
        try:
            if not self.admits(jid):
                return False
            async with asyncio.timeout(CHECK_SECONDS):
                return await self._log_in(jid, password)
        except TimeoutError:
            return False
        except Exception:
            # An answer of its own would tell that the server is open.
            log.exception("a login at %s has failed", jids.domain(jid))
            return False
        finally:
            self._checks -= 1

    async def exists(self, jid: str) -> bool:
        """Raise NotAllowed: a server tells strangers nothing about its accounts."""
        raise NotAllowed("Accounts of other servers are not known here.")

    async def close(self) -> None:
        """Give up what is being looked up."""
        await self._addresses.close()

    async def _log_in(self, jid: str, password: str) -> bool:
        connection = Connection(jid, self.server(jids.domain(jid)), lambda _: None)
        if not connection.is_of_owner:
            return False
        try:
            outcome = await connection.log_in(Credential(jid, password, is_token=False))
            return outcome is Login.NEW
        finally:
            await connection.end()


def _in_order(records: Iterable[Record]) -> list[Record]:
    """Return records by priority, and by chance according to their weights (RFC 2782)."""

    def rank(record: Record) -> tuple[int, float]:
        # The greatest of such powers is that of a record with a probability in proportion to it.
        return record.priority, -(random.random() ** (1 / max(record.weight, 0.01)))  # noqa: S311

    return sorted(records, key=rank)
