"""The refusals of the REST gateway, by the names that REST-XMPP-Client gives them."""

from __future__ import annotations

from component.core.errors import Refused


class ParametersError(Refused):
    """Missing required parameters"""

    condition = "XMPPServiceParametersError"
    status = 400


class AuthError(Refused):
    """Wrong authorization data"""

    condition = "XMPPAuthError"
    status = 401


class MissingToken(AuthError):
    """No authorization information provided"""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status


class SessionError(Refused):
    """There is no session with this id."""

    condition = "XMPPSessionError"
    status = 404

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no session with id {id}")


class ContactError(Refused):
    """There is no such contact."""

    condition = "XMPPContactError"
    status = 404

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no contact with id {id}")


class SendError(Refused):
    """Message sending failed"""

    condition = "XMPPSendError"
    status = 404


class UpstreamAuthError(Refused):
    """ejabberd refuses the password."""

    condition = "XMPPUpstreamAuthError"
    status = 502

    def __init__(self, jid: str) -> None:
        super().__init__(f"Can't authenticate on XMPP server with jid {jid}")


class UpstreamConnectionError(Refused):
    """There is no connection to the XMPP server."""

    condition = "XMPPUpstreamConnectionError"
    status = 502

    def __init__(self, server: str) -> None:
        super().__init__(f"Can't connect to XMPP server {server}")
