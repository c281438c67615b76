"""The grants of ejabberd, for other parts; `component.xmpp.grants` implements the Protocol."""

from __future__ import annotations

from typing import Protocol

from component.core.doctor.finding import Finding


class Grants(Protocol):
    """Examines the grants and the behaviour of ejabberd."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The present findings, none while they are open: without a connection, and at first."""
        ...

    async def examine(self, *, reconnect: bool = False) -> tuple[Finding, ...]:
        """Test ejabberd anew, and return the findings of the connection and of all checks.

        With `reconnect` the connection is closed and opened again first: ejabberd tells a
        component only after a connect what it grants. This takes some seconds.
        """
        ...
