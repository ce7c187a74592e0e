"""SM3 and SM2 in a package: checked where this machine can, told where it cannot, and damage where they do not fit."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.envelope import EnvelopeSignature, make_envelope, pae
from chain_of_custody.signatures import KeyId, sm2_public_key_pem
from chain_of_custody.trust_root import sign_root
from evidence_model.canonical import canonical_bytes, parse_strict
from host_io.sm2 import Sm2Signer, make_sm2_key
from outside_verifier.build import pyz_bytes
from outside_verifier.openssl_sm2 import OpensslSm2, pem
from outside_verifier.package import verify_package
from outside_verifier.report import lines
from outside_verifier.trust import Trust, parse_trust
from tests.fakes.manual_clock import ManualClock
from tests.package_story import EvidenceStory, Original, Package, Speaker
from tests.trusts import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence_model.canonical import JsonObject
    from evidence_model.ids import AssetId

FILMS = [Original("DCIM/0001.MP4", b"film" * 1000), Original("DCIM/0002.MP4", b"other film" * 500)]


class GmSpeaker(Speaker):
    """A station that says SM3 of what it pulls and signs everything with SM2 as well."""

    sm2: Sm2Signer
    named: KeyId | None = None  # whose signature it is said to be, if not whose it is
    sm3_of: Callable[[str], str | None]
    spoil: Callable[[bytes], bytes] = staticmethod(lambda signature: signature)

    def about(self, kind: str, subject: tuple[str, str], body: JsonObject, *, asset: AssetId | None = None) -> bytes:
        payload: dict[str, Any] = {**parse_strict(self.statement(kind, asset=asset, body=body))}
        digest = {"sha256": subject[1]}
        if kind == "footage.pulled" and (sm3 := self.sm3_of(subject[1])) is not None:
            digest["sm3"] = sm3
        statement = canonical_bytes({**payload, "subject": [{"digest": digest, "name": subject[0]}]})
        made = self.sm2.sign(pae("application/vnd.in-toto+json", statement))
        extra = EnvelopeSignature(self.named or made.key_id, self.spoil(made.signature))
        raw = make_envelope(statement, (self.signer,), made=[extra])
        self.take(raw, asset)
        return raw


class GmStory(EvidenceStory):
    """The usual story, told by such a station."""

    def __init__(self, speaker: GmSpeaker, point: bytes | None) -> None:
        self._speaker = speaker
        super().__init__(FILMS)
        sources = (replace(each, sm2=point if each.id == speaker.name else None) for each in self.trust.sources)
        self.trust = replace(self.trust, sources=tuple(sources))
        self.roots = [sign_root(self.trust, [ROOT])]

    def _tell(self) -> None:
        self.station = self._speaker
        super()._tell()


def sm3(data: bytes) -> str:
    return hashlib.new("sm3", data).hexdigest()


def right(sha256: str) -> str | None:
    return next((sm3(film.data) for film in FILMS if hashlib.sha256(film.data).hexdigest() == sha256), None)


@pytest.fixture
def point(tmp_path: Path) -> bytes:
    return make_sm2_key(tmp_path / "st-1.sm2")


@pytest.fixture
def speaker(tmp_path: Path, point: bytes) -> GmSpeaker:
    del point
    speaker = GmSpeaker("st-1")
    speaker.sm2, speaker.sm3_of = Sm2Signer(tmp_path / "st-1.sm2", ManualClock()), right
    return speaker


def write(speaker: GmSpeaker, folder: Path, point: bytes | None = None) -> Package:
    return GmStory(speaker, point).write(folder)


def trust_of(package: Package) -> Trust:
    """Return the outsider's copy of the keys."""
    return parse_trust(package.path("trust/trust.json").read_bytes())


