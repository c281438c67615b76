"""What others ask about the grants of ejabberd; `component.xmpp.grants` answers."""

from __future__ import annotations

from typing import Protocol

from component.core.doctor.finding import Finding


class Grants(Protocol):
    """What ejabberd grants and does, as checks see it."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The present findings, none while they are open: without a connection, and at first."""
        ...

    async def examine(self) -> tuple[Finding, ...]:
        """Test ejabberd anew, and return all findings. This takes some seconds."""
        ...
