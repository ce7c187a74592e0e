"""What the store refuses, lacks or finds damaged; each class has the code that people and programs get."""

from evidence_model.errors import ConflictError, DamageError, RefusedError, UnavailableError, UsageError

# The log on disk


class LogRecordMissingError(DamageError):
    """There are tiles, envelopes or stages, but not the record of what was signed last."""

    code = "STO-001"


class LogSetBackError(DamageError):
    """The record of what was signed last is older than a checkpoint that the centre gave out."""

    code = "STO-002"


class SignerRefusedError(DamageError):
    """What is to be signed does not extend what was signed last; it was not signed."""

    code = "STO-003"


class StageDamagedError(DamageError):
    """A stage whose entries are signed cannot be read."""

    code = "STO-004"


class LogFullError(UnavailableError):
    """The log cannot be written (disk full, read-only); nothing was accepted, the stations keep their events."""

    code = "STO-005"


class LogFileMissingError(DamageError):
    """A tile or bundle that the signed size needs is not there."""

    code = "STO-006"


class CentreJournalLostError(DamageError):
    """centre.db holds less than the centre said in the log; it would begin its chain anew."""

    code = "STO-008"


# Messages


class MessageRefusedError(RefusedError):
    """A message that is not logged; `code` of the subclass says why."""

    code = "STO-010"


class WrongTopicError(MessageRefusedError):
    """The event's source is not the station on whose topic it came."""

    code = "STO-010"


class SourceUnknownError(MessageRefusedError):
    """The station is not enrolled."""

    code = "STO-011"


class WrongKeyError(MessageRefusedError):
    """Signed, but not by the key that is enrolled for this source."""

    code = "STO-012"


class KeyRevokedError(MessageRefusedError):
    """The station's key was revoked, and no other is enrolled for it."""

    code = "STO-140"


class LeafSignatureWrongError(MessageRefusedError):
    """The log leaf's signature is not the source's."""

    code = "STO-013"


class ForkedChainError(MessageRefusedError):
    """Another event of this source with this number is in the log."""

    code = "STO-014"


class BrokenChainError(MessageRefusedError):
    """The event has the next number but names another predecessor."""

    code = "STO-015"


# Vault and uploads


class BlobDamagedError(DamageError):
    """The bytes that were handed over are not those of the digest; they are in quarantine."""

    code = "STO-030"


class VaultFullError(UnavailableError):
    """Free space is down to the reserve; uploads wait, nothing is removed."""

    code = "STO-031"


class VaultReadError(UnavailableError):
    """The medium did not give the bytes back."""

    code = "STO-032"


# Catalogue and queries


class CatalogueMissingError(UnavailableError):
    """There is no catalogue here (not a centre, or it never ran)."""

    code = "STO-040"


class RecordingUnknownError(UsageError):
    """No recording has this id, or more than one begins with it."""

    code = "STO-080"


class EventUnknownError(UsageError):
    """No event has this hash, id or index."""

    code = "STO-081"


class NotItsItemError(RefusedError):
    """A station speaks of a file as its own that it never pulled."""

    code = "STO-023"


# Evidence packages


class LogHalfWayError(UnavailableError):
    """The last run was cut off before it published what it had logged; the next start finishes it."""

    code = "STO-078"


class BytesNotArrivedError(UnavailableError):
    """What a signed event names is not in the vault yet, so a package would not be whole."""

    code = "STO-082"


class PackageThereError(UsageError):
    """There is something already where the package should lie; it is not touched."""

    code = "STO-083"


class PackagePlaceError(UsageError):
    """A package cannot lie there: inside the home, or in a folder that does not exist."""

    code = "STO-084"


class PackageRoomError(UnavailableError):
    """There is not enough free space for the package; nothing was written."""

    code = "STO-085"


class PackageInWorkError(ConflictError):
    """Another export writes a package of this name now."""

    code = "STO-086"
    exit_code = 4


class TooManyWordsError(UsageError):
    """Recipient or basis is longer than a package's statement should carry."""

    code = "STO-087"


class HeadUnwitnessedError(UnavailableError):
    """The site has witnesses, and too few of them have cosigned the newest head yet."""

    code = "STO-088"


class ReportFontError(UnavailableError):
    """The font of a package's reports is not installed, or cannot be read; nothing was written."""

    code = "CLI-200"


class PackageMediumError(UnavailableError):
    """The medium does not give back what was written to it; nothing is left there."""

    code = "STO-089"


# The program


class NotSealedError(UnavailableError):
    """Something is to be proved of a recorder by the daily seal, and the log has none yet that its head contains."""

    code = "STO-120"


class MirroredUnfitError(UsageError):
    """What is to go into a package as a mirror's word is no checkpoint that the log's head contains."""

    code = "STO-122"


class KeysDifferError(UnavailableError):
    """The private keys of this home are not those of its trust file."""

    code = "STO-092"


class TrustSetBackError(DamageError):
    """The log went by a newer trust document than the home has now: an old one came back."""

    code = "STO-141"


class StoreRunningError(ConflictError):
    """Another store works on this home."""

    code = "STO-090"
    exit_code = 4
