"""Which model a docked volume is, and which recorder: pure decisions from gathered facts, with reasons.

The model is what scores highest among the profiles; the recorder is who the strongest device fact says it is. Names,
labels and status files are claims: written down, shown, and never identity, because whoever holds the recorder can
write them.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from edge_agent.profile import FileKind, MatchRule, Profile, PullMode, StatusFile
from edge_agent.profile_reader import ProfileSet
from edge_agent.volume_facts import VolumeFacts
from evidence_model.canonical import Json, canonical_bytes
from evidence_model.continuity import is_worthless_serial
from evidence_model.errors import RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import RecorderId, recorder_id
from evidence_model.known import Known, Unknown
from evidence_model.names import decode_name, display_name

MAX_CLAIM_CHARS = 120
_MEDIA = frozenset({FileKind.FOOTAGE, FileKind.PHOTO, FileKind.AUDIO})
_MOST = 0.75  # of the sampled media files must fit the profile's patterns
_WORTHLESS_UUID = frozenset({"0000-0000", "FFFF-FFFF", "1234-5678"})


class Trust(Enum):
    """What the recorder's id rests on, strongest first."""

    USB_SERIAL = "usb-serial"
    FILE_SYSTEM = "file-system"  # the card's volume number: follows the card, not the recorder
    FOLDER = "folder"  # a folder of some file system: this station's word only
    OPERATOR = "operator"  # a person said so at the dock


