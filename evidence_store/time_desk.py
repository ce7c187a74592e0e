"""Has the newest public checkpoint stamped by outside authorities (RFC 3161), and old stamps stamped anew.

Each authority has a thread of its own: one that refuses, lies, is slow or away is a finding and is asked again later,
and holds up neither an event nor another authority. An answer is kept only if it verifies; see `stamp_folder` for what
is durable when.
"""

import logging
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Final

from cryptography.x509 import load_der_x509_certificate

from chain_of_custody.time_stamp import MAX_STAMP_BYTES, Stamp, stamp_request, verify_stamp
from chain_of_custody.trust_entries import Authority
from chain_of_custody.witness_policy import cosigners_of
from evidence_model.errors import EvidockError, RefusedError
from evidence_model.findings import Finding, Severity
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from evidence_store.log_folder import LogFolder
from evidence_store.outside_witnesses import direct_opener
from evidence_store.stamp_folder import StampFolder, due_for_renewal, renewal_list
from host_io import durable, logs
from host_io.trust import Trust

AUTHORITY_AWAY: Final = "STO-130"
ANSWER_DOES_NOT_COUNT: Final = "STO-131"
AUTHORITY_UNKNOWN: Final = "STO-132"
CERTIFICATE_ENDS: Final = "STO-133"
CLOCKS_DISAGREE: Final = "STO-134"
_TIMEOUT_SECONDS: Final = 15.0
_MOST_SECONDS: Final = 60.0  # for a whole answer, however slowly it trickles
_LOOK_SECONDS: Final = 1.0
_FIRST_PAUSE_SECONDS: Final = 5.0
_LONGEST_PAUSE_SECONDS: Final = 900.0
_RENEW_EVERY_SECONDS: Final = 24 * 3600.0
_CLOCKS_MAY_DIFFER: Final = timedelta(minutes=1)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stamped:
    """A stamp of the log that is there for good, for whoever tells others of it."""

    stamp: Stamp
    is_new: bool
    cured: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSettings:
    """Whom to ask, where and how often; and how long before its certificate ends a stamp is stamped anew."""

    authorities: tuple[tuple[SourceId, str], ...] = ()
    every: timedelta = timedelta(hours=1)
    renew_within: timedelta = timedelta(days=90)


class TimeDesk:
    """All configured authorities; `on_stamped` and `on_finding` are called by their threads."""

    def __init__(
        self,
        settings: TimeSettings,
        folder: LogFolder,
        *,
        trust: Callable[[], Trust],
        clock: Clock,
        on_stamped: Callable[[Stamped], None],
        on_finding: Callable[[Finding], None],
    ) -> None:
        stamps = StampFolder(folder.root)
        self.errands = [
            Errand(
                name,
                url,
                settings=settings,
                folder=folder,
                stamps=stamps,
                trust=trust,
                clock=clock,
                on_stamped=on_stamped,
                on_finding=on_finding,
            )
            for name, url in settings.authorities
        ]
        self._stop = threading.Event()

    def start(self) -> None:
        """Begin to ask."""
        for each in self.errands:
            name = f"time-{each.name}"
            threading.Thread(target=each.run, args=(self._stop,), name=name, daemon=True).start()

    def stop(self) -> None:
        """Ask nobody any more; answers under way are not waited for, and may be kept or not."""
        self._stop.set()


