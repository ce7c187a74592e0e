"""Takes spool copies away, and only those that nobody can need any more.

A copy goes when every envelope that names its bytes has a verified receipt (the store has read them back from its own
medium) and the agent has re-read it for every item, with the receipt for that too. Condition and removal stand in one
writing transaction, so the agent, which places a copy and commits the item that needs it under the same lock, never
finds a copy taken away that it has just counted on. If power fails between removal and note, the note is made the next
time: a file that is gone is no obstacle.
"""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from evidence_model.digests import Digest, MalformedDigestError
from evidence_model.instants import Clock, unix_ms
from host_io import durable
from host_io.config import HomePaths
from ingest_daemon.ledger import Ledger

_AT_ONCE = 64  # the journal's writers wait meanwhile
_PLACES = ("footage", "blobs")


class SpoolRemoval:
    """Used by one thread."""

    def __init__(self, ledger: Ledger, paths: HomePaths, clock: Clock) -> None:
        self._ledger = ledger
        self._paths = paths
        self._clock = clock

    def after_receipts(self, seqs: Iterable[int]) -> int:
        """Remove what the receipts of these envelopes make needless; return how many copies went."""
        return self._remove_all(sorted({digest for seq in seqs for digest in self._named_by(seq)}))

    def scan(self) -> int:
        """Look at every file of the spool, as after a start; return how many copies went."""
        return self._remove_all(sorted(self._lying_in_spool()))

    def _remove_all(self, digests: Sequence[Digest]) -> int:
        return sum(self._remove(digests[start : start + _AT_ONCE]) for start in range(0, len(digests), _AT_ONCE))

    def _remove(self, digests: Sequence[Digest]) -> int:
        if not any(self._place_if_needless(digest) for digest in digests):
            return 0
        count = 0
        with self._ledger.transaction():
            folders = set()
            gone = []
            for digest in digests:
                place = self._place_if_needless(digest)
                if place is None:
                    continue
                copy = self._paths.spool / place / digest.hex
                with contextlib.suppress(FileNotFoundError):
                    copy.unlink()
                    count += 1
                folders.add(copy.parent)
                gone.append(digest)
            for folder in folders:
                durable.sync_folder(folder)
            self._note_removed(gone)
        return count

    def _place_if_needless(self, digest: Digest) -> str | None:
        row = self._ledger.db.execute(
            "select place from spool_blob as s where s.digest = ?"
            " and exists (select 1 from envelope_blob as b where b.digest = s.digest)"
            " and not exists (select 1 from envelope_blob as b join envelope as e on e.seq = b.seq"
            "   where b.digest = s.digest and e.receipt is null)"
            " and not exists (select 1 from item as i left join envelope as reread on reread.seq = i.reread_seq"
            "   where i.digest = s.digest and reread.receipt is null)",
            (digest.raw,),
        ).fetchone()
        return row["place"] if row else None

    def _note_removed(self, digests: Iterable[Digest]) -> None:
        now = unix_ms(self._clock.now())
        self._ledger.db.executemany(
            "insert into hand_over (digest, removed_unix_ms) values (?, ?)"
            " on conflict (digest) do update set removed_unix_ms = excluded.removed_unix_ms, upload_url = null",
            [(digest.raw, now) for digest in digests],
        )

    def _named_by(self, seq: int) -> Iterator[Digest]:
        rows = self._ledger.db.execute(
            "select digest from envelope_blob where seq = :seq"
            " union select item.digest from envelope join item on item.asset_id = envelope.asset_id"
            " where envelope.seq = :seq",
            {"seq": seq},
        )
        for row in rows:
            yield Digest(row["digest"])

    def _lying_in_spool(self) -> Iterator[Digest]:
        for place in _PLACES:
            with contextlib.suppress(FileNotFoundError):
                for copy in Path(self._paths.spool / place).iterdir():
                    with contextlib.suppress(MalformedDigestError):
                        yield Digest.parse(copy.name)