class RefusedModelError(RefusedError):
    """This model's footage cannot be taken here; the profile says what to do instead."""

    code = "EDGE-235"

    def __init__(self, profile: Profile) -> None:
        self.profile_id = profile.id
        self.say_zh, self.say_en = profile.say_zh, profile.say_en
        super().__init__(f"{profile.title_en}: {profile.say_en}")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a file on the recorder says of it, without any proof."""

    path: str
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is docked and as what it is treated."""

    recorder_id: RecorderId
    trust: Trust
    facts: Mapping[str, str]
    claims: tuple[Claim, ...]
    profile: Profile
    score: int
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def recognised(self) -> bool:
        """Return whether any profile but the generic one fits; an unknown recorder is pulled all the same."""
        return self.score > 0

    def as_body(self) -> dict[str, Json]:
        """Return the identity as it stands in `recorder.docked`."""
        return {
            "claims": [{"name": claim.name, "path": claim.path, "value": claim.value} for claim in self.claims],
            "facts": dict(sorted(self.facts.items())),
            "profile": self.profile.id,
            "reasons": list(self.reasons),
            "recorder": self.recorder_id,
            "score": str(self.score),
            "trust": self.trust.value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenIdentity:
    """A recorder this station has met before, as far as identity goes."""

    recorder_id: str
    facts: Mapping[str, str]
    names: frozenset[str] = frozenset()  # what its status files call it


def identify(
    facts: VolumeFacts,
    profiles: ProfileSet,
    *,
    opt_in: frozenset[str] = frozenset(),
    operator_id: str | None = None,
) -> Identity:
    """Say which recorder and which model the volume is.

    Args:
        facts: as gathered.
        profiles: all models the station knows.
        opt_in: models too vague to be recognised unless the site says that it uses them.
        operator_id: the id a person gave at the dock; it wins over device facts, which are kept beside it.

    Raises:
        MalformedIdError: `operator_id` is no recorder id.
    """
    profile, score, reasons = _choose(facts, profiles, opt_in)
    known = _identity_facts(facts)
    findings = []
    serial = known.get("usb_serial", "")
    if serial and is_worthless_serial(serial):
        findings.append(Finding("EDGE-230", Severity.NOTE, serial, {"usb_id": known.get("usb_id", "")}))
    trust, strongest = _strongest(known)
    if operator_id is not None:
        trust, identity = Trust.OPERATOR, recorder_id(operator_id)
    else:
        digest = hashlib.sha256(canonical_bytes(strongest)).hexdigest()
        identity = RecorderId(f"rec-{digest[:16]}")
    return Identity(
        recorder_id=identity,
        trust=trust,
        facts=known,
        claims=tuple(_claims(facts, profile)),
        profile=profile,
        score=score,
        reasons=reasons,
        findings=tuple(findings),
    )


def require_pullable(identity: Identity) -> None:
    """Return if footage of this model can be taken here.

    Raises:
        RefusedModelError: only the maker's own dock can; carries what to tell people.
    """
    if identity.profile.pull is PullMode.REFUSE:
        raise RefusedModelError(identity.profile)


def conflicts(identity: Identity, seen: Iterable[SeenIdentity]) -> tuple[Finding, ...]:
    """Return what contradicts earlier dockings: one card in two recorders, or one serial number in two (cases 23, 24).

    Nothing is refused for it: the footage is pulled under the device's id and people are told.
    """
    serial, uuid = identity.facts.get("usb_serial", ""), identity.facts.get("fs_uuid", "")
    findings = []
    for other in seen:
        other_serial, other_uuid = other.facts.get("usb_serial", ""), other.facts.get("fs_uuid", "")
        details = {"this": identity.recorder_id, "other": other.recorder_id, "fs_uuid": uuid, "usb_serial": serial}
        if uuid and uuid == other_uuid and serial != other_serial:
            findings.append(Finding("EDGE-231", Severity.FAULT, identity.recorder_id, details))
        elif serial and serial == other_serial and other_uuid and uuid and uuid != other_uuid:
            findings.append(Finding("EDGE-232", Severity.NOTE, identity.recorder_id, details))
    return tuple(findings)


def score_profile(
    facts: VolumeFacts, profile: Profile, *, opt_in: frozenset[str] = frozenset()
) -> tuple[int, tuple[str, ...]]:
    """Return how well a profile fits and why; 0 if it does not.

    An id that many products share never decides alone: with it, two facts are needed (recorders.md section 1).
    """
    rule = profile.match
    if rule.site_opt_in and profile.id not in opt_in:
        return 0, ()
    layout = {path.casefold() for path in facts.layout}
    if not all(path.casefold() in layout for path in rule.layout_all):
        return 0, ()
    if profile.pull is PullMode.REFUSE and any(profile.kind_of(path) in _MEDIA for path in facts.samples):
        return 0, ()  # readable media lie there: a label must not keep evidence from being pulled
    hits = list(_device_hits(facts, rule)) + list(_layout_hits(facts, layout, profile))
    if rule.site_opt_in:
        hits.append((40, f"site uses {profile.id}"))
    needed = max(rule.facts_needed, 2 if rule.usb_ids and rule.usb_ids_shared and _only_usb_id(hits) else 1)
    if len(hits) < needed:
        return 0, ()
    return sum(weight for weight, _ in hits), tuple(reason for _, reason in hits)


def _choose(facts: VolumeFacts, profiles: ProfileSet, opt_in: frozenset[str]) -> tuple[Profile, int, tuple[str, ...]]:
    scored = []
    for profile in profiles.profiles:
        score, reasons = score_profile(facts, profile, opt_in=opt_in)
        if score > 0 and profile is not profiles.generic:
            scored.append((score, len(reasons), profile, reasons))
    if not scored:
        return profiles.generic, 0, ("no profile fits",)
    scored.sort(key=lambda entry: (-entry[0], -entry[1], entry[2].id))  # the id makes a tie the same everywhere
    score, _, profile, reasons = scored[0]
    return profile, score, reasons


def _device_hits(facts: VolumeFacts, rule: MatchRule) -> Iterable[tuple[int, str]]:
    if isinstance(facts.usb_id, Known) and facts.usb_id.value.lower() in rule.usb_ids:
        yield 15, f"usb id {facts.usb_id.value}"
    names = " ".join(fact.value for fact in (facts.usb_vendor, facts.usb_model) if isinstance(fact, Known))
    if rule.usb_names and rule.usb_names.search(names):
        yield 25, f"usb name {names}"
    if isinstance(facts.scsi_inquiry, Known):
        inquiry = _squeezed(facts.scsi_inquiry.value)
        for text in rule.scsi_inquiry:
            if inquiry.startswith(_squeezed(text)):
                yield 60, f"inquiry {text}"
    if rule.label and isinstance(facts.label, Known) and rule.label.fullmatch(facts.label.value):
        yield 20, f"label {facts.label.value}"


def _layout_hits(facts: VolumeFacts, layout: set[str], profile: Profile) -> Iterable[tuple[int, str]]:
    rule = profile.match
    if rule.layout_all:
        yield 30, f"has {', '.join(rule.layout_all)}"
    present = [path for path in rule.layout_any if path.casefold() in layout]
    if present:
        yield 20 + 2 * len(present), f"has {', '.join(present)}"
    if rule.layout:
        matching = sorted(path for path in facts.layout if rule.layout.fullmatch(path))
        if matching:
            yield 30, f"layout like {display_name(matching[0].encode())[:MAX_CLAIM_CHARS]}"
    if rule.file_names:
        media = [path for path in facts.samples if profile.kind_of(path) in _MEDIA]
        fitting = [path for path in media if profile.patterns and _named_by(profile, path)]
        if media and len(fitting) >= _MOST * len(media):
            yield 25, f"{len(fitting)} of {len(media)} names fit"


def _named_by(profile: Profile, raw_path: bytes) -> bool:
    fields = profile.fields_of(raw_path)
    return isinstance(fields.stamp, Known) or isinstance(fields.sequence, Known) or bool(fields.group)


def _only_usb_id(hits: list[tuple[int, str]]) -> bool:
    return len(hits) == 1 and hits[0][1].startswith("usb id ")


def _squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


def _identity_facts(facts: VolumeFacts) -> dict[str, str]:
    candidates = {
        "folder": facts.folder_id,
        "fs_type": facts.fs_type,
        "fs_uuid": facts.fs_uuid,
        "label": facts.label,
        "port": facts.port_path,
        "scsi_inquiry": facts.scsi_inquiry,
        "usb_id": facts.usb_id,
        "usb_model": facts.usb_model,
        "usb_serial": facts.usb_serial,
        "usb_vendor": facts.usb_vendor,
    }
    return {name: fact.value for name, fact in candidates.items() if isinstance(fact, Known)}


def _strongest(known: Mapping[str, str]) -> tuple[Trust, dict[str, Json]]:
    serial, uuid = known.get("usb_serial", ""), known.get("fs_uuid", "")
    if serial and not is_worthless_serial(serial):
        return Trust.USB_SERIAL, {"usb_id": known.get("usb_id", ""), "usb_serial": serial}
    if uuid and uuid.upper() not in _WORTHLESS_UUID:
        return Trust.FILE_SYSTEM, {"fs_uuid": uuid}
    return Trust.FOLDER, {"folder": known.get("folder", "")}


def _claims(facts: VolumeFacts, profile: Profile) -> Iterable[Claim]:
    for file in profile.status_files:
        if (content := facts.status_texts.get(file.path)) is not None:
            for key, value in sorted(_claimed(file, content).items()):
                yield Claim(file.path, file.claims[key], value)


def _claimed(file: StatusFile, content: bytes) -> dict[str, str]:
    """Read a status file tolerantly: whatever is not what it should be claims nothing."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    found: dict[str, object] = {}
    if file.form == "text":
        found[""] = decode_name(content.strip())[0]
    elif file.form == "json":
        try:
            loaded = json.loads(content.decode("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            loaded = {}
        found = loaded if isinstance(loaded, dict) else {}
    else:
        for line in content.splitlines():
            key, equals, value = line.partition(b"=")
            if equals:
                found[decode_name(key.strip())[0]] = decode_name(value.strip())[0]
    return {
        key: display_name(str(found[key]).encode("utf-8", "replace"))[:MAX_CLAIM_CHARS]
        for key in file.claims
        if isinstance(found.get(key), str | int) and str(found[key]).strip()
    }


def claim_of(identity: Identity, name: str) -> "Known[str] | Unknown":
    """Return the first claim of that name, for showing beside a fact and never instead of one."""
    for claim in identity.claims:
        if claim.name == name:
            return Known(claim.value)
    return Unknown("the recorder does not say")
