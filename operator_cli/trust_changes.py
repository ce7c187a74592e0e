"""How a home comes to go by another trust document: signed at once where one machine guards itself, else as a draft."""

from dataclasses import dataclass
from pathlib import Path

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.trust_draft import Draft
from evidence_store.log_folder import LogFolder
from host_io import durable, keys, trust
from host_io.config import HomePaths


@dataclass(frozen=True, slots=True)
class Change:
    """What came of a change: it is in force, or it lies as a draft until enough roots signed it."""

    number: int
    draft: Path | None


def change_trust(paths: HomePaths, changed: trust.Trust) -> Change:
    """Publish a document that this machine alone may sign, or leave a draft of it in the home.

    Raises:
        RefusedError: it may not follow the one that is in force.
    """
    draft = Draft(changed, {})
    root = trust.root_key_path(paths)
    if root.exists():
        draft = draft.signed(keys.read_signing_key(root))
    if is_signed_enough(draft, trust.read_trust(paths.trust)):
        trust.publish_root(paths, draft.to_bytes())
        return Change(changed.number, None)
    path = paths.root / f"trust-{changed.number}.draft"
    durable.write_file(path, draft.to_bytes(), mode=0o644)
    return Change(changed.number, path)


def is_signed_enough(draft: Draft, before: trust.Trust | None) -> bool:
    """Say whether enough roots signed, of the document itself and of the one before it."""
    documents = [draft.trust] if before is None else [draft.trust, before]
    return all(
        sum(draft.has_of(each) for each in document.roots.keys) >= document.roots.threshold for document in documents
    )


def log_size(paths: HomePaths, known: trust.Trust) -> int:
    """Return how many entries this home's log has; 0 where there is none.

    Raises:
        RefusedError: its record is not signed by the log's key.
    """
    try:
        note = LogFolder(paths.log).signed.read_bytes()
    except FileNotFoundError:
        return 0
    return open_checkpoint(note, log_key=known.log_key).size
