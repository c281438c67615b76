"""What a store says, turned into what a caller is told."""

from __future__ import annotations

from contextlib import AbstractContextManager

from component.core.errors import BadRequest, ItemNotFound, NotImplementedHere, Overloaded
from storage.errors import NotFound, Rejected, StorageError, TooCostly


class _Refusals:
    """What `refusals` gives; it holds nothing, so one serves for all."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is None:
            return
        if isinstance(error, NotFound):
            message = f"no message of this archive has the id {str(error)[:40]}"
            raise ItemNotFound(message) from error
        if isinstance(error, TooCostly):
            raise NotImplementedHere(
                "this archive does not find so high an index under such a filter: page by id"
            ) from error
        if isinstance(error, Rejected | OverflowError):
            raise BadRequest("the request has a value that no archive can hold") from error
        if isinstance(error, StorageError):
            raise Overloaded from error


_refusals = _Refusals()


def refusals() -> AbstractContextManager[None]:
    """Raise ItemNotFound, NotImplementedHere, BadRequest or Overloaded for an error of a store."""
    return _refusals
