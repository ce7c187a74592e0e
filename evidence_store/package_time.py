"""Which time stamps go into a package: those that bound when its events were made, and no others."""

from collections.abc import Sequence
from hashlib import sha256

from chain_of_custody.proofs import consistency_proof, verify_consistency
from chain_of_custody.tiles import node_reader
from chain_of_custody.time_bounds import StampedLog, TimeBounds, TimedEvent, time_bounds
from chain_of_custody.tree import NodeReader, TreeHead
from evidence_model.errors import DamageError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_store.errors import LogSetBackError
from evidence_store.log_folder import LogFolder
from evidence_store.package_events import LogState, PackagedEvent
from evidence_store.stamp_folder import StampFile, StampFolder, Verified, verify_file
from host_io import durable
from host_io.trust import Trust


def gather_time(
    folder: LogFolder, state: LogState, trust: Trust, events: Sequence[PackagedEvent]
) -> tuple[dict[str, bytes], dict[int, TimeBounds], list[Finding]]:
    """Return the files of `data/time/`, the interval of each event that they prove, and what contradicts the log.

    For every event the first stamp of each authority over a log that has it, and the stamps that beacons name. A stamp
    that does not count proves nothing and is left out: `verify` tells of it.
    """
    files: dict[str, bytes] = {}
    findings: list[Finding] = []
    stamped: list[StampedLog] = []
    read_node = node_reader(state.head.size, folder.read_tile)
    for stamp in _wanted(StampFolder(folder.root), state.head.size, trust, events):
        file, checkpoint = stamp.file, stamp.checkpoint
        proof = _proof(checkpoint.head(), state.head.head(), read_node) if checkpoint is not None else None
        if proof is None:
            details = {"seen_size": file.stem, "seen_by": f"log/timestamps/{file.path.name}"}
            findings.append(Finding(LogSetBackError.code, Severity.DAMAGE, "log/signed", details))
            continue
        files[file.path.name] = durable.read_plain(file.path)
        files[file.over.name] = stamp.note
        stamped.append(StampedLog(stamp.stamp, int(file.stem)))
        files[f"{file.stem}.consistency"] = "".join(f"{each.hex()}\n" for each in proof).encode()
    timed = [TimedEvent.of(each.index, each.envelope.hash, each.view) for each in events]
    return files, time_bounds(timed, stamped), findings


def _wanted(stamps: StampFolder, head_size: int, trust: Trust, events: Sequence[PackagedEvent]) -> list[Verified]:
    known = {each.name: each for each in trust.authorities}
    files = [each for each in stamps.files() if each.size is not None and each.size <= head_size]
    good: dict[StampFile, Verified | None] = {}

    def counts(file: StampFile) -> bool:
        if file not in good:
            try:
                good[file] = verify_file(file, known, [each.key for each in trust.logs])
            except (RefusedError, OSError):
                good[file] = None
        return good[file] is not None

    for name in known:
        own = [each for each in files if each.authority == name]
        for event in events:
            next((each for each in own if (each.size or 0) > event.index and counts(each)), None)
    named = {each.view.time.beacon.token for each in events if each.view.time.beacon is not None} - {None}
    for file in files if named else ():
        if sha256(durable.read_plain(file.path)).digest() in named:
            counts(file)
    return [each for each in good.values() if each is not None]


def _proof(stamped: TreeHead, head: TreeHead, read_node: NodeReader) -> tuple[bytes, ...] | None:
    """Return the proof that the head contains a stamped state of the log; None if it does not."""
    try:
        proof = consistency_proof(stamped.size, head.size, read_node) if stamped.size < head.size else ()
        verify_consistency(old=stamped, new=head, proof=proof)
    except (RefusedError, DamageError):
        return None
    return proof
