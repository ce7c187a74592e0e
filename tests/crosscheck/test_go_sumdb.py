"""Our notes, proofs and tiles under Go's checksum-database code (golang.org/x/mod/sumdb), which is not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.checkpoint import log_note_key, open_checkpoint, sign_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.leaf import Leaf
from chain_of_custody.proofs import consistency_proof, inclusion_proof
from chain_of_custody.tiles import node_reader
from chain_of_custody.tree import CompactRange, TreeHead
from tests.fakes.log_on_disc import START_AT, LogOnDisc
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SOURCE = Path(__file__).parent / "tlogcheck" / "main.go"
GOPATH = Path("/usr/share/gocode")
SIZES = (1, 2, 3, 5, 8, 255, 256, 257, 300, 512, 600)


def go_program(folder: Path, sources: Iterable[Path]) -> Path:
    """Build a program from Debian's packages alone: no module, no network."""
    go = shutil.which("go")
    if go is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        pytest.skip("needs go and x/mod: apt install golang-go golang-golang-x-mod-dev (script/setup does)")
    program = folder / "program"
    environment = {
        **os.environ,
        "GO111MODULE": "off",
        "GOPATH": str(GOPATH),
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "",
        "HOME": str(folder),
    }
    command = [go, "build", "-o", str(program), *map(str, sources)]
    subprocess.run(command, check=True, env=environment, timeout=240)
    return program


@pytest.fixture(scope="session")
def tlogcheck(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(tmp_path_factory.mktemp("go"), [SOURCE])


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> LogOnDisc:
    """A log of 600 leaves, grown in uneven steps."""
    log = LogOnDisc(tmp_path_factory.mktemp("log"))
    done = 0
    for size in SIZES:
        log.append([leaf(number) for number in range(done, size)])
        done = size
    return log


def leaf(number: int) -> Leaf:
    return Leaf(number.to_bytes(32, "big"), bytes(64), bytes(32))


HASHES = [leaf(number).hash() for number in range(SIZES[-1])]
HEADS = {size: CompactRange.empty().extend(HASHES[:size]).head() for size in range(SIZES[-1] + 1)}


def ask(program: Path, orders: Iterable[Sequence[object]]) -> list[str]:
    text = "".join(" ".join(map(str, order)) + "\n" for order in orders)
    done = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True, timeout=120)
    return done.stdout.splitlines()


def record(head: TreeHead, index: int, leaf_hash: bytes, proof: Iterable[bytes]) -> list[object]:
    return ["record", head.size, head.root.hex(), index, leaf_hash.hex(), *(each.hex() for each in proof)]


def tree(new: TreeHead, old: TreeHead, proof: Iterable[bytes]) -> list[object]:
    return ["tree", new.size, new.root.hex(), old.size, old.root.hex(), *(each.hex() for each in proof)]


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


def test_go_opens_our_checkpoint_and_reads_what_we_signed(tlogcheck: Path, log: LogOnDisc) -> None:
    vkey = log_note_key(log.log.public_key).vkey
    head = HEADS[600]
    [answer] = ask(tlogcheck, [("note", vkey, log.folder / "checkpoint")])
    assert answer == f"ok 600 {head.root.hex()}"


def test_go_refuses_our_checkpoint_once_it_was_altered(tlogcheck: Path, log: LogOnDisc, tmp_path: Path) -> None:
    vkey = log_note_key(log.log.public_key).vkey
    for number, (old, new) in enumerate([(b"\n600\n", b"\n601\n"), (b"\n\n", b"\nx\n\n")]):
        altered = tmp_path / f"altered{number}"
        altered.write_bytes(log.checkpoint.replace(old, new))
        [answer] = ask(tlogcheck, [("note", vkey, altered)])
        assert answer.startswith("no ")


def test_go_opens_a_cosigned_checkpoint(tlogcheck: Path, log: LogOnDisc, tmp_path: Path) -> None:
    checkpoint = open_checkpoint(log.checkpoint, log_key=log.log.public_key)
    line = cosign(checkpoint, signer=key_of("w1"), name="w1", at=START_AT)
    (tmp_path / "cosigned").write_bytes(add_signature(sign_checkpoint(checkpoint, log.log), line))
    [answer] = ask(tlogcheck, [("note", log_note_key(log.log.public_key).vkey, tmp_path / "cosigned")])
    assert answer.startswith("ok 600 ")


