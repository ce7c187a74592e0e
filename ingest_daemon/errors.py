"""What can go wrong between the spool and the centre; each is seen by people as a finding with the same code."""

import sqlite3

from evidence_model.errors import DamageError, RefusedError, UnavailableError
from host_io.sqlite import DatabaseDamagedError, DatabaseUnavailableError


class UploadRefusedError(RefusedError):
    """The store does not let this station upload: its token is not accepted."""

    code = "ING-010"


class StoreFullError(UnavailableError):
    """The store has no room for these bytes."""

    code = "ING-011"


class SpoolCopyMissingError(DamageError):
    """An envelope names bytes that are neither in the spool, with their size, nor handed over."""

    code = "ING-012"


class StoreAwayError(UnavailableError):
    """The store cannot be reached now."""

    code = "ING-013"


class UploadForgottenError(UnavailableError):
    """The store does not know the upload any more; it begins anew."""

    code = "ING-014"


class AlreadyRunningError(UnavailableError):
    """Another ingest daemon works in this home."""

    code = "ING-015"


class NotTrustedError(UnavailableError):
    """`trust.json` does not name this station, so no receipt for it could be verified."""

    code = "ING-016"


class SpoolCopyUnreadableError(DamageError):
    """The medium of the spool does not give a copy's bytes back."""

    code = "ING-018"


class BytesNotVerifiedError(RefusedError):
    """A receipt for an event with footage that does not say that the store read the bytes back."""

    code = "ING-008"


class OwnDiskError(UnavailableError):
    """The disk of this station does not do what it should."""

    code = "ING-017"


def told(error: BaseException) -> BaseException:
    """Return what ended a thread as an error that says what to do; what is unknown stays as it is."""
    match error:
        case sqlite3.OperationalError():  # full, locked for very long, not readable
            return DatabaseUnavailableError(f"station.db: {error}")
        case sqlite3.DatabaseError():
            return DatabaseDamagedError(f"station.db: {error}; stop, keep everything, restore it from the backup")
        case OSError():
            return OwnDiskError(f"{error}")
        case _:
            return error
