"""Archives of users of other servers: the messages that their sessions send and receive.

ejabberd copies only stanzas of its own users. The session of another user sees what a client sees:
the messages of its own connection, and carbons of those of the user's other clients.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from component.core.archiving.deliveries import Deliveries
from component.core.archiving.ingest import Ingest
from component.core.archiving.policy import Policy
from component.core.archiving.sessions import Sessions
from component.core.archiving.writer import Writer
from component.core.errors import Overloaded
from component.core.hosts import Hosts
from component.core.metrics import Metrics
from component.core.xml import jids
from component.core.xml.document_parser import parse
from component.core.xml.preparation import prepared
from component.core.xml.stanza import read
from component.core.xml.stream_parser import Malformed
from component.core.xml.times import now

log = logging.getLogger(__name__)


class _OneUser(Hosts):
    """A host that has one user."""

    __slots__ = ("_owner",)

    def __init__(self, owner: str) -> None:
        super().__init__([jids.domain(owner)])
        self._owner = owner

    def is_user(self, address: str) -> bool:
        """Return whether a bare or full JID is that of the user."""
        return jids.bare(address) == self._owner


class OtherAccounts:
    """Takes the messages of sessions on other servers."""

    def __init__(
        self,
        writer: Writer,
        policy: Policy,
        sessions: Sessions,
        deliveries: Deliveries,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._writer = writer
        self._policy = policy
        self._sessions = sessions
        self._deliveries = deliveries

    def on_message(self, owner: str) -> Callable[[str], None]:
        """Return what archives the messages of the session of a user, given as XML."""
        ingest = Ingest(
            self._writer,
            self._policy,
            _OneUser(owner),
            sessions=self._sessions,
            deliveries=self._deliveries,
            metrics=self._metrics,
        )
        return lambda xml: self._take(ingest, owner, xml)

    def _take(self, ingest: Ingest, owner: str, xml: str) -> None:
        try:
            # Nobody can make another server wait, so what does not fit is lost.
            self._writer.check_room()
            raw = xml.encode()
            ingest.take(read(parse(raw), raw, prepared), now())
        except (Malformed, UnicodeEncodeError) as error:
            log.debug("left out a message of %s: %s", owner, error)
        except Overloaded:
            log.warning("left out a message of %s: the queue of the store is full", owner)
