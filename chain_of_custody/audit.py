"""The audit of a whole log: derive everything again from the files and name every difference; never stop at the first.

What is checked: the checkpoint's signature; entries against tiles against the signed root; every leaf's signature;
every envelope against its leaf, its signatures and its form; the chains of signers and items; files that do not belong.
"""

from collections.abc import Iterable, Iterator, Mapping

from chain_of_custody.audit_events import audit_events
from chain_of_custody.audit_tree import OptionalBundleReader, OptionalTileReader, audit_tree
from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.errors import TileRejectedError
from chain_of_custody.signatures import KeyId, Verifier
from chain_of_custody.tiles import TILE_HEIGHT, TILE_WIDTH, Bundle, Tile, encode_bundle, parse_path
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
    listing: Iterable[str] = (),
) -> Iterator[Finding]:
    """Yield everything that is wrong with a log on disc.

    `read_tile` and `read_bundle` return None for a file that is not there. `envelopes` are all files of the envelope
    store, in any order, as (name, bytes). `keys` are all signers ever known. `listing` are the paths found below
    `tile/`, relative to the log; what is not below `tile/` is left to the caller.

    A checkpoint that does not verify leaves nothing to compare with, so it is then the only finding.
    """
    try:
        head = open_checkpoint(checkpoint, log_key=log_key).head()
    except RefusedError as error:
        yield Finding(CHECKPOINT_REJECTED, Severity.DAMAGE, "checkpoint", {"code": error.code, "why": str(error)})
        return
    entries: list[bytes | None] = []
    yield from audit_tree(head, read_tile=read_tile, read_bundle=read_bundle, entries=entries)
    for path in listing:
        if path.startswith("tile/"):
            yield from _audit_path(path, head.size, entries, read_tile, read_bundle)
    yield from audit_events(entries, envelopes=envelopes, keys=keys)


def _audit_path(
    path: str,
    size: int,
    entries: list[bytes | None],
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
) -> Iterator[Finding]:
    """Yield what is wrong with a file that was found: no part of the log, or a partial file that does not fit it.

    Partial files of sizes that were public once may stay (tlog-tiles), so they must begin the present one.
    """
    try:
        address = parse_path(path)
    except TileRejectedError as error:
        yield Finding(FILE_SURPLUS, Severity.FAULT, path, {"why": str(error)})
        return
    level = address.level if isinstance(address, Tile) else 0
    width_now = min(TILE_WIDTH, (size >> TILE_HEIGHT * level) - address.index * TILE_WIDTH)
    if address.width > width_now:
        yield Finding(FILE_SURPLUS, Severity.FAULT, path, {"why": f"the log has {max(width_now, 0)} hashes there"})
    elif address.width < width_now:
        if not _is_beginning(address, width_now, entries, read_tile, read_bundle):
            yield Finding(PARTIAL_ALTERED, Severity.DAMAGE, path)


def _is_beginning(
    address: Tile | Bundle,
    width_now: int,
    entries: list[bytes | None],
    read_tile: OptionalTileReader,
    read_bundle: OptionalBundleReader,
) -> bool:
    """Say whether a narrower partial file holds what the present one begins with; what cannot be read was reported."""
    if isinstance(address, Tile):
        old, now = read_tile(address), read_tile(Tile(address.level, address.index, width_now))
        return old is None or now is None or old == now[: address.size_bytes]
    known = entries[address.first_leaf : address.first_leaf + address.width]
    return any(entry is None for entry in known) or read_bundle(address) in (
        None,
        encode_bundle([entry for entry in known if entry is not None]),
    )
