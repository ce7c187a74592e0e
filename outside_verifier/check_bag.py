"""Is it a whole package, with nothing besides, and is each byte the one that its manifests name? PKG-001 to PKG-005."""

from __future__ import annotations

from .bag import SayProgress, is_safe
from .examination import Examination
from .findings import Severity
from .layout import BAGIT, BEYOND_MANIFESTS, MANIFEST, REQUIRED, TAG_MANIFEST
from .strict import RefusedError


def check_names(exam: Examination) -> None:
    """Compare the files with what a package has (PKG-001), may have (-002) and its manifests name (-003, -004)."""
    bag, result = exam.bag, exam.result
    for path in bag.unsafe:
        result.add("PKG-002", path)
    for path in bag.unreadable:
        result.add("PKG-001", path, "file.unreadable", severity=Severity.UNCHECKED, path=path, why="")
    for path in (each for each in REQUIRED if each not in bag.sizes):
        result.add("PKG-001", path, "file.missing", path=path)
    if "bagit.txt" in bag.sizes and exam.small("bagit.txt", 1024, "PKG-001") != BAGIT:
        result.add("PKG-001", "bagit.txt", "bagit")
    for manifest in (MANIFEST, TAG_MANIFEST):
        if manifest in bag.sizes:
            _read_manifest(exam, manifest)
    for path in bag.sizes:
        if path not in exam.named and path not in BEYOND_MANIFESTS:
            result.add("PKG-003", path)
    exam.altered = exam.named.keys() - bag.sizes.keys()
    for path in sorted(exam.altered - {*REQUIRED}):
        result.add("PKG-004", path)


def check_bytes(exam: Examination, progress: SayProgress | None) -> None:
    """Compare every byte with the manifests (PKG-005); what is told of footage comes with `check_footage_bytes`."""
    bag = exam.bag
    there = [path for path in exam.named if path in bag.sizes]
    bag.hash_all(sorted({*there, *({MANIFEST, TAG_MANIFEST} & bag.sizes.keys())}), progress)
    for path in there:
        exam.count("files")
        exam.count("bytes", bag.sizes[path])
        if bag.digests[path] != exam.named[path]:
            exam.altered.add(path)
            if not path.startswith("data/footage/"):
                exam.result.add("PKG-005", path)


def check_footage_bytes(exam: Examination, *, told_later: bool) -> None:
    """Tell of altered footage (PKG-005), but for the items' files if `check_items` is to tell of them MiB by MiB."""
    with_blocks = {item["file"] for item in exam.items} if told_later else set()
    for path in sorted(exam.altered & exam.bag.sizes.keys() - with_blocks):
        if path.startswith("data/footage/"):
            exam.result.add("PKG-005", path)


def _read_manifest(exam: Examination, manifest: str) -> None:
    try:
        for digest, path in exam.bag.manifest(manifest):
            if not is_safe(path):
                exam.result.add("PKG-002", path)
            elif path in exam.named or path.startswith("data/") != (manifest == MANIFEST):
                exam.result.add("PKG-001", manifest, "manifest.path", path=path)
            else:
                exam.named[path] = digest
    except RefusedError as error:
        exam.result.refused("PKG-001", manifest, error)
