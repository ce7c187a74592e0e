"""A station's witness in a home of its own, and a small log that asks it."""

from pathlib import Path

from chain_of_custody.checkpoint import Checkpoint, origin_of, sign_checkpoint
from chain_of_custody.witness_policy import WitnessPolicy
from chain_of_custody.witness_wire import AddCheckpoint
from evidence_model.ids import SourceId
from host_io.config import HomePaths
from host_io.trust import Trust, station_witness
from host_io.witness_state import make_witness
from tests.fakes.log_on_disc import test_key as key_of
from tests.fakes.small_tree import SmallTree
from tests.trusts import first_trust

SITE = SourceId("site-1")
STATION = SourceId("st-1")
LOG = key_of("log")
ORIGIN = origin_of(LOG.public_key)
TREE = SmallTree([b"leaf %d" % number for number in range(40)])
FORK = SmallTree([b"leaf %d" % number for number in range(20)] + [b"other %d" % number for number in range(20)])


def note_of(size: int, *, tree: SmallTree = TREE) -> bytes:
    """Return the checkpoint that the log's key signed for a size."""
    return sign_checkpoint(Checkpoint(ORIGIN, size, tree.root(size)), LOG)


def request_for(old: int, size: int, *, tree: SmallTree = TREE, proof: tuple[bytes, ...] | None = None) -> bytes:
    """Return a request with the right proof, or with another."""
    if proof is None:
        proof = tree.consistency(old, size) if 0 < old <= size else ()
    return AddCheckpoint(old, proof, note_of(size, tree=tree)).to_bytes()


def witness_home(root: Path, *, is_witness: bool = True) -> tuple[HomePaths, Trust]:
    """Make a home with a witness's key and record; the policy needs just this witness, or nobody."""
    paths = HomePaths(root)
    paths.keys.mkdir(parents=True)
    key = make_witness(paths, STATION).public_key
    witness = station_witness(SITE, STATION, key)
    policy = WitnessPolicy(witnesses=(witness,), quorum=STATION) if is_witness else WitnessPolicy()
    return paths, first_trust(SITE, LOG, ("centre", key_of("centre")), witnesses=policy)
