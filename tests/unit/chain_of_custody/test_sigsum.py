"""Our proofs in the spelling of the Sigsum project's tools (doc/sigsum-proof.md, doc/policy.md of sigsum-go)."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.errors import KeyRejectedError, NoteRejectedError
from chain_of_custody.leaf import make_leaf
from chain_of_custody.notes import NoteAlgorithm, NoteKey, cosigned_message, parse_note
from chain_of_custody.proofs import inclusion_proof
from chain_of_custody.signatures import Ed25519Signer, Ed25519Verifier
from chain_of_custody.sigsum import sigsum_proof, ssh_public_key
from chain_of_custody.tree import root_of

LOG = Ed25519Signer.from_seed(b"l" * 32)
STATION = Ed25519Signer.from_seed(b"s" * 32)
LEAVES = [make_leaf(b"envelope %d" % number, STATION) for number in range(3)]


def note_of(count: int) -> bytes:
    root = root_of(leaf.hash() for leaf in LEAVES[:count])
    return sign_checkpoint(Checkpoint(origin_of(LOG.public_key), count, root), LOG)


def test_a_proof_is_version_two_with_the_head_s_signature() -> None:
    hashes = [leaf.hash() for leaf in LEAVES]
    note = note_of(3)

    def read_node(level: int, index: int) -> bytes:
        return hashes[index] if level == 0 else root_of(hashes[index << level : (index + 1) << level])

    path = inclusion_proof(2, 3, read_node)
    text = sigsum_proof(log_key=LOG.public_key, leaf=LEAVES[2], index=2, note=note, inclusion_proof=path).decode()
    [line] = parse_note(note).signatures
    assert text == (
        "version=2\n"
        f"log={LOG.key_id}\n"
        f"leaf={STATION.key_id} {LEAVES[2].signature.hex()}\n"
        "\n"
        "size=3\n"
        f"root_hash={root_of(hashes).hex()}\n"
        f"signature={line.signature.hex()}\n"
        "\n"
        "leaf_index=2\n"
        f"node_hash={root_of(hashes[:2]).hex()}\n"
    )


def test_in_a_tree_of_one_leaf_the_last_part_is_left_out() -> None:
    proof = sigsum_proof(log_key=LOG.public_key, leaf=LEAVES[0], index=0, note=note_of(1), inclusion_proof=())
    assert proof.decode().splitlines()[-1].startswith("signature=")
    assert proof.count(b"\n\n") == 1


def test_a_head_that_the_log_did_not_sign_gives_no_proof() -> None:
    with pytest.raises(NoteRejectedError):
        sigsum_proof(log_key=STATION.public_key, leaf=LEAVES[0], index=0, note=note_of(1), inclusion_proof=())


def test_the_cosignatures_of_known_witnesses_are_taken_along() -> None:
    at = datetime(2026, 11, 22, tzinfo=UTC)
    witness, stranger = Ed25519Signer.from_seed(b"w" * 32), Ed25519Signer.from_seed(b"x" * 32)
    checkpoint = open_checkpoint(note_of(1), log_key=LOG.public_key)
    note = note_of(1)
    for signer in (witness, stranger):
        note = add_signature(note, cosign(checkpoint, signer=signer, name=f"{signer.key_id}.example", at=at))
    key = NoteKey(f"{witness.key_id}.example", NoteAlgorithm.COSIGNATURE_V1, witness.public_key)
    proof = sigsum_proof(
        log_key=LOG.public_key, leaf=LEAVES[0], index=0, note=note, inclusion_proof=(), witnesses=[key]
    )
    [line] = [line for line in proof.decode().splitlines() if line.startswith("cosignature=")]
    key_hash, seconds, signature = line.removeprefix("cosignature=").split(" ")
    assert (key_hash, seconds) == (str(witness.key_id), str(int(at.timestamp())))
    signed = cosigned_message(checkpoint.body(), int(seconds))
    assert Ed25519Verifier(witness.public_key).verify(signed, bytes.fromhex(signature))


def test_a_key_is_openssh_s_line() -> None:
    line = ssh_public_key(STATION.public_key, name="station-1")
    loaded = load_ssh_public_key(line)
    assert isinstance(loaded, Ed25519PublicKey)
    assert loaded.public_bytes(Encoding.Raw, PublicFormat.Raw) == STATION.public_key
    assert line == loaded.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH) + b" station-1\n"
    with pytest.raises(KeyRejectedError):
        ssh_public_key(b"\x04" + bytes(64), name="tpm")
