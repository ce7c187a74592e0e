"""The package vectors about time stamps (RFC 3161) and about SM3 and SM2, which rest on kept material."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.envelope import EnvelopeSignature, make_envelope, pae
from chain_of_custody.event import Beacon
from chain_of_custody.proofs import consistency_proof
from chain_of_custody.time_stamp import authority_pem
from chain_of_custody.trust_root import sign_root
from evidence_model.canonical import canonical_bytes, parse_strict
from tests.fakes.log_on_disc import START_AT
from tests.package_story import EvidenceStory, Original, Package, Speaker
from tests.trusts import ROOT
from tests.vectors.changes import sealed
from tests.vectors.material import MATERIAL
from tests.vectors.packages import Base, bad_case

if TYPE_CHECKING:
    from collections.abc import Callable

    from evidence_model.canonical import JsonObject
    from evidence_model.ids import AssetId

FILES = [Original("DCIM/0001.mp4", b"a film between two stamps\n")]
FILMS = {hashlib.sha256(each.data).hexdigest(): each.data for each in FILES}
AUTHORITIES = ("tsa-1", "tsa-2")
FIRST_AT, SECOND_AT = (START_AT.replace(microsecond=0) + timedelta(seconds=seconds) for seconds in (3, 12))


class StampedSpeaker(Speaker):
    """A station that names the stamp it heard of; its clock may be wrong from then on, its beacon a lie."""

    beacon: Beacon | None = None
    wrong_by = timedelta()

    def statement(self, kind: str = "footage.pulled", **more: Any) -> bytes:
        payload = super().statement(kind, **more, beacon=self.beacon)
        if self.beacon is None or not self.wrong_by:
            return payload
        text = parse_strict(payload)
        wall = START_AT + timedelta(seconds=self.head.seq + 1)
        wrong = wall + self.wrong_by
        said = canonical_bytes(text).decode()
        return said.replace(f"{wall:%Y-%m-%dT%H:%M:%S}.456Z", f"{wrong:%Y-%m-%dT%H:%M:%S}.456Z").encode()


class VectorStampedStory(EvidenceStory):
    """A log that was stamped before its station pulled a file, and again afterwards."""

    def __init__(self, *, wrong_by: timedelta = timedelta(), beacon_size: int = 0) -> None:
        self._wrong_by, self._beacon_size = wrong_by, beacon_size
        self.stamps: dict[int, list[str]] = {}
        super().__init__(FILES)
        self.stamp(AUTHORITIES)
        self.trust = replace(self.trust, authorities=tuple(MATERIAL.authority(each) for each in AUTHORITIES))
        self.roots = [sign_root(self.trust, [ROOT])]

    def _tell(self) -> None:
        self.station = self.speaker = StampedSpeaker("st-1")
        self.speaker.wrong_by = self._wrong_by
        super()._tell()

    def say(self, source: Speaker, kind: str, subject: tuple[str, str], body: JsonObject, **more: Any) -> int:
        if kind == "footage.pulled" and not self.stamps:
            self.stamp(AUTHORITIES[:1])
            size = len(self.log_items)
            head = open_checkpoint(self.note(size), log_key=self.log.public_key)
            token = hashlib.sha256(self.token(size, "tsa-1")).digest()
            self.speaker.beacon = Beacon(head.origin, self._beacon_size or size, head.root, token)
        return super().say(source, kind, subject, body, **more)

    def stamp(self, names: tuple[str, ...]) -> None:
        self.stamps[len(self.log_items)] = [*names]

    def token(self, size: int, name: str) -> bytes:
        return MATERIAL.stamp(name, self.note(size), FIRST_AT if size == min(self.stamps) else SECOND_AT)

    def files(self) -> dict[str, bytes]:
        files = super().files()
        for size, names in self.stamps.items():
            proof = consistency_proof(size, len(self.log_items), self._read_node)
            files[f"time/{size}.checkpoint"] = self.note(size)
            files[f"time/{size}.consistency"] = "".join(f"{each.hex()}\n" for each in proof).encode()
            files |= {f"time/{size}.{name}.tsr": self.token(size, name) for name in names}
        return files | {f"time/{each.name}.pem": authority_pem(each) for each in self.trust.authorities}


class GmSpeaker(Speaker):
    """A station that names SM3 beside SHA-256, and signs with SM2 as well."""

    of_another_film = False

    def about(self, kind: str, subject: tuple[str, str], body: JsonObject, *, asset: AssetId | None = None) -> bytes:
        payload: dict[str, Any] = {**parse_strict(self.statement(kind, asset=asset, body=body))}
        digest = {"sha256": subject[1]}
        if kind == "footage.pulled" and subject[1] in FILMS:
            film = b"another film" if self.of_another_film else FILMS[subject[1]]
            digest["sm3"] = hashlib.new("sm3", film).hexdigest()
        statement = canonical_bytes({**payload, "subject": [{"digest": digest, "name": subject[0]}]})
        made = MATERIAL.sign(pae("application/vnd.in-toto+json", statement))
        raw = make_envelope(statement, (self.signer,), made=[made])
        self.take(raw, asset)
        return raw


class VectorGmStory(EvidenceStory):
    """The usual story, told by such a station."""

    def __init__(self, speaker: type[GmSpeaker] = GmSpeaker) -> None:
        self._speaker = speaker
        super().__init__(FILES)
        sources = (replace(each, sm2=MATERIAL.sm2_point if each.id == "st-1" else None) for each in self.trust.sources)
        self.trust = replace(self.trust, sources=tuple(sources))
        self.roots = [sign_root(self.trust, [ROOT])]

    def _tell(self) -> None:
        self.station = self._speaker("st-1")
        super()._tell()


class OfAnotherFilm(GmSpeaker):
    """One whose SM3 is of other bytes."""

    of_another_film = True


class OfAnotherMessage(GmSpeaker):
    """One whose SM2 signatures are of other messages."""

    def about(self, kind: str, subject: tuple[str, str], body: JsonObject, *, asset: AssetId | None = None) -> bytes:
        payload: dict[str, Any] = {**parse_strict(self.statement(kind, asset=asset, body=body))}
        digest = {"sha256": subject[1]}
        statement = canonical_bytes({**payload, "subject": [{"digest": digest, "name": subject[0]}]})
        made = MATERIAL.sign(pae("application/vnd.in-toto+json", b"another message"))
        raw = make_envelope(statement, (self.signer,), made=[EnvelopeSignature(made.key_id, made.signature)])
        self.take(raw, asset)
        return raw


def told(make: Callable[[], EvidenceStory]) -> Callable[[Package], None]:
    """Return the change to a package that another story tells, rightly sealed."""

    def change(package: Package) -> None:
        package.story = make()
        files = package.story.files()
        for path in sorted((package.bag / "data").rglob("*")):
            if path.is_file() and path.relative_to(package.bag / "data").as_posix() not in files:
                path.unlink()
        for name, data in files.items():
            package.put(name, data)
        package.seal()

    return change


def stamped(package: Package) -> VectorStampedStory:
    assert isinstance(package.story, VectorStampedStory)
    return package.story


def no_token(package: Package) -> None:
    package.put(f"time/{max(stamped(package).stamps)}.tsa-1.tsr", b"this is no time stamp\n")


def of_another_checkpoint(package: Package) -> None:
    story = stamped(package)
    package.put(f"time/{max(story.stamps)}.tsa-1.tsr", story.token(min(story.stamps), "tsa-1"))


def of_another_authority(package: Package) -> None:
    story = stamped(package)
    package.put(f"time/{max(story.stamps)}.tsa-1.tsr", story.token(max(story.stamps), "tsa-2"))


def not_contained(package: Package) -> None:
    size = min(stamped(package).stamps)
    package.change(f"time/{size}.consistency", lambda data: b"00" + data[2:] if data[:2] != b"00" else b"11" + data[2:])


STAMPED = Base(
    "stamped",
    VectorStampedStory,
    "a package whose log two authorities stamped, before the file was pulled and after",
    "两个时间戳机构在采集前后给日志盖过戳的证据包",
)
GM = Base("gm", VectorGmStory, "a package with SM3 and SM2 beside", "附有 SM3 与 SM2 的证据包")

CASES = [
    bad_case(
        "PKG-060_no_stamp",
        sealed(no_token),
        "what is said to be a time stamp is none",
        "所谓时间戳不是时间戳",
        base=STAMPED,
    ),
    bad_case(
        "PKG-061_stamp_of_another_checkpoint",
        sealed(of_another_checkpoint),
        "a time stamp over another checkpoint is shown",
        "拿另一个检查点的时间戳充数",
        base=STAMPED,
    ),
    bad_case(
        "PKG-062_stamp_of_another_authority",
        sealed(of_another_authority),
        "one authority's time stamp is shown as another's",
        "把一个机构的时间戳说成另一个机构的",
        base=STAMPED,
    ),
    bad_case(
        "PKG-064_stamped_checkpoint_is_not_contained",
        sealed(not_contained),
        "it is not proved that the head contains a stamped checkpoint",
        "不能证明日志包含盖过戳的检查点",
        base=STAMPED,
    ),
    bad_case(
        "PKG-065_clock_three_days_back",
        told(lambda: VectorStampedStory(wrong_by=timedelta(days=-3))),
        "the station's clock says three days before what the stamps prove",
        "采集站的时钟比时间戳所证明的早三天",
        base=STAMPED,
    ),
    bad_case(
        "PKG-066_beacon_from_the_future",
        told(lambda: VectorStampedStory(beacon_size=999)),
        "an event names a log that is larger than its own place in it",
        "事件提到的日志比它自己的位置还大",
        base=STAMPED,
    ),
    bad_case(
        "PKG-027_sm3_of_another_film",
        told(lambda: VectorGmStory(OfAnotherFilm)),
        "the SM3 that the station names is of other bytes",
        "采集站写的 SM3 是别的内容的",
        base=GM,
    ),
    bad_case(
        "PKG-027_sm2_of_another_message",
        told(lambda: VectorGmStory(OfAnotherMessage)),
        "the SM2 signatures are over another message",
        "SM2 签名签的是别的内容",
        base=GM,
    ),
]