class Errand:
    """All that is asked of one authority; used by one thread."""

    def __init__(
        self,
        name: SourceId,
        url: str,
        *,
        settings: TimeSettings,
        folder: LogFolder,
        stamps: StampFolder,
        trust: Callable[[], Trust],
        clock: Clock,
        on_stamped: Callable[[Stamped], None],
        on_finding: Callable[[Finding], None],
    ) -> None:
        self.name = name
        self._url = url
        self._settings = settings
        self._folder = folder
        self._stamps = stamps
        self._trust = trust
        self._clock = clock
        self._on_stamped = on_stamped
        self._on_finding = on_finding
        self._opener = direct_opener()
        self._due_at: float | None = None  # None: what lies here was not looked at yet
        self._renew_at = float("-inf")
        self._not_before = float("-inf")
        self._pause = _FIRST_PAUSE_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Do what is due until `stop`."""
        while not stop.wait(_LOOK_SECONDS):
            self.look()

    def look(self) -> None:
        """Do what is due now, if anything; whatever goes wrong is told and tried again later."""
        if self._clock.mono() < self._not_before:
            return
        trust = self._trust()
        authority = next((each for each in trust.authorities if each.name == self.name), None)
        if authority is None:
            self._fail(AUTHORITY_UNKNOWN, {})
            return
        try:
            if self._due_at is None:
                self._due_at = self._begin(authority)
            if self._clock.mono() >= self._due_at:
                self._stamp_log(trust, authority)
            if self._clock.mono() >= self._renew_at:
                self._renew(trust, authority)
        except RefusedError as error:
            self._fail(ANSWER_DOES_NOT_COUNT, {"code": error.code, "why": str(error)[:200]})
        except (OSError, ValueError, EvidockError, HTTPException) as error:
            self._fail(AUTHORITY_AWAY, {"why": str(error)[:200]})
        else:
            self._pause = _FIRST_PAUSE_SECONDS

    def _begin(self, authority: Authority) -> float:
        """Tell of the newest stamp that lies here, and return when the next one is due."""
        own = [file for file in self._stamps.files() if file.authority == self.name and file.size is not None]
        try:
            newest = verify_stamp(durable.read_plain(own[-1].path), durable.read_plain(own[-1].over), authority)
        except (IndexError, OSError, RefusedError):  # none, or not a good one, which `verify` names
            return self._clock.mono()
        self._on_stamped(Stamped(newest, is_new=False))
        wait = self._settings.every - (self._clock.now() - newest.at)
        return self._clock.mono() + min(max(wait, timedelta()), self._settings.every).total_seconds()

    def _stamp_log(self, trust: Trust, authority: Authority) -> None:
        """Have the newest public checkpoint stamped, unless it is."""
        public = self._public(trust)
        if public is None or (self._stamps.root / f"{public[0]}.{self.name}.tsr").exists():
            return
        size, note = public
        note = self._stamps.checkpoint(size) or note  # the same bytes as another authority, cosignatures included
        answer, stamp = self._ask(note, authority)
        if not self._keep(str(size), note, answer):
            return  # e.g. another authority was quicker, with other cosignatures: its bytes are stamped next
        self._due_at = self._clock.mono() + self._settings.every.total_seconds()
        logs.event(_LOG, "time.stamped", authority=self.name, size=size, at=stamp.at.isoformat())
        cured = {AUTHORITY_AWAY, ANSWER_DOES_NOT_COUNT, AUTHORITY_UNKNOWN}
        apart = abs(self._clock.now() - stamp.at)
        if apart > _CLOCKS_MAY_DIFFER:
            self._find(CLOCKS_DISAGREE, {"seconds": str(round(apart.total_seconds()))})
        else:
            cured.add(CLOCKS_DISAGREE)
        self._on_stamped(Stamped(stamp, is_new=True, cured=frozenset(cured)))

    def _renew(self, trust: Trust, authority: Authority) -> None:
        """Have stamps stamped anew whose certificates end soon: who distrusts them then has a younger one over them."""
        before = self._clock.now() + self._settings.renew_within
        verified, _ = self._stamps.verified(trust.authorities, [each.key for each in trust.logs])
        due = due_for_renewal(verified, self.name, before)
        if due and _last_end(authority) < before:
            self._find(CERTIFICATE_ENDS, {"ends": f"{_last_end(authority):%Y-%m-%d}"})
        elif due:
            data = renewal_list(due)
            answer, stamp = self._ask(data, authority)
            if stamp.certificate_ends_at < before:
                self._find(CERTIFICATE_ENDS, {"ends": f"{stamp.certificate_ends_at:%Y-%m-%d}"})
            elif not self._keep(self._stamps.next_list(), data, answer):
                return  # another authority took the number
            logs.event(_LOG, "time.renewed", authority=self.name, count=len(due))
        self._renew_at = self._clock.mono() + _RENEW_EVERY_SECONDS

    def _keep(self, stem: str, data: bytes, answer: bytes) -> bool:
        try:
            return self._stamps.keep(stem, data, self.name, answer)
        except OSError as error:  # the disk is full, which the log itself tells; the stamp is asked for once more
            logs.event(_LOG, "time.not_kept", level=logging.ERROR, authority=self.name, problem=str(error))
            self._wait()
            return False

    def _public(self, trust: Trust) -> tuple[int, bytes] | None:
        """Return size and bytes of what is public, if there is anything and as many cosigned as the policy asks for."""
        try:
            note = self._folder.checkpoint.read_bytes()
            checkpoint = trust.open_checkpoint(note)
            is_met = trust.witnesses.is_met_by(cosigners_of(note, trust.witnesses))
        except (FileNotFoundError, RefusedError):  # not yet, or being put right
            return None
        return (checkpoint.size, note) if checkpoint.size and is_met else None

    def _ask(self, data: bytes, authority: Authority) -> tuple[bytes, Stamp]:
        """Return the authority's answer over `data` once it is verified.

        Raises:
            OSError, ValueError: there is none.
            RefusedError: it does not count.
        """
        request = stamp_request(data)
        answer = self._post(request.raw)
        return answer, verify_stamp(answer, data, authority, nonce=request.nonce)

    def _post(self, query: bytes) -> bytes:
        request = urllib.request.Request(self._url, data=query, method="POST")  # noqa: S310 - http(s): see settings
        request.add_header("Content-Type", "application/timestamp-query")
        request.add_header("Accept", "application/timestamp-reply")
        until = self._clock.mono() + _MOST_SECONDS
        answer = b""
        with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
            while part := response.read1(MAX_STAMP_BYTES):
                answer += part
                if len(answer) > MAX_STAMP_BYTES or self._clock.mono() > until:
                    raise ValueError("an answer that is too long or too slow")
        return answer

    def _fail(self, code: str, details: dict[str, str]) -> None:
        self._find(code, details)
        self._wait()

    def _wait(self) -> None:
        self._not_before = self._clock.mono() + self._pause
        self._pause = min(2 * self._pause, _LONGEST_PAUSE_SECONDS)

    def _find(self, code: str, details: dict[str, str]) -> None:
        logs.event(_LOG, "time.problem", level=logging.WARNING, authority=self.name, code=code, details=details)
        self._on_finding(Finding(code, Severity.FAULT, authority_subject(self.name), details))


def authority_subject(name: SourceId) -> str:
    """Return what a finding about an authority is about."""
    return f"authority/{name}"


def _last_end(authority: Authority) -> datetime:
    """Return when the last of an authority's signing certificates ends."""
    return max(load_der_x509_certificate(each).not_valid_after_utc for each in authority.certificates)
