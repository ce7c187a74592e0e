"""A centre that holds recordings as a real docking leaves them, and what a test wants to ask an evidence package."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from chain_of_custody.event import Subject
from evidence_model.canonical import Json
from evidence_model.digests import CHUNK_BYTES, Digest, chunk_list_text
from evidence_model.events import EventKind
from evidence_model.ids import AssetId
from evidence_model.messages import BlobRef, BlobRole
from evidence_model.recording import SegmentRule
from host_io.config import HomePaths
from tests.fakes.centre_home import Centre
from tests.fakes.fake_station import FakeStation

HOSTILE_NAMES = (
    b"DCIM/100%.MP4",
    b"DCIM/a\nb\r.mp4",
    b"DCIM/..",
    b"DCIM/-rf",
    "DCIM/现场 二.mp4".encode(),
    "DCIM/e\u0301.mp4".encode(),
    b"DCIM/\xff\xfe.mp4",
    b"DCIM/x.chunks",
    b"DCIM/CON.mp4",
    b"DCIM/back\\slash 'and' \"quotes\".mp4",
    b"DCIM/" + b"long" * 60 + b".mp4",
    "DCIM/\u202egnp.mp4".encode(),
)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


def chunks_of(content: bytes) -> bytes:
    """Return the chunk list of a file, as a station makes it."""
    parts = range(0, len(content), CHUNK_BYTES)
    return chunk_list_text(b"".join(hashlib.sha256(content[at : at + CHUNK_BYTES]).digest() for at in parts))


def blob_of(role: BlobRole, content: bytes) -> BlobRef:
    return BlobRef(role, digest_of(content), len(content))


class Docking:
    """Recordings arrive at an open centre as from a dock."""

    def __init__(self, centre: Centre, station: FakeStation, session: str = "session-1") -> None:
        self.centre, self.station, self.session = centre, station, session
        self.count = 0
        listing = b'{"kind":"footage","path_hex":"00","size_bytes":"1"}\n'
        docked = station.says(
            EventKind.RECORDER_DOCKED,
            {"recorder": "rec-1", "session": session, "file_count": "1"},
            blobs=[blob_of(BlobRole.LISTING, listing)],
        )
        self._arrive([docked], [listing])

    def pull(self, content: bytes, path: bytes = b"DCIM/0001.MP4", *, start: str | None = None) -> AssetId:
        """Let one file arrive with its bytes, chunk list and media facts; one without a `start` stands alone."""
        asset = self.announce(content, path)
        self._arrive([], [content])
        self.reread(asset, content, start=start)
        return asset

    def announce(self, content: bytes, path: bytes) -> AssetId:
        """Let a file be said of whose bytes do not come."""
        raw = self.station.pulls(content, path=path, segment_rule=SegmentRule().as_body(), session=self.session)
        self._arrive([raw], [])
        return list(self.station._assets)[-1]

    def reread(self, asset: AssetId, content: bytes, *, start: str | None = None) -> None:
        """Let the station say that it read the file a second time."""
        self.count += 1
        chunks, probe = chunks_of(content), b'{"probe":"%d"}\n' % self.count
        body: dict[str, Json] = {"media": {"codec": "h264"}, "kind": "footage"}
        if start is not None:
            body |= {"start_at": start, "duration_ms": "60000"}
        said = self.station.says(
            EventKind.FOOTAGE_REREAD,
            body,
            subject=Subject(f"asset/{asset}", digest_of(content).raw),
            asset=asset,
            blobs=[blob_of(BlobRole.CHUNKS, chunks), blob_of(BlobRole.PROBE, probe)],
        )
        self._arrive([said], [chunks, probe])

    def says(self, kind: EventKind, assets: list[AssetId], **words: Json) -> bytes:
        """Let a person's words about a recording arrive."""
        raw = self.station.says(kind, {"assets": list(assets), **words})
        self.centre.take(self.station, [raw])
        return raw

    def _arrive(self, raws: list[bytes], contents: list[bytes]) -> None:
        self.centre.take(self.station, raws)
        for content in contents:
            self.centre.hand_over(content)
        self.centre.adopt_all()
        self.centre.do_chores()


def recording_of(asset: AssetId) -> str:
    return f"R-{asset[:12]}"


def vault_file(paths: HomePaths, content: bytes) -> Path:
    name = digest_of(content).hex
    return paths.vault / "sha256" / name[:2] / name[2:4] / name


def flip(path: Path, place: int = 0) -> None:
    """Change one bit of a file."""
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(bytes(data))


def document(package: Path, name: str) -> Any:
    """Return a JSON file of a package."""
    return json.loads((package / name).read_bytes())


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file under a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def evidence(package: Path) -> dict[str, bytes]:
    """Return the payload but for the reports, which name the package they belong to and when it was made."""
    return {name: data for name, data in tree(package / "data").items() if not name.startswith("report.")}


def bagit_says(package: Path) -> subprocess.CompletedProcess[str]:
    """Let the library of the Library of Congress validate a package."""
    command = [sys.executable, "-W", "ignore", "-m", "bagit", "--validate", "--quiet", str(package)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
