"""What can go wrong in a store. These never cross `component.core`."""

from __future__ import annotations


class StorageError(Exception):
    """The store failed."""


class NotFound(StorageError):
    """There is no message with this id in this archive."""


class TooCostly(StorageError):
    """To find this would take reading most of an archive."""


class Unavailable(StorageError):
    """The store cannot be written or read now; the same call may succeed later."""


class TookTooLong(StorageError):
    """Reading this takes longer than one read may; the same read will not do better later."""


class Busy(StorageError):
    """Too many long reads are under way; the same read may succeed later."""


class Rejected(StorageError):
    """The store will never take this value."""


class NewerSchema(StorageError):
    """The database was made by a newer Muniment: update the program, or restore a backup."""


class ChangedMigration(StorageError):
    """The store was made by another version of Muniment, whose migrations were different."""


class Locked(StorageError):
    """Another process uses this archive."""