def test_right_ones_are_checked_and_nothing_is_told(
    speaker: GmSpeaker, point: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(speaker, tmp_path / "bag", point)
    result = verify_package(str(package.bag), trust_of(package))
    assert (result.findings, result.exit_code) == ([], 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    without = verify_package(str(package.bag), trust_of(package))
    by_station = result.checked["signatures"] - without.checked["signatures"]
    assert by_station == sum(
        source is speaker for source, _ in (package.story.log_items[i] for i in package.story.wanted)
    )


@pytest.mark.parametrize("wrong", [sm3(b"another film"), "00" * 32])
def test_a_wrong_sm3_is_damage_and_the_file_is_named(speaker: GmSpeaker, wrong: str, tmp_path: Path) -> None:
    first = hashlib.sha256(FILMS[0].data).hexdigest()
    speaker.sm3_of = lambda sha256: wrong if sha256 == first else right(sha256)
    package = write(speaker, tmp_path / "bag")
    result = verify_package(str(package.bag), trust_of(package))
    assert [(each.code, each.subject) for each in result.findings] == [("PKG-027", f"data/{FILMS[0].file}")]
    assert result.findings[0].facts == {"found": sm3(FILMS[0].data), "said": wrong}
    assert result.exit_code == 5


def test_altered_footage_is_told_once_by_its_sha256(speaker: GmSpeaker, tmp_path: Path) -> None:
    package = write(speaker, tmp_path / "bag")
    package.change(FILMS[0].file, lambda data: data[:-1] + b"!")
    result = verify_package(str(package.bag), trust_of(package))
    assert {each.code for each in result.findings} == {"PKG-005"}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signature: signature[:-1] + bytes([signature[-1] ^ 1]),
        lambda _signature: b"",
        lambda _signature: b"no DER",
        lambda signature: signature + b"\0",
    ],
)
def test_an_sm2_signature_that_does_not_fit_is_damage(
    speaker: GmSpeaker, point: bytes, spoil: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    speaker.spoil = spoil
    package = write(speaker, tmp_path / "bag", point)
    result = verify_package(str(package.bag), trust_of(package))
    assert {each.code for each in result.findings} == {"PKG-027"}
    assert result.exit_code == 5


def test_a_signature_by_nobody_s_key_that_is_known_changes_nothing(speaker: GmSpeaker, tmp_path: Path) -> None:
    speaker.spoil = lambda _signature: b"no DER"
    assert verify_package(str(write(speaker, tmp_path / "bag").bag)).exit_code == 0


def test_a_signature_by_another_key_than_the_one_it_names_is_damage(
    speaker: GmSpeaker, point: bytes, tmp_path: Path
) -> None:
    make_sm2_key(tmp_path / "other.sm2")
    speaker.sm2, speaker.named = Sm2Signer(tmp_path / "other.sm2", ManualClock()), KeyId.of(point)
    package = write(speaker, tmp_path / "bag", point)
    result = verify_package(str(package.bag), trust_of(package))
    assert {each.code for each in result.findings} == {"PKG-027"}


def test_a_machine_without_openssl_says_how_to_check_and_the_package_is_good(
    speaker: GmSpeaker, point: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(speaker, tmp_path / "bag", point)
    trust = trust_of(package)
    monkeypatch.setenv("PATH", str(tmp_path))
    result = verify_package(str(package.bag), trust)
    assert {each.code for each in result.findings} == {"PKG-024"}
    assert result.exit_code == 0
    monkeypatch.undo()
    said = [line for line in lines(result, "en") if "PKG-024" in line]
    command = said[0][said[0].index("(openssl") + 1 : said[0].rindex(")")].split()
    done = subprocess.run(command, cwd=package.bag, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    package.change(command[command.index("-in") + 1].removeprefix("data/"), lambda data: data + b" ")
    assert subprocess.run(command, cwd=package.bag, capture_output=True, check=False).returncode != 0


def test_an_openssl_that_knows_no_sm2_is_not_believed(
    speaker: GmSpeaker, point: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(speaker, tmp_path / "bag", point)
    fake = tmp_path / "bin" / "openssl"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'Signature Verification Failure'; exit 1\n")
    fake.chmod(0o700)
    monkeypatch.setenv("PATH", str(fake.parent))
    result = verify_package(str(package.bag), trust_of(package))
    assert {each.code for each in result.findings} == {"PKG-024"}
    assert result.exit_code == 0


def test_a_python_without_sm3_says_how_to_check_and_the_package_is_good(
    speaker: GmSpeaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write(speaker, tmp_path / "bag")
    trust = trust_of(package)

    def without(name: str, *_arguments: object) -> None:
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", without)
    result = verify_package(str(package.bag), trust)
    assert {(each.code, each.reason) for each in result.findings} == {("PKG-024", "sm3")}
    assert result.exit_code == 0


def test_the_one_file_says_the_same(speaker: GmSpeaker, tmp_path: Path) -> None:
    first = hashlib.sha256(FILMS[0].data).hexdigest()
    speaker.sm3_of = lambda sha256: sm3(b"another") if sha256 == first else right(sha256)
    package = write(speaker, tmp_path / "bag")
    (tmp_path / "verify.pyz").write_bytes(pyz_bytes())
    command = [sys.executable, "-I", "-S", str(tmp_path / "verify.pyz"), "--json", str(package.bag)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 5, done.stderr
    assert json.loads(done.stdout)["counts"] == {"PKG-027": 1}


def test_this_machines_openssl_is_tried_before_it_is_believed(point: bytes) -> None:
    openssl = OpensslSm2()
    assert openssl.verify(point, b"m", b"s") is False
    assert pem(point) == sm2_public_key_pem(point)
