"""The audit of a whole log: derive everything again from the files and name every difference; never stop at the first.

What is checked: the checkpoint's signature; entries against tiles against the signed root; every leaf's signature;
every envelope against its leaf, its signatures and its form; the chains of signers and items; daily seals; files that
do not belong.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from chain_of_custody.audit_events import audit_events
from chain_of_custody.audit_seals import SealAudit
from chain_of_custody.audit_tree import OptionalBundleReader, OptionalTileReader, TreeContents, audit_tree
from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.errors import LogDamagedError, TileRejectedError
from chain_of_custody.event import EventView
from chain_of_custody.signatures import KeyId, Verifier
from chain_of_custody.tiles import TILE_HEIGHT, TILE_WIDTH, Bundle, Tile, decode_bundle, parse_path, tile_hashes
from chain_of_custody.tree import leaf_hash
from chain_of_custody.trust_entries import TrustedSource
from evidence_model.errors import RefusedError
from evidence_model.findings import Finding, Severity

CHECKPOINT_REJECTED = "COC-100"
FILE_SURPLUS = "COC-108"
PARTIAL_ALTERED = "COC-109"


def audit_log(
    *,
    log_key: bytes,
    checkpoint: bytes,
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
    envelopes: Iterable[tuple[str, bytes]],
    keys: Mapping[KeyId, Verifier],
    sources: Mapping[KeyId, TrustedSource] | None = None,
    listing: Iterable[str] = (),
    on_event: Callable[[int, bytes, EventView], None] = lambda *_: None,
    seals: SealAudit | None = None,
) -> Iterator[Finding]:
    """Yield everything that is wrong with a log on disc.

    `read_tile` and `read_bundle` return None for a file that is not there. `envelopes` are all files of the envelope
    store, in any order, as (name, bytes). `keys` are all signers ever known, `sources` who they are and in which range
    of the log they count (None: not known, so that is not looked at). `listing` are the paths found below
    `tile/`, relative to the log; what is not below `tile/` is left to the caller. `seals` says which seals are checked,
    `on_event` is told of each event.

    A checkpoint that does not verify leaves nothing to compare with, so it is then the only finding.
    """
    try:
        head = open_checkpoint(checkpoint, log_key=log_key).head()
    except RefusedError as error:
        yield Finding(CHECKPOINT_REJECTED, Severity.DAMAGE, "checkpoint", {"code": error.code, "why": str(error)})
        return
    older: list[Tile | Bundle] = []
    for path in listing:
        if path.startswith("tile/"):
            finding = _place(path, head.size, older)
            if finding is not None:
                yield finding
    contents = TreeContents()
    wanted = {(address.level if isinstance(address, Tile) else 0, address.index) for address in older}
    yield from audit_tree(head, read_tile=read_tile, read_bundle=read_bundle, contents=contents, wanted=wanted)
    for address in older:
        if not _begins(address, contents, read_tile, read_bundle):
            yield Finding(PARTIAL_ALTERED, Severity.DAMAGE, address.path)
    yield from audit_events(
        contents.entries, envelopes=envelopes, keys=keys, sources=sources, seals=seals, on_event=on_event
    )


def _place(path: str, size: int, older: list[Tile | Bundle]) -> Finding | None:
    """Return what is wrong with the path of a file; add it to `older` if it is one of a smaller tree.

    Partial files of sizes that were public once may stay (tlog-tiles), so they must be the beginning of what is now.
    """
    try:
        address = parse_path(path)
    except TileRejectedError as error:
        return Finding(FILE_SURPLUS, Severity.FAULT, path, {"why": str(error)})
    level = address.level if isinstance(address, Tile) else 0
    width_now = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - address.index * TILE_WIDTH)
    if address.width > width_now:
        return Finding(FILE_SURPLUS, Severity.FAULT, path, {"why": f"the log has {max(width_now, 0)} hashes there"})
    if address.width < width_now:
        older.append(address)
    return None


def _begins(
    address: Tile | Bundle,
    contents: TreeContents,
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
) -> bool:
    """Say whether an older partial file holds the first hashes (or entries) of what is there now."""
    try:
        if isinstance(address, Tile):
            data = read_tile(address)
            found = None if data is None else tile_hashes(address, data)
            level = address.level
        else:
            data = read_bundle(address)
            found = None if data is None else [leaf_hash(entry) for entry in decode_bundle(data, address.width)]
            level = 0
    except LogDamagedError:
        return False
    right = contents.rows[level, address.index]
    return found is None or all(now in (None, was) for was, now in zip(found, right, strict=False))
