"""How a home comes to go by another trust document: signed at once where one machine guards itself, else as a draft."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chain_of_custody.tree import EMPTY_ROOT, TreeHead
from chain_of_custody.trust_draft import Draft
from evidence_store.log_folder import LogFolder
from evidence_store.rebuild import store_lock
from host_io import durable, keys, trust
from host_io.config import HomePaths
from operator_cli.errors import ProposalError
from operator_cli.texts import Texts


@contextlib.contextmanager
def log_at_rest(paths: HomePaths, before: trust.Trust | None, after: trust.Trust, texts: Texts) -> Iterator[None]:
    """Keep the store from starting while a document that hands the log over is put in force; else do nothing.

    Raises:
        StoreRunningError: it runs.
        ProposalError: the log went on since the hand-over was proposed.
    """
    if before is None or len(after.logs) == len(before.logs) or not trust.log_key_path(paths).exists():
        yield
        return
    with store_lock(paths):
        final, head = after.logs[len(before.logs) - 1].final, log_head(paths, before)
        if final is None or (head.size, head.root) != (final.size, final.root):
            raise ProposalError(texts("keys.went_on", size=head.size))
        yield


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
        publish(paths, draft)
        return Change(changed.number, None)
    path = paths.root / f"trust-{changed.number}.draft"
    durable.write_file(path, draft.to_bytes(), mode=0o644)
    return Change(changed.number, path)


def publish(paths: HomePaths, draft: Draft) -> None:
    """Put a signed document in force, and with it the log's key if it was handed over.

    Raises:
        RefusedError: it may not follow the one that is in force.
    """
    changed = trust.publish_root(paths, draft.to_bytes())
    # Power fails here: the store takes the key over when it starts.
    trust.take_over_log_key(paths, changed)


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
    return log_head(paths, known).size


def log_head(paths: HomePaths, known: trust.Trust) -> TreeHead:
    """Return what this home's log signed last; the empty tree where there is none.

    Raises:
        RefusedError: its record is not signed by the log's key.
    """
    try:
        note = LogFolder(paths.log).signed.read_bytes()
    except FileNotFoundError:
        return TreeHead(0, EMPTY_ROOT)
    return known.open_checkpoint(note).head()
