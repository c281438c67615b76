"""What a store says, turned into what a caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from component.core.errors import BadRequest, ItemNotFound, NotImplementedHere, Overloaded
from storage.errors import NotFound, Rejected, StorageError, TooCostly


@contextmanager
def refusals() -> Iterator[None]:
    """Raise ItemNotFound, NotImplementedHere, BadRequest or Overloaded for an error of a store."""
    try:
        yield
    except NotFound as error:
        raise ItemNotFound(f"no message of this archive has the id {str(error)[:40]}") from error
    except TooCostly as error:
        raise NotImplementedHere(
            "this archive does not find so high an index under such a filter: page by id"
        ) from error
    except (Rejected, OverflowError) as error:
        raise BadRequest("the request has a value that no archive can hold") from error
    except StorageError as error:
        raise Overloaded from error
