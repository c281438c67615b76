"""Every refusal, declared once: its XMPP condition, its HTTP status, its default message.

`component.xmpp.queries.errors` translates refusals into stanza errors (RFC 6120 section 8.3.3),
`component.web.server.errors` into JSON. Nothing else decides conditions or statuses.
"""

from __future__ import annotations

from typing import ClassVar

#: Seconds after which a caller is refused who asks for too much. One that asks again after each
#: refusal would take time from others otherwise.
REFUSAL_SECONDS = 0.5


class Refused(Exception):
    """The request cannot be served."""

    condition: str = "internal-server-error"
    #: The XMPP error type, which says whether to retry (RFC 6120 section 8.3.2).
    kind: ClassVar[str] = "cancel"
    status: int = 500

    def __init__(self, message: str = "", *, specific: tuple[str, str] | None = None) -> None:
        """`message` is for the caller; if it is empty, the docstring of the class is.

        `specific` is an application-specific condition: its namespace and name (RFC 6120 section
        8.3.4).
        """
        self.message = message or (type(self).__doc__ or "")
        self.specific = specific
        super().__init__(self.message)


class BadRequest(Refused):
    """The request is malformed."""

    condition = "bad-request"
    kind = "modify"
    status = 400


class NotAuthorized(Refused):
    """The request has no valid credentials."""

    condition = "not-authorized"
    kind = "auth"
    status = 401


class Forbidden(Refused):
    """This archive is not yours to read."""

    condition = "forbidden"
    kind = "auth"
    status = 403


class NotAllowed(Refused):
    """Nobody may do this."""

    condition = "not-allowed"
    kind = "cancel"
    status = 409


class ItemNotFound(Refused):
    """There is no such item in this archive."""

    condition = "item-not-found"
    kind = "cancel"
    status = 404


class CursorExpired(Refused):
    """Events behind this cursor are not known any more: read a snapshot, and go on behind it."""

    condition = "cursor-expired"
    kind = "modify"
    status = 410


class Conflict(Refused):
    """The present state of the archive or account does not allow this."""

    condition = "conflict"
    kind = "cancel"
    status = 409


class TooLarge(Refused):
    """The request is larger than this server accepts."""

    condition = "policy-violation"
    kind = "modify"
    status = 413


class TakesTooLong(Refused):
    """This takes longer than one query may: ask for less."""

    condition = "policy-violation"
    kind = "modify"
    status = 422


class NotImplementedHere(Refused):
    """This feature is not implemented."""

    condition = "feature-not-implemented"
    kind = "cancel"
    status = 501


class UnknownService(Refused):
    """No service answers this request at this address."""

    condition = "service-unavailable"
    kind = "cancel"
    status = 501


class Overloaded(Refused):
    """The archive is overloaded at the moment: try again shortly."""

    condition = "resource-constraint"
    kind = "wait"
    status = 503


class ServerUnreachable(Overloaded):
    """ejabberd does not answer: try again shortly."""


class ServerUnanswered(ServerUnreachable):
    """ejabberd got the request but did not answer it: it may have done the work."""


class RateLimited(Refused):
    """There were too many attempts: try again later."""

    condition = "resource-constraint"
    kind = "wait"
    status = 429

    def __init__(self, message: str = "", *, retry_seconds: float) -> None:
        """`retry_seconds` is the number of seconds after which one more attempt is answered."""
        super().__init__(message)
        self.retry_seconds = retry_seconds


class TooMany(Refused):
    """The caller has the maximum number of these open: close one of them."""

    condition = "resource-constraint"
    kind = "wait"
    status = 429


class Misdirected(Refused):
    """The request is meant for another server."""

    condition = "not-allowed"
    kind = "cancel"
    status = 421


class Failed(Refused):
    """An internal error occurred: the log has the details."""
