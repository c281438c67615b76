"""The errors of a store. `component.core` translates them, so its callers never see them."""

from __future__ import annotations


class StorageError(Exception):
    """The store failed."""


class NotFound(StorageError):
    """There is no message with this id in this archive."""


class Expired(StorageError):
    """Events behind this cursor are not known any more, or never were."""


class Held(StorageError):
    """There is a legal hold on this archive, so nothing of it is deleted."""


class TooCostly(StorageError):
    """The store would have to read most of an archive to find this."""


class Unavailable(StorageError):
    """The store cannot be written or read now; the same call may succeed later."""


class TookTooLong(StorageError):
    """The read takes longer than a single read may; the same read will fail later too."""


class Busy(StorageError):
    """Too many long reads are running or waiting; the same read may succeed later."""


class Rejected(StorageError):
    """The store will never accept this value."""


class NewerSchema(StorageError):
    """The database was made by a newer Muniment: update the program, or restore a backup."""


class ChangedMigration(StorageError):
    """The store was made by another version of Muniment, whose migrations were different."""


class Locked(StorageError):
    """Another process uses this archive."""
