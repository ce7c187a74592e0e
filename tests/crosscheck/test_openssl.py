"""What an expert does with openssl and sha256sum alone: envelope, leaf, receipt and cosignature, by their raw bytes."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import cosign
from chain_of_custody.envelope import parse_envelope
from chain_of_custody.receipt import make_receipt, parse_receipt
from chain_of_custody.signatures import P256Verifier, public_key_pem
from tests.fakes.log_on_disc import START_AT, Source
from tests.fakes.log_on_disc import test_key as key_of

if TYPE_CHECKING:
    from pathlib import Path


def run(*words: object, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl: apt install openssl (script/setup does)")
    command = ["openssl", *(str(word) for word in words)]
    return subprocess.run(command, input=data, capture_output=True, check=False, timeout=60)


class Desk:
    """A folder with the files an expert is handed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def accepts(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        for name, data in (("pem", public_key_pem(public_key)), ("message", message), ("sig", signature)):
            (self.folder / name).write_bytes(data)
        files = ["-inkey", self.folder / "pem", "-in", self.folder / "message", "-sigfile", self.folder / "sig"]
        done = run("pkeyutl", "-verify", "-pubin", "-rawin", *files)
        assert (done.returncode == 0) == (b"Signature Verified Successfully" in done.stdout)
        return done.returncode == 0


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


SOURCE = Source("st-1")
RAW = SOURCE.say()


def test_openssl_accepts_an_envelope_s_signature_over_its_pae(desk: Desk) -> None:
    envelope = parse_envelope(RAW)
    [signature] = envelope.signatures
    key = SOURCE.signer.public_key
    assert desk.accepts(key, envelope.pae, signature.signature)
    assert not desk.accepts(key, envelope.pae.replace(b"footage", b"footagE"), signature.signature)
    assert not desk.accepts(key_of("other").public_key, envelope.pae, signature.signature)


def test_openssl_accepts_a_leaf_s_signature_over_what_sha256sum_prints(desk: Desk) -> None:
    leaf = SOURCE.leaf(RAW)
    checksum = hashlib.sha256(hashlib.sha256(RAW).digest()).digest()
    message = b"sigsum.org/v1/tree-leaf\0" + checksum
    assert desk.accepts(SOURCE.signer.public_key, message, leaf.signature)
    assert not desk.accepts(SOURCE.signer.public_key, checksum, leaf.signature)


def test_openssl_accepts_a_receipt_a_checkpoint_and_a_cosignature(desk: Desk) -> None:
    log, centre, witness = key_of("log"), key_of("centre"), key_of("w1")
    checkpoint = Checkpoint(origin_of(log.public_key), 1, SOURCE.leaf(RAW).hash())
    note = sign_checkpoint(checkpoint, log)
    [line] = note.decode().splitlines()[-1:]
    assert desk.accepts(log.public_key, checkpoint.body().encode(), _blob(line)[4:])

    cosigned = cosign(checkpoint, signer=witness, name="w1", at=START_AT)
    message = f"cosignature/v1\ntime {int(START_AT.timestamp())}\n{checkpoint.body()}".encode()
    assert desk.accepts(witness.public_key, message, cosigned.signature[8:])

    receipt = parse_receipt(
        make_receipt(
            event=parse_envelope(RAW).hash,
            leaf=checkpoint.root,
            index=0,
            inclusion_proof=(),
            checkpoint=note,
            blob_verified_at=START_AT,
            signer=centre,
        )
    )
    assert receipt.signed_message.startswith(b"DSSEv1 36 application/vnd.evidock.receipt+json ")
    assert desk.accepts(centre.public_key, receipt.signed_message, receipt.signature)
    assert not desk.accepts(centre.public_key, receipt.signed_message + b" ", receipt.signature)
    assert open_checkpoint(note, log_key=log.public_key) == checkpoint


def test_a_p256_signature_by_openssl_is_accepted_by_us(desk: Desk) -> None:
    """As a TPM gives them: DER."""
    private = desk.folder / "private.pem"
    assert run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", private).returncode == 0
    der = run("ec", "-in", private, "-pubout", "-outform", "DER", "-conv_form", "uncompressed").stdout
    verifier = P256Verifier(der[-65:])
    signature = run("dgst", "-sha256", "-sign", private, data=b"message").stdout
    assert verifier.verify(b"message", signature)
    assert not verifier.verify(b"Message", signature)


def _blob(line: str) -> bytes:
    done = run("base64", "-d", "-A", data=line.rpartition(" ")[2].encode())
    return done.stdout
