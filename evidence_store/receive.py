"""May this message go into the log? Its form, its station, its signatures; then its place in the chain of its source.

`examine` needs nothing but the message and the trusted keys, so several messages are examined at once on all cores.
`Admission` keeps the order: an event follows the one before it; a repeated one is answered again and never logged
twice; one that comes too early is parked (the station sends all again until it has its receipts, so losing what is
parked loses nothing). Refusing is for what cannot be the truth: what a trusted key signed in good order is logged even
if something in it is odd, and the oddity is a finding.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from chain_of_custody.chain import GENESIS, ChainHead, LinkPlace, place
from chain_of_custody.envelope import envelope_hash, from_wire, parse_envelope, verify_envelope
from chain_of_custody.errors import SignerUnknownError
from chain_of_custody.event import EventView, parse_event
from chain_of_custody.leaf import Leaf, leaf_from_parts, verify_leaf_signature
from chain_of_custody.signatures import Verifier, verifier_for
from evidence_model.errors import RefusedError
from evidence_model.ids import SourceId
from evidence_model.topics import Channel, StationAddress, parse_station_topic
from evidence_store.errors import (
    BrokenChainError,
    ForkedChainError,
    KeyRevokedError,
    LeafSignatureWrongError,
    SourceUnknownError,
    WrongKeyError,
    WrongTopicError,
)
from evidence_store.stage import LogEntry
from host_io.trust import Trust

MAX_PARKED_EVENTS = 4096
MAX_PARKED_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Examined:
    """A well-formed event of a trusted station, signed by it; its place in the chain is not looked at yet."""

    hash: bytes
    view: EventView
    entry: LogEntry


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that is not logged; `event` and `station` only if it can be pinned to one."""

    code: str
    text: str
    station: SourceId | None = None
    event: bytes | None = None
    evidence: Examined | None = None  # signed by its source and in contradiction to the log


@dataclass(frozen=True, slots=True)
class Accepted:
    """The next event of its source."""

    examined: Examined


@dataclass(frozen=True, slots=True)
class Repeated:
    """It is in the log, or earlier in the same batch: its receipt goes out (again), nothing is logged."""

    hash: bytes
    station: SourceId


@dataclass(frozen=True, slots=True)
class Parked:
    """Earlier events of this source are missing; it waits for them for a while."""

    hash: bytes


Verdict: TypeAlias = Accepted | Repeated | Parked | Refused


@dataclass(frozen=True, slots=True)
class Keyring:
    """The trusted stations, their verifiers loaded once, and who was one."""

    site: SourceId
    stations: Mapping[SourceId, Verifier]
    revoked: Mapping[SourceId, int]

    @classmethod
    def of(cls, trust: Trust) -> "Keyring":
        """Return the keyring of a trust file."""
        ended = {each.id: each.until for each in trust.sources if each.until is not None}
        return cls(trust.site, {each.id: verifier_for(each.key) for each in trust.stations}, ended)

    def verifier(self, station: SourceId) -> Verifier:
        """Return the verifier of a station.

        Raises:
            KeyRevokedError, SourceUnknownError: it has no key that counts now.
        """
        verifier = self.stations.get(station)
        if verifier is not None:
            return verifier
        if station in self.revoked:
            raise KeyRevokedError(f"the key of {station} is revoked since size {self.revoked[station]} of the log")
        raise SourceUnknownError(f"{station} is not enrolled here; enrol its key")

    def refusal(self, event: "Examined") -> Refused | None:
        """Say why an event may not be logged any more that was examined under an older trust document."""
        station = event.view.source.id
        try:
            if Leaf.parse(event.entry.leaf).key_hash == self.verifier(station).key_id.digest:
                return None
            raise WrongKeyError(f"not signed by the key that is enrolled for {station}")
        except RefusedError as error:
            return Refused(error.code, str(error)[:300], station, event.hash)


def address_of(topic: str, site: SourceId) -> StationAddress | Refused:
    """Read the topic of an event message."""
    try:
        address = parse_station_topic(topic)
    except (RefusedError, ValueError) as error:
        return Refused(WrongTopicError.code, f"no station's topic: {error}")
    if address.site != site or address.channel is not Channel.EVENTS:
        return Refused(WrongTopicError.code, f"not a topic for events of this site: {topic[:120]!r}")
    return address


def envelope_hash_of(message: bytes) -> bytes | None:
    """Return the hash of the envelope in a message, None if there is none in it."""
    try:
        return envelope_hash(from_wire(message)[0])
    except RefusedError:
        return None


