"""Whole evidence packages: a good one of some kilobytes, and for each fault the changes that turn it into a bad one.

A case is told as a function that does to the good package what somebody did, with whichever keys he is to have: `seal`
makes manifests and the centre's signature anew, `seal(sign=False)` the manifests alone. What stands in the vector is
the difference of the two folders, so it never depends on how a case was made.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import Group, Witness, WitnessPolicy
from evidence_model.canonical import canonical_bytes
from host_io.trust import trust_bytes
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import SITE, EvidenceStory, Original, Package, sha
from tests.trusts import ROOT, first_trust, next_trust

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from evidence_model.canonical import JsonObject

WITNESSES = ("w1", "w2", "w3")
FILES = [
    Original("DCIM/0001.mp4", b"".join(b"made-up footage, line %d\n" % line for line in range(60))),
    Original("DCIM/记录 2.mp4", b"other made-up footage\n"),
]
TRUST, ANOTHER_LOG, OLDER = "trust.json", "trust-another-log.json", "trust-older.json"
NEWER, NEXT, REVOKED, SUSPECT = (f"trust-{name}.json" for name in ("newer", "next", "revoked", "suspect"))
_NEW_AT = 2  # the size of the log when its second trust document was made


class VectorStory(EvidenceStory):
    """A log with three witnesses, in which a station that was set back to an older state spoke with old numbers.

    Its second trust document enrols st-9, which says nothing.
    """

    def __init__(self) -> None:
        keys = {name: NoteKey(f"{name}.example", NoteAlgorithm.COSIGNATURE_V1, _public(name)) for name in WITNESSES}
        witnesses = tuple(Witness(name, key) for name, key in keys.items())
        policy = WitnessPolicy(witnesses=witnesses, groups=(Group("two", 2, WITNESSES),), quorum="two")
        super().__init__(FILES, witnesses=policy)
        everybody = self.trust.sources
        self.trust = replace(self.trust, sources=tuple(each for each in everybody if each.id != "st-9"))
        self.roots = [sign_root(self.trust, [ROOT])]
        self.first_trust = self.trust
        late = tuple(replace(each, start=_NEW_AT) for each in everybody if each.id == "st-9")
        self.change_trust(since=_NEW_AT, sources=(*self.trust.sources, *late))
        self.cosigners = [(key.name, key_of(name)) for name, key in keys.items()]
        self.station.head = self.early
        body: JsonObject = {"recorder": "cam-7", "session": "s-3"}
        self.out_of_order = self.say(self.station, "preflight.done", ("recorder/cam-7", sha(b"r")), body, wanted=False)

    def trust_after(self, since: int, **of_station: Any) -> bytes:
        """Return the document that follows, made at this size of the log, with something else said of st-1."""
        sources = (replace(each, **of_station) if each.id == "st-1" else each for each in self.trust.sources)
        return trust_bytes(next_trust(self.trust, since=since, sources=tuple(sources)))

    def _tell(self) -> None:
        self.early = self.station.head
        super()._tell()


@dataclass(frozen=True)
class Base:
    """A good package, and the keys of its site; the cases are changes to it."""

    name: str
    tell: Callable[[], EvidenceStory]
    en: str
    zh: str

    @property
    def trust(self) -> str:
        """Return the name of the file with the keys."""
        return TRUST if self.name == "good" else f"trust-{self.name}.json"


GOOD = Base("good", VectorStory, "a whole evidence package, as it should be", "一个完好的证据包")


@dataclass(frozen=True)
class Case:
    """One package: what was done to a good one, what it is verified with, and which codes must be found."""

    name: str
    expected: frozenset[str]
    en: str
    zh: str
    change: Callable[[Package], None] = lambda _: None
    trust: str | None = TRUST  # the outsider's own copy of the keys, if not the site's; None: he has none
    options: JsonObject = field(default_factory=dict)
    base: Base = GOOD

    @property
    def path(self) -> str:
        """Return where it lies under `vectors/`."""
        return f"packages/{'bad' if self.expected else 'honest'}/{self.name}.json"

    def document(self, package: Package) -> JsonObject:
        """Return the vector: the changes, once they are done to this copy of the good package."""
        before = contents(package.bag)
        self.change(package)
        after = contents(package.bag)
        changed = {path: data for path, data in after.items() if before.get(path) != data}
        return {
            "base": self.base.name,
            "options": self.options,
            "put": [{"path": path, **_encoded(data)} for path, data in changed.items()],
            "remove": sorted(before.keys() - after.keys()),
            "trust": self.base.trust if self.trust == TRUST else self.trust,
        }


def bad_case(name: str, change: Callable[[Package], None], en: str, zh: str, *also: str, **more: Any) -> Case:
    """Return a bad case, named after its main code; `also` are the others that must be found."""
    return Case(name, frozenset({name.partition("_")[0], *also}), en, zh, change, **more)


def as_it_is(_: Package) -> None:
    """Change nothing: what is wrong is in what it is verified with."""


def contents(bag: Path) -> dict[str, bytes | str]:
    """Return the bytes of each file of a folder, and the target of each link."""
    return {
        path.relative_to(bag).as_posix(): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(bag.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def apply(document: JsonObject, bag: Path) -> None:
    """Do the changes of a vector to a copy of the good package, as any other verifier's tests would."""
    put: Any = document["put"]
    remove: Any = document["remove"]
    for path in remove:
        (bag / path).unlink()
    for each in put:
        path = bag / each["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if "link" in each:
            path.symlink_to(each["link"])
        else:
            path.write_bytes(each["text"].encode() if "text" in each else base64.b64decode(each["base64"]))


def files(cases: Sequence[Case]) -> Iterator[tuple[str, bytes]]:
    """Yield (path under `vectors/`, bytes) of the good packages, the cases, and the outsiders' keys."""
    with TemporaryDirectory() as folder:
        for base in bases(cases):
            story = base.tell()
            good = story.write(Path(folder, base.name))
            for path, data in contents(good.bag).items():
                assert isinstance(data, bytes)
                yield f"packages/{base.name}/{path}", data
            yield f"packages/{base.trust}", trust_bytes(story.trust)
            for case in cases:
                if case.base is base:
                    copy = good.copy(Path(folder, case.path))
                    yield case.path, canonical_bytes(case.document(copy)) + b"\n"
    for name, data in _other_trust(VectorStory()).items():
        yield f"packages/{name}", data


def bases(cases: Sequence[Case]) -> list[Base]:
    """Return the good packages that these cases start from."""
    return list(dict.fromkeys(case.base for case in cases))


def _other_trust(story: VectorStory) -> dict[str, bytes]:
    """Return the copies of the site's keys that other outsiders have."""
    size = len(story.log_items)
    another = first_trust(SITE, key_of("another log"), ("centre", key_of("centre")), [("st-1", key_of("st-1"))])
    return {
        ANOTHER_LOG: trust_bytes(another),
        OLDER: trust_bytes(story.first_trust),
        NEWER: story.trust_after(size),
        NEXT: story.trust_after(size + 1),
        REVOKED: story.trust_after(size + 1, until=story.old_size),
        SUSPECT: story.trust_after(size + 1, suspect_from=story.old_size),
    }


def _encoded(data: bytes | str) -> JsonObject:
    if isinstance(data, str):
        return {"link": data}
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def _public(label: str) -> bytes:
    return key_of(label).public_key
