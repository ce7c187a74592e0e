"""The checks of docs/spec/evidence-package.md, in its order. Everything that is wrong is told, not only the first."""

from __future__ import annotations

import re
from typing import Any

from . import envelope as dsse
from . import notes, sigsum
from .bag import Bag, SayProgress, is_safe, open_bag
from .chains import Logged, check_items, check_sources
from .contents import read_package, read_signed
from .event import Event, parse_event
from .findings import Result
from .keys import Key
from .merkle import check_consistency
from .strict import RefusedError, hex_bytes
from .trust import MAX_BYTES as MAX_TRUST_BYTES
from .trust import Trust, differences, parse_trust

PACKAGE_TYPE = "application/vnd.evidock.package+json"
MANIFEST, TAG_MANIFEST, SIGNED = "manifest-sha256.txt", "tagmanifest-sha256.txt", "package.dsse.json"
HEAD, ANCHOR, CONSISTENCY = (f"data/proofs/{name}" for name in ("checkpoint-head", "checkpoint-anchor", "consistency"))
TRUST = "data/trust/trust.json"
_BEYOND_MANIFESTS = (SIGNED, TAG_MANIFEST)
_REQUIRED = ("bagit.txt", "bag-info.txt", MANIFEST, TAG_MANIFEST, SIGNED, "data/package.json", TRUST, HEAD)
_BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_MAX_PACKAGE_JSON = 64 << 20
_EVENT_FILE = re.compile(r"data/events/(0|[1-9][0-9]{0,18})\.(dsse\.json|payload|pae|[0-9a-f]{64}\.sig)")
_PROOF_FILE = re.compile(r"data/proofs/(0|[1-9][0-9]{0,18})\.sigsum")


def verify_package(folder: str, trust: Trust | None = None, progress: SayProgress | None = None) -> Result:
    """Check a package; `trust` is the outsider's own copy of the site's keys, without it the package's own are used."""
    result = Result()
    try:
        bag = open_bag(folder)
    except OSError as error:
        result.add("PKG-001", folder, "file.unreadable", loss=False, path=folder, why=error.strerror or error)
        return result
    if "bagit.txt" not in bag.sizes and SIGNED not in bag.sizes:
        result.add("PKG-001", folder, "package.none", loss=False)
        return result
    _Verification(bag, trust, result).run(progress)
    return result


