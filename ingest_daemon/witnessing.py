"""This station as a witness: it cosigns what the log signed, if that contains all that it cosigned before.

The centre asks over MQTT; the bodies are those of C2SP tlog-witness. First the new checkpoint is on the medium as the
last one, then it is cosigned: `kill -9` between the two costs a repetition, never a second history.
"""

import contextlib
import hashlib
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from chain_of_custody.checkpoint import origin_of
from chain_of_custody.cosignature import cosign
from chain_of_custody.signatures import Signer
from chain_of_custody.tree import TreeHead
from chain_of_custody.trust_entries import TrustedLog
from chain_of_custody.witness import Consistent, Refusal, examine
from chain_of_custody.witness_wire import Answer, WitnessReply
from evidence_model.errors import UnavailableError
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import read_signing_key
from host_io.logs import event
from host_io.trust import Trust, witness_key_path, witness_name
from host_io.witness_state import WitnessState, witness_state

_LOG = logging.getLogger(__name__)
_QUEUE_LENGTH: Final = 64
_MOST_KEPT: Final = 100


class Witness:
    """Answers requests, one at a time; used by one thread of one process."""

    def __init__(
        self,
        *,
        name: str,
        signer: Signer,
        log_key: bytes,
        state: WitnessState,
        clock: Clock,
        before: Sequence[TrustedLog] = (),
        on_suspect: Callable[[Refusal], None] = lambda _refusal: None,
    ) -> None:
        """Take up what was cosigned last, under this key or one `before` it: it is one tree, and begins nowhere anew.

        `on_suspect` is told of what the log's key should not have signed.

        Raises:
            WitnessStateLostError: that is not known; this witness must be retired.
        """
        self._name = name
        self._on_suspect = on_suspect
        self._signer = signer
        self._log_keys = {origin_of(log_key): log_key}
        self._state = state
        self._clock = clock
        last = state.last(log_key=log_key, before=before)
        self._last = None if last is None else last.head()

    def answer(self, request: bytes) -> WitnessReply:
        """Return the answer to a request's body.

        Raises:
            OSError, UnavailableError: our disk or our key's token fails; nothing was cosigned.
        """
        verdict = examine(request, log_keys=self._log_keys, last_of=self._last_of)
        about = hashlib.sha256(request).digest()
        if isinstance(verdict, Refusal):
            self._refused(verdict, request, about)
            return WitnessReply(about, verdict.why, verdict.body)
        self._remember(verdict)
        # if power fails here: it is the last one, and cosigned when it is asked for again
        line = cosign(verdict.checkpoint, signer=self._signer, name=self._name, at=self._clock.now())
        return WitnessReply(about, Answer.COSIGNED, line.line)

    def _last_of(self, _origin: str) -> TreeHead | None:
        return self._last

    def _remember(self, verdict: Consistent) -> None:
        head = verdict.checkpoint.head()
        if head != self._last:
            self._state.note(verdict.note)
            self._last = head

    def _refused(self, refusal: Refusal, request: bytes, about: bytes) -> None:
        level = logging.ERROR if refusal.is_suspect else logging.INFO
        event(_LOG, "witness.refused", level=level, status=refusal.why.value, why=refusal.text[:300])
        if refusal.is_suspect:
            self._keep(request, about)
            self._on_suspect(refusal)

    def _keep(self, request: bytes, about: bytes) -> None:
        """Keep a request: with what was cosigned before, it may prove that the log has two histories."""
        folder = self._state.path.parent / "suspect"
        path: Path = folder / about.hex()
        durable.make_folders(folder, mode=0o755)
        if not path.exists() and sum(1 for _ in folder.iterdir()) < _MOST_KEPT:
            durable.write_file(path, request, mode=0o644)


def open_witness(
    paths: HomePaths,
    trust: Trust,
    station: SourceId,
    *,
    clock: Clock,
    on_suspect: Callable[[Refusal], None] = lambda _refusal: None,
) -> Witness | None:
    """Return the witness that this station is, None if the site's policy does not name its key.

    Raises:
        WitnessStateLostError: it does not know any more what it cosigned last.
        KeyOpenToOthersError: its key is not its own.
    """
    key_path = witness_key_path(paths, station)
    if not key_path.exists():
        return None
    signer = read_signing_key(key_path)
    if all(each.key.public_key != signer.public_key for each in trust.witnesses.witnesses):
        return None
    return Witness(
        name=witness_name(trust.site, station),
        signer=signer,
        log_key=trust.log_key,
        state=witness_state(paths, station),
        clock=clock,
        before=trust.logs[:-1],
        on_suspect=on_suspect,
    )


class WitnessDesk:
    """The thread in which a station's witness works; `put` is called by the link's thread."""

    def __init__(self, witness: Witness, *, send: Callable[[bytes], object]) -> None:
        self._witness = witness
        self._send = send
        self._requests: queue.Queue[bytes | None] = queue.Queue(_QUEUE_LENGTH)
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def put(self, request: bytes) -> None:
        """Take a request; dropped when many wait already, for the centre asks again."""
        with contextlib.suppress(queue.Full):
            self._requests.put_nowait(request)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self, *, timeout_seconds: float) -> None:
        """End after the request in hand."""
        with contextlib.suppress(queue.Full):
            self._requests.put_nowait(None)
        self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while (request := self._requests.get()) is not None:
            try:
                self._send(self._witness.answer(request).to_bytes())
            except (OSError, UnavailableError) as error:  # a full disk, no token: not cosigned, and asked again
                event(_LOG, "witness.failed", level=logging.ERROR, problem=str(error))
