"""What a purge has freed: inside the files of the store, on the disk, and what is left."""

from __future__ import annotations

from dataclasses import dataclass

from component.core.wording import size_of
from storage.rows import Space

#: Unused bytes that are not worth a remedy: a busy store always has some.
NEGLIGIBLE_BYTES = 1_000_000

_BY_STEPS = "The next purge gives the unused space back."
_BY_REWRITE = (
    "`muniment purge` rewrites the file once and gives the unused space back; after that every "
    "purge does."
)
_UNKNOWN = (
    "PostgreSQL does not tell how much of its files is unused: new messages take that space. A "
    "purge on the order of an operator gives it back, if content was deleted (VACUUM FULL)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """The effect of a purge on the files of the store."""

    freed: int | None  #: bytes that hold no data any more, None if the database does not tell
    released: int  #: bytes that were given back to the disk
    free: int | None  #: bytes inside the files that are unused now, None as `freed`
    remedy: str  #: what would give these back, "" if it is not worth it

    @property
    def parts(self) -> list[str]:
        """The sizes in words."""
        parts = [f"{size_of(self.released)} given back to the disk"]
        if self.freed is not None:
            parts.insert(0, f"{size_of(self.freed)} freed in the files")
        if self.free is not None:
            parts.append(f"{size_of(self.free)} unused in them")
        return parts


def freed_between(before: Space, after: Space, *, is_rewritten: bool = False) -> Freed:
    """Return what was freed between two moments.

    New messages take space meanwhile, so it is a lower bound. `is_rewritten` says that nothing
    unused was left then.
    """
    freed = None
    if before.used is not None and after.used is not None:
        freed = max(0, before.used - after.used)
    return Freed(
        freed=freed,
        released=max(0, before.disk - after.disk),
        free=after.free,
        remedy="" if is_rewritten else _remedy(after),
    )


def _remedy(space: Space) -> str:
    if space.free is None:
        return _UNKNOWN
    if space.free < NEGLIGIBLE_BYTES:
        return ""
    return _BY_STEPS if space.has_steps else _BY_REWRITE
