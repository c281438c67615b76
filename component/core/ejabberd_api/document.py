"""The dialect of the document: `{"result": ...}`, `{"error": ..., "message": ...}`.

The document is the reference of a deployment of ejabberd, which describes bodies and statuses that
no release of ejabberd has. docs/ejabberd-api.md lists the differences.
"""

from __future__ import annotations

from dataclasses import dataclass

from component.core.ejabberd_api.refusals import ApiRefusal


@dataclass(frozen=True, slots=True)
class DocumentedError:
    """The status and the error word of a refusal."""

    status: int
    reason: str
    message: str = ""  #: "": that of ejabberd


#: The text that the document has for wrong credentials.
_UNAUTHORIZED = DocumentedError(401, "invalid_credentials", "Authentication failed")

#: By the texts of ejabberd.
_ERRORS = {
    "unknown_user": DocumentedError(404, "user_not_found"),
    "room_not_found": DocumentedError(404, "room_not_found"),
    "Room not found": DocumentedError(404, "room_not_found"),
    "Room doesn't exists": DocumentedError(404, "room_not_found"),
    "The room does not exist": DocumentedError(404, "room_not_found"),
    "The room does not exist.": DocumentedError(404, "room_not_found"),
    "Room already exists": DocumentedError(409, "room_exists"),
    "User session not found": DocumentedError(404, "session_not_found"),
    "error_no_vcard_found": DocumentedError(404, "vcard_not_found"),
    "error_no_value_found_in_vcard": DocumentedError(404, "vcard_field_not_found"),
    "Unknown virtual host": DocumentedError(400, "unknown_host"),
    "Unknown host passed in 'service'": DocumentedError(400, "unknown_host"),
    "Unknown host passed in 'serverhost'": DocumentedError(400, "unknown_host"),
    "internal_error": DocumentedError(500, "internal_error"),
}

#: By status, for all other texts of ejabberd.
_WORDS = {400: "invalid_request", 404: "not_found", 409: "conflict"}

REFUSED = "refused"


def documented_error(refusal: ApiRefusal) -> DocumentedError:
    """Return the status and the error word of a refusal."""
    if refusal.reason == _UNAUTHORIZED.reason:
        return _UNAUTHORIZED
    if refusal.reason != REFUSED:
        return DocumentedError(refusal.status, refusal.reason)
    word = _WORDS.get(refusal.status, "internal_error")
    return _ERRORS.get(refusal.message, DocumentedError(refusal.status, word))
