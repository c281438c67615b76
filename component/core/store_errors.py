"""What a store says, turned into what a caller is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from component.core.errors import (
    BadRequest,
    CursorExpired,
    ItemNotFound,
    NotImplementedHere,
    Overloaded,
    TakesTooLong,
)
from storage.errors import Busy, Expired, NotFound, Rejected, StorageError, TooCostly, TookTooLong


@contextmanager
def translated() -> Iterator[None]:
    """Raise what a caller is told of an error of a store.

    ItemNotFound, CursorExpired, NotImplementedHere, TakesTooLong, BadRequest or Overloaded.
    """
    try:
        yield
    except NotFound as error:
        raise ItemNotFound(f"no message of this archive has the id {str(error)[:40]}") from error
    except Expired as error:
        raise CursorExpired from error
    except TooCostly as error:
        raise NotImplementedHere(
            "this archive does not find so high an index under such a filter: page by id"
        ) from error
    except TookTooLong as error:
        raise TakesTooLong(
            "to find this takes longer than one query may: narrow it, by a time, by the other"
            " side, or by fewer words and whole ones"
        ) from error
    except Busy as error:
        raise Overloaded(
            "too many long queries of archives are under way: wait for their answers"
        ) from error
    except (Rejected, OverflowError) as error:
        raise BadRequest("the request has a value that no archive can hold") from error
    except StorageError as error:
        raise Overloaded from error