def examine(address: StationAddress, message: bytes, keyring: Keyring) -> Examined | Refused:
    """Say whether a message is a well-formed event that the station of its topic signed."""
    event: bytes | None = None
    try:
        raw, leaf_signature = from_wire(message)
        envelope = parse_envelope(raw)
        event = envelope.hash
        view = parse_event(envelope)
        if view.source.id != address.station:
            raise WrongTopicError(f"source {view.source.id} on the topic of {address.station}")
        verifier = keyring.verifier(address.station)
        try:
            verify_envelope(envelope, (verifier,))
        except SignerUnknownError as error:
            raise WrongKeyError(f"not signed by the key that is enrolled for {address.station}") from error
        if not verify_leaf_signature(envelope.checksum, leaf_signature, verifier):
            raise LeafSignatureWrongError(f"the leaf signature is not by the key of {address.station}")
    except RefusedError as error:
        return Refused(error.code, str(error)[:300], address.station, event)
    leaf = leaf_from_parts(envelope.checksum, leaf_signature, verifier.public_key)
    return Examined(event, view, LogEntry(raw, leaf.to_bytes()))


@dataclass(slots=True)
class _Parking:
    """Events of one source that came too early, by number."""

    by_seq: dict[int, Examined] = field(default_factory=dict)
    size_bytes: int = 0

    def put(self, event: Examined) -> None:
        seq = event.view.source.seq
        if seq in self.by_seq:
            return
        self.by_seq[seq] = event
        self.size_bytes += len(event.entry.raw)
        while len(self.by_seq) > MAX_PARKED_EVENTS or self.size_bytes > MAX_PARKED_BYTES:
            self.take(max(self.by_seq))  # the farthest one will be sent again before it is needed

    def take(self, seq: int) -> Examined | None:
        event = self.by_seq.pop(seq, None)
        if event is not None:
            self.size_bytes -= len(event.entry.raw)
        return event


class Admission:
    """Puts examined events into the order of their sources; what it accepts counts only after `commit`."""

    def __init__(
        self,
        *,
        head_of: Callable[[SourceId], ChainHead | None],
        is_logged: Callable[[bytes], bool],
    ) -> None:
        self._head_of = head_of
        self._is_logged = is_logged
        self._heads: dict[SourceId, ChainHead] = {}
        self._tentative: dict[SourceId, ChainHead] = {}
        self._batch: set[bytes] = set()
        self._parked: dict[SourceId, _Parking] = {}

    def admit(self, event: Examined) -> Iterable[Verdict]:
        """Yield what becomes of an event, and of parked ones that can follow it now."""
        verdict = self._admit(event)
        yield verdict
        while isinstance(verdict, Accepted):
            source = verdict.examined.view.source
            follower = self._parked.get(source.id, _Parking()).take(source.seq + 1)
            if follower is None:
                return
            verdict = self._admit(follower)
            yield verdict

    def commit(self) -> None:
        """Everything accepted since the last commit is in the log."""
        self._heads.update(self._tentative)
        self._tentative.clear()
        self._batch.clear()

    def roll_back(self) -> None:
        """Whether what was accepted since the last commit is in the log is not known; the log is asked again."""
        self._heads.clear()
        self._tentative.clear()
        self._batch.clear()

    def parked_count(self) -> int:
        """Return how many events wait for earlier ones."""
        return sum(len(each.by_seq) for each in self._parked.values())

    def _admit(self, event: Examined) -> Verdict:
        source = event.view.source
        if event.hash in self._batch or self._is_logged(event.hash):
            return Repeated(event.hash, source.id)
        match place(self._head(source.id), seq=source.seq, prev=source.prev):
            case LinkPlace.NEXT:
                self._tentative[source.id] = ChainHead(source.seq, event.hash)
                self._batch.add(event.hash)
                return Accepted(event)
            case LinkPlace.AHEAD:
                self._parked.setdefault(source.id, _Parking()).put(event)
                return Parked(event.hash)
            case LinkPlace.BEHIND:
                text = f"another event {source.seq} of {source.id} is in the log; one key told two histories"
                return Refused(ForkedChainError.code, text, source.id, event.hash, event)
            case LinkPlace.BROKEN:
                text = f"event {source.seq} of {source.id} does not name the one before it; one key told two histories"
                return Refused(BrokenChainError.code, text, source.id, event.hash, event)

    def _head(self, source: SourceId) -> ChainHead:
        tentative = self._tentative.get(source)
        if tentative is not None:
            return tentative
        known = self._heads.get(source)
        if known is None:
            known = self._heads[source] = self._head_of(source) or GENESIS
        return known
