"""Translate errors of a store into refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from component.core.errors import (
    BadRequest,
    Conflict,
    CursorExpired,
    ItemNotFound,
    NotImplementedHere,
    Overloaded,
    TakesTooLong,
)
from storage.errors import (
    Busy,
    Expired,
    Held,
    NotFound,
    Rejected,
    StorageError,
    TooCostly,
    TookTooLong,
)

HELD = "There is a legal hold on this archive: nothing of it may be deleted."


@contextmanager
def translated() -> Iterator[None]:
    """Translate an error of a store that the block raises.

    Raises ItemNotFound, Conflict, CursorExpired, NotImplementedHere, TakesTooLong, BadRequest or
    Overloaded.
    """
    try:
        yield
    except NotFound as error:
        raise ItemNotFound(f"no message of this archive has the id {str(error)[:40]}") from error
    except Held as error:
        raise Conflict(HELD) from error
    except Expired as error:
        raise CursorExpired from error
    except TooCostly as error:
        raise NotImplementedHere(
            "the index is too high for a search with this filter: page by id"
        ) from error
    except TookTooLong as error:
        raise TakesTooLong(
            "the query takes longer than a query may: narrow it by a time or a peer, or search"
            " for fewer words, without stars"
        ) from error
    except Busy as error:
        raise Overloaded(
            "too many long queries of archives are running: wait for their answers"
        ) from error
    except (Rejected, OverflowError) as error:
        raise BadRequest("the request has a value that no archive can hold") from error
    except StorageError as error:
        raise Overloaded from error