class _Verification:
    def __init__(self, bag: Bag, known: Trust | None, result: Result) -> None:
        self._bag = bag
        self._known = known
        self._result = result
        self._named: dict[str, str] = {}  # path: the digest that a manifest names
        self._altered: set[str] = set()  # files of which PKG-004 or PKG-005 was told
        self._keys: dict[str, Key] = {}  # of everybody who may sign events
        self._head: notes.Checkpoint | None = None
        self._events: dict[int, Logged] = {}
        self._event_files: dict[int, set[str]] = {}
        for path in bag.sizes:
            if (match := _EVENT_FILE.fullmatch(path)) is not None:
                self._event_files.setdefault(int(match[1]), set()).add(path)
        self._signers: set[str] = set()  # ids of keys that signed an event
        self._is_listed = False  # package.json says what is in here
        self._checked = dict.fromkeys(("events", "signatures", "proofs", "items", "files", "bytes"), 0)
        result.checked = self._checked

    def run(self, progress: SayProgress | None) -> None:
        """Check everything."""
        self._check_names()
        self._check_bytes(progress)
        own = self._read_trust()
        trust = self._known or own
        listed, items = self._read_contents()
        with_blocks = {item["file"] for item in items} if trust is not None else set()  # told later, MiB by MiB
        for path in sorted(self._altered & self._bag.sizes.keys() - with_blocks):
            if path.startswith("data/footage/"):
                self._result.add("PKG-005", path)
        if trust is None:
            return  # told already; without any key nothing more can be said
        self._keys = trust.by_id
        self._result.keys = {"log": trust.log.id, **{name: key.id for name, key in trust.sources.items()}}
        signed = self._check_signed(trust)
        self._check_checkpoints(trust, signed)
        for index in sorted(listed | self._indexes()):
            self._check_event(index, trust)
        if own is not None:
            self._check_keys(own)
        check_items(self._events.values(), {item["id"]: item["chains"] for item in items}, self._result)
        check_sources(self._events.values(), self._result)
        about: dict[str, list[Event]] = {item["id"]: [] for item in items}
        for each in self._events.values():
            if each.is_proved and each.event.item is not None and each.event.item.id in about:
                about[each.event.item.id].append(each.event)
        for item in items:
            about[item["id"]] = _believed(item, about[item["id"]], trust.centre)
            self._check_item(item, about[item["id"]], trust.centre)
        self._check_blobs(items, about)
        if self._is_listed:
            self._check_what_belongs(items, trust)

    # ---------------------------------------------------------------------------------------------- the bag

    def _check_names(self) -> None:
        bag, result = self._bag, self._result
        for path in bag.unsafe:
            result.add("PKG-002", path)
        for path in bag.unreadable:
            result.add("PKG-001", path, "file.unreadable", loss=False, path=path, why="")
        for path in (each for each in _REQUIRED if each not in bag.sizes):
            result.add("PKG-001", path, "file.missing", path=path)
        if "bagit.txt" in bag.sizes and self._small("bagit.txt", 1024, "PKG-001") != _BAGIT:
            result.add("PKG-001", "bagit.txt", "bagit")
        for manifest in (MANIFEST, TAG_MANIFEST):
            if manifest in bag.sizes:
                self._read_manifest(manifest)
        for path in bag.sizes:
            if path not in self._named and path not in _BEYOND_MANIFESTS:
                result.add("PKG-003", path)
        self._altered = self._named.keys() - bag.sizes.keys()
        for path in sorted(self._altered - {*_REQUIRED}):
            result.add("PKG-004", path)

    def _read_manifest(self, manifest: str) -> None:
        try:
            for digest, path in self._bag.manifest(manifest):
                if not is_safe(path):
                    self._result.add("PKG-002", path)
                elif path in self._named or path.startswith("data/") != (manifest == MANIFEST):
                    self._result.add("PKG-001", manifest, "manifest.path", path=path)
                else:
                    self._named[path] = digest
        except RefusedError as error:
            self._result.refused("PKG-001", manifest, error)

    def _check_bytes(self, progress: SayProgress | None) -> None:
        there = [path for path in self._named if path in self._bag.sizes]
        self._bag.hash_all(sorted({*there, *({MANIFEST, TAG_MANIFEST} & self._bag.sizes.keys())}), progress)
        for path in there:
            self._checked["files"] += 1
            self._checked["bytes"] += self._bag.sizes[path]
            if self._bag.digests[path] != self._named[path]:
                self._altered.add(path)
                if not path.startswith("data/footage/"):
                    self._result.add("PKG-005", path)

    # ---------------------------------------------------------------------------------------------- keys, signature

    def _read_trust(self) -> Trust | None:
        data = self._small(TRUST, MAX_TRUST_BYTES, "PKG-001")
        try:
            return parse_trust(data) if data is not None else None
        except RefusedError as error:
            self._result.refused("PKG-012", TRUST, error)
            return None

    def _check_keys(self, own: Trust) -> None:
        """Compare the package's keys with the outsider's, and its key files with its trust.json (PKG-012)."""
        for wrong in differences(own, self._known, self._speakers()) if self._known is not None else []:
            self._result.add("PKG-012", TRUST, "trust.differs", key=wrong)
        expected = {f"data/trust/keys/{key_id}.pem": key.pem() for key_id, key in own.all_keys.items()}
        for name, key in own.sources.items():
            if key.is_ed25519:
                expected[f"data/trust/submit-{name}.pub"] = f"{key.ssh_line()} {name}\n".encode()
        expected["data/trust/policy.sigsum"] = own.witnesses.sigsum_text(own.log).encode()
        for path, data in expected.items():
            if path not in self._bag.sizes or self._small(path, MAX_TRUST_BYTES, "PKG-012") != data:
                self._result.add("PKG-012", path, "trust.file")
        for path in self._bag.sizes:
            if path.startswith("data/trust/") and path not in expected and path != TRUST:
                self._result.add("PKG-050", path, "file.stray")

    def _check_signed(self, trust: Trust) -> dict[str, Any] | None:
        """Check the centre's signature over the package (PKG-010) and what it says (PKG-011); return what it says."""
        raw = self._small(SIGNED, dsse.MAX_BYTES, "PKG-010")
        if raw is None:
            return None
        centre = trust.sources[trust.centre]
        try:
            envelope = dsse.parse_envelope(raw)
            if envelope.payload_type != PACKAGE_TYPE:
                raise RefusedError("event.type", found=envelope.payload_type)
            _, unchecked = dsse.signers(envelope, {centre.id: centre})
            signed = read_signed(envelope.payload)
        except RefusedError as error:
            self._result.refused("PKG-010", SIGNED, error)
            return None
        self._note_unchecked(SIGNED, unchecked, "")
        self._checked["signatures"] += 1
        self._result.about = {name: signed[name] for name in ("id", "created_at", "recipient", "basis", "site")}
        found = {
            "manifest_sha256": self._bag.digests.get(MANIFEST),
            "tagmanifest_sha256": self._bag.digests.get(TAG_MANIFEST),
            "file_count": str(sum(path.startswith("data/") for path in self._named)),
            "site": trust.site,
        }
        payload = [path for path in self._named if path.startswith("data/")]
        if self._altered.isdisjoint(payload):  # else the bytes do differ, and that was told
            found["payload_bytes"] = str(sum(self._bag.sizes[path] for path in payload))
        for name, value in found.items():
            if value != signed[name]:
                self._result.add("PKG-011", SIGNED, "signed.differs", name=name, signed=signed[name], found=value)
        return signed

    # ---------------------------------------------------------------------------------------------- contents

    def _read_contents(self) -> tuple[set[int], list[dict[str, Any]]]:
        data = self._small("data/package.json", _MAX_PACKAGE_JSON, "PKG-001")
        try:
            listed, items = read_package(data) if data is not None else (set(), [])
        except RefusedError as error:
            self._result.refused("PKG-050", "data/package.json", error)
            return set(), []
        there = self._indexes()
        self._is_listed = data is not None
        for index in sorted(listed ^ there if data is not None else ()):
            self._result.add("PKG-050", f"data/events/{index}.dsse.json", "contents.events")
        self._checked["items"] = len(items)
        expected = {path for item in items for path in (item["file"], item["chunks"]) if path}
        for path in self._bag.sizes:
            event, proof = _EVENT_FILE.fullmatch(path), _PROOF_FILE.fullmatch(path)
            if path.startswith("data/footage/"):
                stray = data is not None and path not in expected
            elif path.startswith("data/events/"):
                stray = event is None or int(event[1]) not in listed | there
            elif path.startswith("data/proofs/") and path not in (HEAD, ANCHOR, CONSISTENCY):
                stray = proof is None or int(proof[1]) not in listed | there
            else:
                continue
            if stray:
                self._result.add("PKG-050", path, "file.stray")
        return listed, items

    def _indexes(self) -> set[int]:
        return {index for index, paths in self._event_files.items() if f"data/events/{index}.dsse.json" in paths}

    # ---------------------------------------------------------------------------------------------- the log

    def _check_checkpoints(self, trust: Trust, signed: dict[str, Any] | None) -> None:
        head = self._head = self._checkpoint(HEAD, trust)
        if head is not None and signed is not None:
            said = signed["head"]
            if (said["origin"], said["size"], said["root"]) != (head.origin, str(head.size), head.root.hex()):
                self._result.add(
                    "PKG-011", SIGNED, "signed.differs", name="head", signed=said["size"], found=str(head.size)
                )
        if (ANCHOR in self._bag.sizes) != (CONSISTENCY in self._bag.sizes):
            self._result.add("PKG-033", ANCHOR, "proof.half")
        if ANCHOR not in self._bag.sizes:
            return
        anchor = self._checkpoint(ANCHOR, trust)
        if anchor is None or head is None:
            return
        try:
            lines = self._bag.read(CONSISTENCY, sigsum.MAX_BYTES).decode("ascii", "replace").split("\n")
            if lines.pop():
                raise RefusedError("proof.form")
            proof = [hex_bytes(line) for line in lines]
            check_consistency(anchor.size, anchor.root, head.size, head.root, proof)
            self._result.about["anchor"] = str(anchor.size)
        except RefusedError as error:
            self._result.refused("PKG-033", ANCHOR, error)

    def _checkpoint(self, path: str, trust: Trust) -> notes.Checkpoint | None:
        data = self._small(path, notes.MAX_BYTES, "PKG-030") if path in self._bag.sizes else None
        try:
            checkpoint = notes.open_checkpoint(data, trust.log) if data is not None else None
        except RefusedError as error:
            self._result.refused("PKG-030", path, error)
            return None
        if checkpoint is not None and data is not None:
            self._checked["signatures"] += 1
            if path == HEAD:
                self._result.about.update(origin=checkpoint.origin, size=str(checkpoint.size))
                self._check_witnesses(data, trust)
        return checkpoint

    def _check_witnesses(self, note: bytes, trust: Trust) -> None:
        """Check that as many cosigned the head as the outsider's policy asks for (PKG-034)."""
        policy = trust.witnesses
        try:
            cosigners = policy.cosigners(note)
        except RefusedError as error:
            self._result.refused("PKG-034", HEAD, error)
            return
        self._checked["signatures"] += len(cosigners)
        self._result.about["witnesses"] = ", ".join(sorted(cosigners))
        if not policy.is_met_by(cosigners):
            self._result.add("PKG-034", HEAD, "witnesses", count=len(cosigners), quorum=policy.quorum)

    def _check_event(self, index: int, trust: Trust) -> None:
        path = f"data/events/{index}.dsse.json"
        if path not in self._bag.sizes:
            return  # told with package.json
        raw = self._small(path, dsse.MAX_BYTES, "PKG-020")
        if raw is None:
            return
        try:
            envelope = dsse.parse_envelope(raw)
            event = parse_event(envelope)
        except RefusedError as error:
            self._result.refused("PKG-020", path, error)
            return
        self._checked["events"] += 1
        self._check_beside(index, envelope)
        source = trust.sources.get(event.source.id)
        is_right = True
        try:
            signed, unchecked = dsse.signers(envelope, self._keys)
            if source is None or source.id not in signed | unchecked:
                raise RefusedError("envelope.source", source=event.source.id)
            self._note_unchecked(path, unchecked, f"data/events/{index}")
            self._checked["signatures"] += len(signed)
            self._signers |= signed | unchecked
        except RefusedError as error:
            self._result.refused("PKG-021", path, error)
            is_right = False
        is_right = self._check_proof(index, raw, trust, event.source.id) and is_right
        self._events[index] = Logged(index, envelope.hash, event, is_right)

    def _check_beside(self, index: int, envelope: dsse.Envelope) -> None:
        """Compare the raw files beside an envelope (PKG-022)."""
        base = f"data/events/{index}"
        expected = {f"{base}.payload": envelope.payload, f"{base}.pae": envelope.pae}
        for key_id, signature in envelope.signatures.items():
            expected[f"{base}.{key_id}.sig"] = signature
        for path, data in expected.items():
            if path not in self._bag.sizes or self._small(path, 2 * dsse.MAX_BYTES, "PKG-022") != data:
                self._result.add("PKG-022", path)
        for path in sorted(self._event_files[index] - {*expected, f"{base}.dsse.json"}):
            self._result.add("PKG-022", path)

    def _check_proof(self, index: int, raw: bytes, trust: Trust, source: str) -> bool:
        path = f"data/proofs/{index}.sigsum"
        try:
            proof = sigsum.parse_proof(self._bag.read(path, sigsum.MAX_BYTES))
        except RefusedError as error:
            self._result.refused("PKG-032", path, error)
            return False
        is_right = True
        leaf = proof.leaf_of(raw)
        key = trust.sources.get(source)
        if key is None or not leaf.is_signed_by(key):
            self._result.add("PKG-031", path, "leaf", source=source)
            is_right = False
        try:
            if proof.index != index:
                raise RefusedError("proof.place", index=proof.index)
            head = self._head
            if head is None:
                return False  # told with the checkpoint
            if (proof.log_id, proof.size, proof.root) != (trust.log.id, head.size, head.root):
                raise RefusedError("proof.head")
            if proof.signature != head.signature:
                raise RefusedError("proof.head")
            proof.check_inclusion(leaf)
        except RefusedError as error:
            self._result.refused("PKG-032", path, error)
            return False
        self._checked["signatures"] += 1
        self._checked["proofs"] += 1
        return is_right

    # ---------------------------------------------------------------------------------------------- items

    def _check_item(self, item: dict[str, Any], about: list[Event], centre: str) -> None:
        """Check one item against the proved events about it; what came from a recorder only a station can say."""
        by_stations = [event for event in about if event.source.id != centre]
        pulled = [event for event in by_stations if event.kind == "footage.pulled"]
        named = {(blob.sha256, blob.size_bytes) for event in about for blob in event.blobs if blob.role == "footage"}
        subjects = {event.subject_sha256 for event in pulled}
        stated = (item["sha256"], item["size_bytes"])
        if named - {stated} or subjects - {item["sha256"]}:
            self._result.add("PKG-050", item["id"], "item.differs")
        path, is_whole = item["file"], False
        if path is None:
            if not any(event.kind == "disposal.done" for event in about):
                self._result.add("PKG-050", item["id"], "item.gone")
        elif path not in self._bag.sizes:
            if path not in self._named:
                self._result.add("PKG-050", path, "file.missing", path=path)
        else:
            digest = self._bag.digests.get(path)
            is_whole = bool(named) and named == {(digest, self._bag.sizes[path])} and subjects == {digest}
            self._check_footage(item, by_stations, is_whole=is_whole)
        body = pulled[0].body if pulled else {}
        self._result.items.append(
            {
                "id": item["id"],
                "recording": item["recording"],
                "name": _raw_name(body.get("path_hex")),
                "recorder": str(body.get("recorder", ""))[:64],
                "station": pulled[0].source.id if pulled else "",
                "pulled_at": pulled[0].wall if pulled else "",  # by the station's clock
                "sha256": item["sha256"],
                "size_bytes": str(item["size_bytes"]),
                "proved": "gone" if path is None else "yes" if is_whole else "no",
            }
        )

    def _check_footage(self, item: dict[str, Any], by_stations: list[Event], *, is_whole: bool) -> None:
        path, chunks = item["file"], item["chunks"]
        is_altered = path in self._altered
        lists = {blob.sha256 for event in by_stations for blob in event.blobs if blob.role == "chunks"}
        is_list_right = chunks is not None and self._bag.digests.get(chunks) in lists
        if chunks is not None and chunks in self._bag.sizes and not is_list_right and chunks not in self._altered:
            self._result.add("PKG-043", chunks)
        if chunks is not None and chunks not in self._bag.sizes and chunks not in self._named:
            self._result.add("PKG-050", chunks, "file.missing", path=chunks)
        if is_whole and not is_altered:
            return
        code = "PKG-005" if is_altered else "PKG-042"
        damaged, count = self._bag.damaged_blocks(path, chunks) if chunks is not None and is_list_right else ([], 0)
        if not damaged:  # no list, or one of other bytes
            self._result.add(code, path, "blocks.unknown")
            return
        self._result.add(code, path, "blocks", damaged=_ranges(damaged), whole=count - sum(n <= count for n in damaged))

    def _check_blobs(self, items: list[dict[str, Any]], about: dict[str, list[Event]]) -> None:
        """Check that every other blob a believed event names is there (PKG-043), and none besides (PKG-050)."""
        beside = {("footage", item["sha256"]) for item in items}
        beside |= {("chunks", self._bag.digests.get(item["chunks"]) or "") for item in items}
        needed = set()
        proved = [each.event for each in self._events.values() if each.is_proved]
        dockings = [event for event in proved if event.kind == "recorder.docked"]
        for event in [*dockings, *(event for events in about.values() for event in events)]:
            for blob in event.blobs:
                if (blob.role, blob.sha256) in beside:
                    continue
                path = f"data/blobs/{blob.sha256}"
                needed.add(path)
                if path not in self._bag.sizes:
                    of_an_item = blob.role in {"footage", "chunks"}  # told with the item
                    if path not in self._named and not of_an_item:
                        self._result.add("PKG-043", path, "file.missing", path=path)
                elif path not in self._altered and (
                    (self._bag.digests.get(path), self._bag.sizes[path]) != (blob.sha256, blob.size_bytes)
                ):
                    self._result.add("PKG-043", path)
        every_event_is_read = all(each.is_proved for each in self._events.values())
        for path in self._bag.sizes:
            if path.startswith("data/blobs/") and path not in needed and every_event_is_read and items:
                self._result.add("PKG-050", path, "file.stray")

    def _check_what_belongs(self, items: list[dict[str, Any]], trust: Trust) -> None:
        """Check that each event is about an item (PKG-044), and that nothing is missing that it needs (-045)."""
        ids = {item["id"]: item["sha256"] for item in items}
        events = [each.event for each in self._events.values()]
        brought = {
            (event.source.id, str(event.body.get("session"))): event.item.id
            for event in events
            if event.kind == "footage.pulled"
            and event.item is not None
            and ids.get(event.item.id) == event.subject_sha256
        }
        enrolled = set()
        for each in self._events.values():
            event = each.event
            docking = (event.source.id, str(event.body.get("session")))
            assets = event.body.get("assets")
            if event.kind in {"key.enrolled", "key.revoked"}:
                belongs = event.subject_sha256 in {*self._signers, trust.log.id}
                if event.kind == "key.enrolled" and event.source.id == trust.centre:
                    enrolled.add(event.subject_sha256)
            elif event.item is not None:
                belongs = event.item.id in ids
            elif event.kind == "recorder.docked":
                belongs = docking in brought
            else:
                belongs = isinstance(assets, list) and any(isinstance(asset, str) and asset in ids for asset in assets)
            if not belongs:
                self._result.add("PKG-044", f"data/events/{each.index}.dsse.json")
        docked = {
            (event.source.id, str(event.body.get("session"))) for event in events if event.kind == "recorder.docked"
        }
        for docking in brought.keys() - docked:
            self._result.add("PKG-045", brought[docking], "belongs.docking")
        for key_id in sorted(self._signers - enrolled):
            self._result.add("PKG-045", key_id, "belongs.enrolment")

    # ---------------------------------------------------------------------------------------------- small things

    def _small(self, path: str, at_most: int, code: str) -> bytes | None:
        """Return a small file, or tell why it cannot be read (a required one that is missing was told before)."""
        try:
            return self._bag.read(path, at_most)
        except RefusedError as error:
            if error.reason != "file.missing":
                self._result.refused(code, path, error)
            return None

    def _note_unchecked(self, path: str, key_ids: set[str], base: str) -> None:
        for key_id in sorted(key_ids):
            self._result.add("PKG-023", path, "p256", loss=False, key=key_id, base=base)

    def _speakers(self) -> set[str]:
        return {each.event.source.id for each in self._events.values()}