def test_go_accepts_every_inclusion_proof_and_refuses_each_corrupted_one(tlogcheck: Path, log: LogOnDisc) -> None:
    honest, forged = [], []
    for size in SIZES:
        read_node = node_reader(size, log.read)
        for index in {0, 1, size // 2, size - 2, size - 1} & set(range(size)):
            proof = inclusion_proof(index, size, read_node)
            honest.append(record(HEADS[size], index, HASHES[index], proof))
            forged.append(record(HEADS[size], index, flipped(HASHES[index]), proof))
            forged.append(record(HEADS[size], index, HASHES[index], (*proof, HEADS[size].root)))
            forged.append(record(HEADS[size], size, HASHES[index], proof))
            forged.extend(
                record(HEADS[size], index, HASHES[index], (*proof[:at], flipped(proof[at]), *proof[at + 1 :]))
                for at in range(len(proof))
            )
            if proof:
                forged.append(record(HEADS[size], index, HASHES[index], proof[:-1]))
    assert set(ask(tlogcheck, honest)) == {"ok"}
    answers = ask(tlogcheck, forged)
    assert len(answers) == len(forged)
    assert all(answer.startswith("no ") for answer in answers)


def test_go_accepts_every_consistency_proof_and_refuses_each_corrupted_one(tlogcheck: Path, log: LogOnDisc) -> None:
    honest, forged = [], []
    for new in SIZES:
        read_node = node_reader(new, log.read)
        for old in {1, 2, 3, new // 2, 255, 256, 257, new - 1, new} & set(range(1, new + 1)):
            proof = consistency_proof(old, new, read_node)
            honest.append(tree(HEADS[new], HEADS[old], proof))
            other = TreeHead(old, flipped(HEADS[old].root))
            forged.append(tree(HEADS[new], other, proof))
            forged.append(tree(TreeHead(new, flipped(HEADS[new].root)), HEADS[old], proof))
            forged.append(tree(HEADS[new], HEADS[old], (*proof, HEADS[old].root)))
            forged.extend(
                tree(HEADS[new], HEADS[old], (*proof[:at], flipped(proof[at]), *proof[at + 1 :]))
                for at in range(len(proof))
            )
    assert set(ask(tlogcheck, honest)) == {"ok"}
    assert all(answer.startswith("no ") for answer in ask(tlogcheck, forged))


def test_go_reads_every_leaf_from_our_tiles(tlogcheck: Path, log: LogOnDisc) -> None:
    for size in (1, 255, 256, 300, 600):
        root = HEADS[size].root.hex()
        orders = [("leaf", log.folder, size, root, index, HASHES[index].hex()) for index in range(0, size, 7)]
        assert set(ask(tlogcheck, orders)) == {"ok"}


def test_go_makes_from_our_tiles_the_proofs_that_we_make(tlogcheck: Path, log: LogOnDisc) -> None:
    root = HEADS[600].root.hex()
    indexes = (0, 1, 255, 256, 511, 512, 599)
    answers = ask(tlogcheck, [("prove", log.folder, 600, root, index) for index in indexes])
    read_node = node_reader(600, log.read)
    expected = [["ok", *(each.hex() for each in inclusion_proof(index, 600, read_node))] for index in indexes]
    assert [answer.split() for answer in answers] == expected


def test_go_refuses_a_tile_in_which_a_bit_was_flipped(tlogcheck: Path, log: LogOnDisc, tmp_path: Path) -> None:
    """At size 512. At 600, x/mod 0.7.0 does not compare full tiles with the tile above, and reads on.

    It starts after as many tiles as the tree has perfect subtrees, although several of these share a tile.
    """
    copy = tmp_path / "log"
    shutil.copytree(log.folder, copy)
    tile = copy / "tile/0/001"
    data = bytearray(tile.read_bytes())
    data[100] ^= 1
    tile.write_bytes(data)
    order = [512, HEADS[512].root.hex(), 300, HASHES[300].hex()]
    spoilt, honest = ask(tlogcheck, [["leaf", copy, *order], ["leaf", log.folder, *order]])
    assert spoilt == "no downloaded inconsistent tile"
    assert honest == "ok"
