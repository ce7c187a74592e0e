"""What a thief of the keys of centre and log could do: shown by the demonstration, and why it is not enough.

The thief ends the history before the first tag, so that neither tags nor the seal that covers them were ever said,
writes the log anew, signs every checkpoint, and makes an evidence package of it, all with the product's own functions
and the true keys. What he has not got are the witnesses.
"""

import shutil
import tempfile
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from chain_of_custody.checkpoint import open_checkpoint
from chain_of_custody.trust_entries import PolicyFrom, RootKey, Roots
from chain_of_custody.trust_root import sign_root
from chain_of_custody.witness_policy import NO_WITNESSES
from evidence_model.events import EventKind
from evidence_model.instants import Clock
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.package_export import export_package
from evidence_store.rebuild import rebuild
from evidence_store.stage import LogEntry
from host_io import keys, trust
from host_io.config import HomePaths


def forge_package(paths: HomePaths, recording: str, out: Path, *, clock: Clock) -> None:
    """Write a package of a recording whose tags were never said, signed by the true keys of centre and log."""
    with tempfile.TemporaryDirectory(prefix="evidock-thief-") as place:
        thief = HomePaths(Path(place) / "home")
        for folder in (thief.keys, thief.run):
            folder.mkdir(parents=True, mode=0o700)
        for key in (trust.centre_key_path, trust.log_key_path):
            shutil.copy(key(paths), key(thief))
        shutil.copy(paths.config, thief.config)
        shutil.copytree(paths.vault / "sha256", thief.vault / "sha256")
        known = trust.read_trust(paths.trust)
        root = keys.make_signing_key(trust.root_key_path(thief))  # the true one lies elsewhere, with its holders
        forged = replace(
            known,
            number=1,
            previous=None,
            roots=Roots((RootKey("root-1", root.public_key),)),
            policies=(PolicyFrom(NO_WITNESSES),),
        )
        trust.publish_root(thief, sign_root(forged, [root]))
        _write_history(paths, thief, log_key=known.log_key)
        rebuild(thief, clock)
        export_package(thief, recordings=[recording], out=out, clock=clock)


def _write_history(paths: HomePaths, thief: HomePaths, *, log_key: bytes) -> None:
    true_log = LogFolder(paths.log)
    size = open_checkpoint(true_log.checkpoint.read_bytes(), log_key=log_key).size
    reader = LogReader(true_log)
    entries = [
        LogEntry(reader.raw_envelope(event.hash), reader.leaf(event.index, size).to_bytes())
        for event in takewhile(lambda each: each.view.kind != EventKind.TAGS_SET.value, reader.events(0, size))
    ]
    ledger = Ledger(LogFolder(thief.log), keys.read_signing_key(trust.log_key_path(thief)))
    ledger.open()
    ledger.append(entries)
    ledger.settle()
