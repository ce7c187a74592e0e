"""What can be wrong with a proof, a signature or a log, each with a code that never changes its meaning.

`RefusedError`: these bytes are not accepted, do not retry with the same. `DamageError`: bytes that were once right are
not any more, or a log contradicts itself; stop and tell a person.
"""

from evidence_model.errors import DamageError, RefusedError


class KeyRejectedError(RefusedError):
    """The bytes are no public key, seed or key id of a kind we use."""

    code = "COC-001"


# Envelopes


class EnvelopeRejectedError(RefusedError):
    """The bytes are not an envelope in the one form we write (docs/spec/log-and-envelope.md)."""

    code = "COC-010"


class EnvelopeTooLargeError(EnvelopeRejectedError):
    """The envelope has more than 60 KiB."""

    code = "COC-011"


class SignatureRejectedError(RefusedError):
    """A signature by a key we know does not verify."""

    code = "COC-012"


class SignerUnknownError(SignatureRejectedError):
    """Fewer distinct known keys than needed signed this."""

    code = "COC-013"


class WireRejectedError(RefusedError):
    """An event message is not an envelope with the leaf signature as its last member."""

    code = "COC-014"


# Leaves, proofs, tiles


class LeafRejectedError(RefusedError):
    """The bytes are no Sigsum leaf, or stand in the log already."""

    code = "COC-020"


class LeafSignatureError(LeafRejectedError):
    """The leaf signature is not one by this key over this checksum."""

    code = "COC-021"


class ProofRejectedError(RefusedError):
    """The proof does not lead from what is claimed to the root that was signed."""

    code = "COC-030"


class ProofIndexError(ProofRejectedError):
    """Index or sizes are out of range, so nothing can be proved."""

    code = "COC-031"


class ProofLengthError(ProofRejectedError):
    """The proof has too few or too many hashes, or one that is not 32 bytes."""

    code = "COC-032"


class TileRejectedError(RefusedError):
    """A tile address is not one of C2SP tlog-tiles, or names nothing in a tree of this size."""

    code = "COC-035"


# Notes and checkpoints


class NoteRejectedError(RefusedError):
    """The bytes are not a signed note in the strict form."""

    code = "COC-040"


class NoteSignatureError(NoteRejectedError):
    """A line by a signer we know does not verify; the whole note is refused."""

    code = "COC-041"


class NoteSignerUnknownError(NoteRejectedError):
    """No signer we know signed this note."""

    code = "COC-042"


class NoteKeyRejectedError(NoteRejectedError):
    """The text is not a verifier key, or its key id does not belong to it."""

    code = "COC-043"


class CheckpointRejectedError(RefusedError):
    """The note's text is not origin, size and root in the strict form."""

    code = "COC-044"


class OriginMismatchError(CheckpointRejectedError):
    """The checkpoint is one of another log."""

    code = "COC-045"


class CosignatureRejectedError(NoteRejectedError):
    """The line is no cosignature: wrong length or an instant out of range."""

    code = "COC-046"


class WitnessPolicyRejectedError(RefusedError):
    """The text is not a witness policy in C2SP's form, or somebody would count twice in it."""

    code = "COC-047"


class WitnessRequestRejectedError(RefusedError):
    """The bytes are not an `add-checkpoint` request in the strict form."""

    code = "COC-048"


class WitnessReplyRejectedError(RefusedError):
    """The bytes are not a witness's answer in the strict form."""

    code = "COC-049"


# The log and its receipts


class LogDamagedError(DamageError):
    """What is on the disc does not give the root that was signed; nothing is signed on top of it."""

    code = "COC-050"


class TileDamagedError(LogDamagedError):
    """A tile or entry bundle has not the length that its address says."""

    code = "COC-051"


class EntryDamagedError(LogDamagedError):
    """An entry of the last bundle is not the one whose hash stands in the tile."""

    code = "COC-052"


class ReceiptRejectedError(RefusedError):
    """The bytes are not a receipt in the strict form."""

    code = "COC-060"


