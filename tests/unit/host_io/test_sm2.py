"""A station's SM2 signature is one more, openssl verifies it, and its absence holds nothing back."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from chain_of_custody.envelope import parse_envelope, verify_envelope
from chain_of_custody.signatures import Ed25519Verifier, KeyId
from host_io.clock import SystemClock
from host_io.keys import KeyOpenToOthersError
from host_io.sm2 import Sm2Signer, Sm2UnavailableError, make_sm2_key, sm2_key_path, sm2_point, verify_sm2
from tests.docking import DockHome, dock_home, noise, put
from tests.fakes.manual_clock import ManualClock

MESSAGE = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "station-1.sm2"
    path.parent.mkdir()
    make_sm2_key(path)
    return path


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    home = dock_home(tmp_path / "home")
    make_sm2_key(sm2_key_path(home.home.paths, home.home.config.station.id))
    return home


def openssl_says(key: Path, folder: Path, signature: bytes, *options: str, message: bytes = MESSAGE) -> bool:
    (folder / "m").write_bytes(message)
    (folder / "s").write_bytes(signature)
    public = ["openssl", "pkey", "-in", str(key), "-pubout", "-out", str(folder / "p.pem")]
    subprocess.run(public, check=True)
    verify = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(folder / "p.pem"), "-rawin", "-digest", "sm3"]
    verify += [*options, "-in", str(folder / "m"), "-sigfile", str(folder / "s")]
    return subprocess.run(verify, capture_output=True, check=False).returncode == 0


def test_a_key_is_made_once_and_is_its_owners_alone(key: Path) -> None:
    point = sm2_point(key)
    assert (len(point), point[0]) == (65, 4)
    assert make_sm2_key(key) == point
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o640)
    with pytest.raises(KeyOpenToOthersError):
        make_sm2_key(key)


def test_openssl_verifies_the_signature_with_the_id_that_it_was_made_with(key: Path, tmp_path: Path) -> None:
    made = Sm2Signer(key, ManualClock()).sign(MESSAGE)
    assert made.key_id == KeyId.of(sm2_point(key))
    assert openssl_says(key, tmp_path, made.signature, "-pkeyopt", "distid:1234567812345678")
    assert not openssl_says(key, tmp_path, made.signature, "-pkeyopt", "distid:8765432187654321")
    assert not openssl_says(key, tmp_path, made.signature)
    right = ("-pkeyopt", "distid:1234567812345678")
    assert not openssl_says(key, tmp_path, made.signature, *right, message=MESSAGE + b" ")


def test_altered_bytes_another_key_and_no_signature_at_all_do_not_verify(key: Path, tmp_path: Path) -> None:
    signature = Sm2Signer(key, ManualClock()).sign(MESSAGE).signature
    point, other = sm2_point(key), make_sm2_key(tmp_path / "other.sm2")
    assert verify_sm2(point, MESSAGE, signature)
    assert not verify_sm2(point, MESSAGE + b" ", signature)
    assert not verify_sm2(other, MESSAGE, signature)
    for wrong in (b"", b"0", signature[:-1], signature[:-1] + bytes([signature[-1] ^ 1]), bytes(len(signature))):
        assert not verify_sm2(point, MESSAGE, wrong)
    with pytest.raises(Sm2UnavailableError):
        verify_sm2(b"\x04" + bytes(64), MESSAGE, signature)  # no point of the curve


def test_a_key_that_was_exchanged_signs_under_its_own_id(key: Path, tmp_path: Path) -> None:
    signer = Sm2Signer(key, ManualClock())
    first = signer.sign(MESSAGE)
    make_sm2_key(tmp_path / "new")
    (tmp_path / "new").replace(key)
    second = signer.sign(MESSAGE)
    assert first.key_id != second.key_id == KeyId.of(sm2_point(key))
    assert verify_sm2(sm2_point(key), MESSAGE, second.signature)


def test_a_slow_openssl_signs_once_and_is_given_a_rest(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "bin" / "openssl"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.4\nexec {shutil.which("openssl")} "$@"\n')
    slow.chmod(0o700)
    signer = Sm2Signer(key, SystemClock())
    with monkeypatch.context() as path:
        path.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
        made = signer.sign(MESSAGE)
    assert verify_sm2(sm2_point(key), MESSAGE, made.signature)
    assert "took" in signer.trouble
    with pytest.raises(Sm2UnavailableError, match="took"):
        signer.sign(MESSAGE)


def test_every_event_of_a_station_with_such_a_key_bears_both_signatures(dock: DockHome, tmp_path: Path) -> None:
    put(tmp_path / "card", "a.mp4", noise(1000))
    assert dock.dock(tmp_path / "card").ok
    point = sm2_point(sm2_key_path(dock.home.paths, dock.home.config.station.id))
    station = Ed25519Verifier(dock.home.station.public_key)
    for (raw,) in dock.rows("select raw from envelope"):
        envelope = parse_envelope(bytes(raw))  # type: ignore[call-overload]
        assert verify_envelope(envelope, [station]) == {station.key_id}
        (extra,) = [each for each in envelope.signatures if each.key_id == KeyId.of(point)]
        assert verify_sm2(point, envelope.pae, extra.signature)
    dock.check_sound()


def signature_counts(dock: DockHome) -> list[int]:
    rows = dock.rows("select raw from envelope order by seq")
    return [len(parse_envelope(bytes(raw)).signatures) for (raw,) in rows]  # type: ignore[call-overload]


@pytest.mark.parametrize("trouble", ["no openssl", "a slow one", "no key", "a key open to others"])
def test_what_stands_in_the_way_of_sm2_holds_no_footage_back(
    dock: DockHome, tmp_path: Path, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sm2_key_path(dock.home.paths, dock.home.config.station.id)
    whole = key.read_bytes()
    calls = tmp_path / "calls"
    (tmp_path / "bin").mkdir()
    if trouble == "a slow one":
        script = tmp_path / "bin" / "openssl"
        script.write_text(f"#!/bin/sh\necho call >> {calls}\nexec sleep 60\n")
        script.chmod(0o700)
    elif trouble == "no key":
        key.write_bytes(b"nothing\n")
    elif trouble == "a key open to others":
        key.chmod(0o644)
    with monkeypatch.context() as path:
        if trouble in {"no openssl", "a slow one"}:
            path.setenv("PATH", f"{tmp_path / 'bin'}" + ("" if trouble == "no openssl" else f":{os.environ['PATH']}"))
        for number in range(3):
            put(tmp_path / "card", f"{number}.mp4", noise(1000, seed=number))
        assert dock.dock(tmp_path / "card").ok
    assert set(signature_counts(dock)) == {1}
    assert "HOST-058" in dock.findings()
    if trouble == "a slow one":
        assert calls.read_text().splitlines() == ["call"]  # it is given a rest, not asked for each event

    key.write_bytes(whole)
    key.chmod(0o600)
    put(tmp_path / "card", "later.mp4", noise(1000, seed=9))
    assert dock.dock(tmp_path / "card").ok
    assert signature_counts(dock)[-1] == 2
    assert "HOST-058" not in dock.findings()
    dock.check_sound()
