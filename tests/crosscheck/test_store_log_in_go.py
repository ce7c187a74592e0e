"""The log as the store leaves it on disk, and its receipts, under Go's checksum-database code."""

from pathlib import Path

from chain_of_custody.checkpoint import log_note_key, open_checkpoint
from chain_of_custody.leaf import Leaf
from chain_of_custody.receipt import parse_receipt
from chain_of_custody.tiles import TILE_WIDTH, Bundle, decode_bundle
from evidence_model.topics import Channel
from evidence_store.log_folder import LogFolder
from tests.crosscheck.test_go_sumdb import ask, flipped, record, tlogcheck, tree
from tests.fakes.centre_home import LOG, centre_at, make_centre_home, trust_of
from tests.fakes.fake_station import FakeStation

__all__ = ["tlogcheck"]


def test_go_accepts_the_checkpoint_the_receipts_and_the_growth_of_a_stores_log(tlogcheck: Path, tmp_path: Path) -> None:
    station = FakeStation()
    paths = make_centre_home(tmp_path / "home", station)
    heads, orders, forged = [], [], []
    vkey = log_note_key(LOG.public_key).vkey
    with centre_at(paths, trust_of(station)) as centre:
        for count in (1, 3, 260, 2, 300):
            step = centre.take(station, [station.says() for _ in range(count)])
            heads.append(centre.ledger.newest().head)
            receipts = [parse_receipt(each.payload) for each in step.answers if each.channel is Channel.RECEIPTS]
            for receipt in (receipts[0], receipts[-1]):
                head = open_checkpoint(receipt.checkpoint, log_key=LOG.public_key).head()
                orders.append(record(head, receipt.index, receipt.leaf, receipt.inclusion_proof))
                forged.append(record(head, receipt.index, flipped(receipt.leaf), receipt.inclusion_proof))
        plan = centre.ledger._plan(())
        orders += [tree(heads[-1], old, plan.consistency_proof(old.size)) for old in heads]
        centre.ledger.settle()
    assert set(ask(tlogcheck, orders)) == {"ok"}
    assert all(answer.startswith("no ") for answer in ask(tlogcheck, forged))
    [answer] = ask(tlogcheck, [("note", vkey, paths.log / "checkpoint")])
    assert answer == f"ok {heads[-1].size} {heads[-1].root.hex()}"
    last = Bundle(heads[-1].size // TILE_WIDTH, heads[-1].size % TILE_WIDTH)
    entries = decode_bundle(LogFolder(paths.log).read_bundle(last), last.width)
    assert Leaf.parse(entries[-1]).hash() == centre.ledger.newest().leaf_hash(heads[-1].size - 1)