def _raw_name(path_hex: object) -> str:
    """Return the raw name from the recorder as people can read it; it is made safe when it is shown."""
    try:
        return hex_bytes(path_hex, len(path_hex) // 2 if isinstance(path_hex, str) else 0).decode("utf-8", "replace")
    except RefusedError:
        return ""


def _believed(item: dict[str, Any], about: list[Event], centre: str) -> list[Event]:
    """Return what counts of all that was said about an item: what the centre and the stations that pulled it said.

    Anybody else's words are in the log and change nothing. If no station pulled these bytes, all of it counts.
    """
    pulled_by = {
        event.source.id
        for event in about
        if event.kind == "footage.pulled" and event.source.id != centre and event.subject_sha256 == item["sha256"]
    }
    return [event for event in about if event.source.id in {*pulled_by, centre}] if pulled_by else about


def _ranges(numbers: list[int]) -> str:
    """Return 5, 17-20 of a sorted list; at most thirty parts."""
    parts: list[list[int]] = []
    for each in numbers:
        if parts and each == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], each]
        else:
            parts.append([each, each])
    texts = [str(first) if first == last else f"{first}-{last}" for first, last in parts]
    return ", ".join(texts[:30]) + (" …" if len(texts) > 30 else "")  # noqa: PLR2004 - enough to read
