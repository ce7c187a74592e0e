"""What can go wrong between the spool and the centre; each is seen by people as a finding with the same code."""

from evidence_model.errors import DamageError, RefusedError, UnavailableError


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


class BytesNotVerifiedError(RefusedError):
    """A receipt for an event with footage that does not say that the store read the bytes back."""

    code = "ING-008"