class ReceiptSignatureError(ReceiptRejectedError):
    """The receipt is not signed by the centre we trust."""

    code = "COC-061"


class ReceiptMismatchError(ReceiptRejectedError):
    """The receipt is about another event or another leaf."""

    code = "COC-062"


class LogShrunkError(ReceiptRejectedError):
    """The log shows a size below one it showed before: an old message, or a log set back. Ask again."""

    code = "COC-063"


class LogForkedError(DamageError):
    """The log signed two different trees of one size; both checkpoints are evidence, keep them."""

    code = "COC-064"


class ReceiptUnwitnessedError(ReceiptRejectedError):
    """The log's witnesses have not cosigned the receipt's checkpoint (yet): the bytes are stored, not yet proved."""

    code = "COC-065"


# Events


class EventRejectedError(RefusedError):
    """The payload is not a custody event (contract.md, custody event)."""

    code = "COC-070"


class EventNotCanonicalError(EventRejectedError):
    """The payload is not the RFC 8785 form of what it says."""

    code = "COC-071"


class EventTypeError(EventRejectedError):
    """`payloadType`, `_type` or `predicateType` is not the one of custody events."""

    code = "COC-072"


class EventMembersError(EventRejectedError):
    """An object of the event has a member too few or one that is not known."""

    code = "COC-073"


class EventSubjectError(EventRejectedError):
    """A subject has no name or no SHA-256."""

    code = "COC-074"


class EventKindError(EventRejectedError):
    """`kind` is not of the form `thing.verb`."""

    code = "COC-075"


class EventIdError(EventRejectedError):
    """`id` is not a UUID version 7 in lowercase."""

    code = "COC-076"


class EventSaltError(EventRejectedError):
    """`salt` is not 16 bytes of base64."""

    code = "COC-077"


class EventSourceError(EventRejectedError):
    """`source` is not id, number and the hash of the one before."""

    code = "COC-078"


class EventAssetError(EventRejectedError):
    """`asset` is not null and not id, number and the hash of the one before."""

    code = "COC-079"


class EventActorError(EventRejectedError):
    """`actor` is not a known kind, or claims a level its kind cannot have."""

    code = "COC-080"


class EventTimeError(EventRejectedError):
    """`time` is not wall, boot, mono_ns, clock, error_ms and beacon in their forms."""

    code = "COC-081"


class EventRulesError(EventRejectedError):
    """`rules` is not a list of rule ids."""

    code = "COC-082"


class EventBodyError(EventRejectedError):
    """`body` is not an object, or its `blobs` are malformed."""

    code = "COC-083"


# What the centre answers instead of a receipt


class RefusalRejectedError(RefusedError):
    """The bytes are not a refusal by the centre we trust; nothing is believed from them."""

    code = "COC-090"


# Who may change what is trusted


class TrustRejectedError(RefusedError):
    """The bytes are no trust document in its one form, or it breaks a rule."""

    code = "COC-150"


class RootSignaturesMissingError(RefusedError):
    """Too few roots signed a trust document: of its own, or of the one before it."""

    code = "COC-151"


class RootOrderError(RefusedError):
    """A trust document does not follow the one that is trusted: its number or the digest before it is another."""

    code = "COC-152"


class RootChangeRejectedError(RefusedError):
    """A trust document takes back what an earlier one wrote."""

    code = "COC-153"


class PossessionUnprovedError(TrustRejectedError):
    """A key is to be enrolled of which nobody showed that its holder has it."""

    code = "COC-154"


# The sealed index


class SealProofRejectedError(RefusedError):
    """A proof about the sealed index does not show what it is to show."""

    code = "COC-170"


class SealUnsortedError(RefusedError):
    """The leaves of a sealed index are not sorted, or two are about one item."""

    code = "COC-171"


class SealRejectedError(RefusedError):
    """The body of `log.sealed` is not count, day, root and size in their forms."""

    code = "COC-172"
