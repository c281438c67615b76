"""The refusal of a call, with what each dialect shows of it."""

from __future__ import annotations

from component.core.errors import RateLimited, Refused, ServerUnanswered, ServerUnreachable

#: Codes in the error bodies of ejabberd.
UNAUTHORIZED_CODE = 10
NOT_PERMITTED_CODE = 32
NO_ENDPOINT_CODE = 40

INTERNAL = "internal_error"


class ApiRefusal(Exception):
    """A call is refused, or has failed."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        reason: str,
        code: int | None = None,
        rule: str = "",
        retry_seconds: float | None = None,
    ) -> None:
        """`message` is the text of both dialects, `reason` the error word of the document's one.

        `code` is the number in the body of ejabberd's dialect; None: the body is the text alone.
        `rule` names the permission that refuses. `retry_seconds` is when to try again.
        """
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason
        self.code = code
        self.rule = rule
        self.retry_seconds = retry_seconds

    @classmethod
    def of(cls, refused: Refused) -> ApiRefusal:
        """Return the refusal for one that another part of Muniment raised."""
        if isinstance(refused, ServerUnanswered):
            refused = Unanswered()
        elif isinstance(refused, ServerUnreachable):
            refused = Unreachable()
        reason = refused.condition.replace("-", "_")
        seconds = refused.retry_seconds if isinstance(refused, RateLimited) else None
        return cls(refused.status, refused.message, reason=reason, code=0, retry_seconds=seconds)


class Unreachable(Refused):
    """ejabberd does not answer its HTTP API: try again shortly."""

    condition = "ejabberd-unreachable"
    kind = "wait"
    status = 502


class Unanswered(Unreachable):
    """ejabberd got the request but did not answer it: it may have run the command."""


class Disallowed(Unreachable):
    """ejabberd does not let Muniment run this command: the log has the details."""


class MissingCommand(Unreachable):
    """ejabberd does not have this command: one of its modules is not loaded."""


def bad_argument(message: str, reason: str = "invalid_parameter") -> ApiRefusal:
    """Return the refusal of arguments."""
    return ApiRefusal(400, message, reason=reason)


def duplicate_argument(name: str) -> ApiRefusal:
    """Return the refusal of an argument that is given twice."""
    return bad_argument(f"Request have duplicate argument: {name}")


def unauthorized() -> ApiRefusal:
    """Return the refusal of a wrong password, or of no credentials."""
    return ApiRefusal(
        401,
        "You are not authorized to call this command.",
        reason="invalid_credentials",
        code=UNAUTHORIZED_CODE,
    )


def invalid_token() -> ApiRefusal:
    """Return the refusal of a token that is unknown or has expired."""
    return ApiRefusal(
        401,
        "Oauth Token is invalid or expired.",
        reason="invalid_token",
        code=UNAUTHORIZED_CODE,
    )


def no_endpoint() -> ApiRefusal:
    """Return the refusal of an unknown command."""
    return ApiRefusal(404, "Endpoint not found.", reason="unknown_endpoint", code=NO_ENDPOINT_CODE)


def no_command_name() -> ApiRefusal:
    """Return the refusal of a request that names no command, or has another method."""
    return ApiRefusal(
        400, "Missing command name.", reason="missing_command", code=NO_ENDPOINT_CODE
    )


def of_room(refused: Refused) -> ApiRefusal:
    """Return the refusal of a room; a missing one has the name that all commands give it."""
    refusal = ApiRefusal.of(refused)
    if refusal.reason == "item_not_found":
        refusal.reason = "room_not_found"
    return refusal


def internal_error() -> ApiRefusal:
    """Return the refusal of a call that makes ejabberd's command crash."""
    return ApiRefusal(500, INTERNAL, reason=INTERNAL)
