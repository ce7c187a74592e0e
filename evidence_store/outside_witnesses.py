"""Asks witnesses outside the agency over HTTP (C2SP tlog-witness, `add-checkpoint`); slow ones hold nobody up."""

import hashlib
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from chain_of_custody.witness_wire import MAX_REPLY_BYTES, Answer, WitnessReply
from evidence_store.cosigning import Ask
from evidence_store.quorum_desk import WitnessMessage
from host_io import logs

TIMEOUT_SECONDS: Final = 15.0
_MOST_AT_ONCE: Final = 8
_SCHEMES: Final = ("https://", "http://")
_LOG = logging.getLogger(__name__)


class OutsideWitnesses:
    """Threads that ask; `on_answer` is called by them."""

    def __init__(
        self, *, on_answer: Callable[[WitnessMessage], None], timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._on_answer = on_answer
        self._timeout_seconds = timeout_seconds
        self._opener = direct_opener()
        self._pool = ThreadPoolExecutor(_MOST_AT_ONCE, thread_name_prefix="outside-witness")
        self._lock = threading.Lock()
        self._being_asked: set[str] = set()

    def ask(self, ask: Ask) -> None:
        """Send a request, unless this witness is still thinking about an earlier one."""
        with self._lock:
            if ask.witness.name in self._being_asked:
                return
            self._being_asked.add(ask.witness.name)
        self._pool.submit(self._ask, ask)

    def stop(self) -> None:
        """Let nobody be asked any more; answers under way are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, ask: Ask) -> None:
        try:
            reply = self._post(ask)
        except (OSError, ValueError) as error:  # unreachable, no answer, not a URL: asked again in a moment
            logs.event(_LOG, "witness.away", witness=ask.witness.name, why=str(error)[:200])
        else:
            self._on_answer(WitnessMessage(ask.witness.name, reply.to_bytes()))
        finally:
            with self._lock:
                self._being_asked.discard(ask.witness.name)

    def _post(self, ask: Ask) -> WitnessReply:
        """Return the answer.

        Raises:
            OSError: there is none.
            ValueError: what came is none.
        """
        if not ask.witness.url.startswith(_SCHEMES):
            raise ValueError(f"not an http(s) address: {ask.witness.url[:80]!r}")
        url = ask.witness.url.rstrip("/") + "/add-checkpoint"
        request = urllib.request.Request(url, data=ask.body, method="POST")  # noqa: S310 - http(s) only, see above
        request.add_header("Content-Type", "text/plain; charset=utf-8")
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as response:
                status, body = response.status, response.read(MAX_REPLY_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                status, body = error.code, error.read(MAX_REPLY_BYTES)
        return WitnessReply(hashlib.sha256(ask.body).digest(), Answer(status), body.decode("utf-8"))


def direct_opener() -> urllib.request.OpenerDirector:
    """Return what speaks HTTP and follows nobody: a witness or an authority is where the settings say it is."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
