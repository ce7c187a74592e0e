"""How far a dock session is: one line that changes on a terminal, plain lines now and then elsewhere."""

from collections.abc import Callable

from edge_agent.progress import Progress
from evidence_model.known import Known
from evidence_model.sizes import people_size
from evidence_model.states import SessionState
from operator_cli.display import pad, safe, shorten, width_of
from operator_cli.invocation import Invocation
from operator_cli.texts import Texts

_PLAIN_SECONDS = 5.0
_BAR_SIGNS = 20
_RATE_AFTER_SECONDS = 1.0  # before, a rate says more about starting than about copying


class ProgressLine:
    """Shows a session's progress on standard error; `done` leaves the cursor on a fresh line."""

    def __init__(self, invocation: Invocation, *, mono: Callable[[], float]) -> None:
        self._invocation = invocation
        self._mono = mono
        self._live = invocation.err.isatty()
        self._width = 0
        self._last_state: SessionState | None = None
        self._last_mono = float("-inf")

    def show(self, progress: Progress) -> None:
        """Show it: at once on a terminal, else when the state changed or some seconds have passed."""
        line = progress_text(progress, self._invocation.texts, width=self._columns() - 1)
        if self._live:
            self._replace(line)
        elif progress.state is not self._last_state or self._mono() - self._last_mono >= _PLAIN_SECONDS:
            self._invocation.tell(line)
            self._last_mono = self._mono()
        self._last_state = progress.state

    def say(self, line: str) -> None:
        """Show another kind of line in the same place (waiting for receipts)."""
        if self._live:
            self._replace(shorten(line, self._columns() - 1))
        elif self._mono() - self._last_mono >= _PLAIN_SECONDS:
            self._invocation.tell(line)
            self._last_mono = self._mono()

    def done(self) -> None:
        """Take the live line away."""
        if self._live and self._width:
            self._invocation.err.write("\r" + " " * self._width + "\r")
            self._invocation.err.flush()
            self._width = 0

    def _columns(self) -> int:
        return self._invocation.columns(self._invocation.err)

    def _replace(self, line: str) -> None:
        self._invocation.err.write("\r" + pad(safe(line), self._width))
        self._invocation.err.flush()
        self._width = width_of(line)


def progress_text(progress: Progress, texts: Texts, *, width: int) -> str:
    """Return `[#####-----] 45 %  3/8  1.2 GiB of 2.6 GiB  812.0 MiB/s  2 s left  FILE0003.MP4`."""
    if progress.waiting_for is not None:
        return shorten_end(texts("dock.waiting_for", what=texts.finding(progress.waiting_for).title), width)
    share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 0.0
    eta = progress.eta_seconds
    parts = [
        bar(share),
        f"{progress.files_done}/{progress.files_total}",
        texts("dock.of", done=people_size(progress.bytes_done), total=people_size(progress.bytes_total)),
        f"{people_size(progress.bytes_per_second)}/s" if progress.bytes_per_second else "",
        texts("dock.left", time=duration_text(eta.value)) if isinstance(eta, Known) else "",
        progress.current_file,
    ]
    return shorten_end("  ".join(part for part in parts if part), width)


def copy_progress(done_bytes: int, total_bytes: int, *, seconds: float, texts: Texts) -> str:
    """Return `[#####-----] 45 %  1.2 GiB of 2.6 GiB  812.0 MiB/s  2 s left`; how long it takes, once that is known."""
    parts = [
        bar(done_bytes / total_bytes if total_bytes else 1.0),
        texts("dock.of", done=people_size(done_bytes), total=people_size(total_bytes)),
    ]
    if seconds >= _RATE_AFTER_SECONDS and done_bytes:
        rate = done_bytes / seconds
        parts += [f"{people_size(rate)}/s", texts("dock.left", time=duration_text((total_bytes - done_bytes) / rate))]
    return "  ".join(parts)


def bar(share: float) -> str:
    """Return `[#####---------------]  25%`."""
    filled = min(_BAR_SIGNS, int(share * _BAR_SIGNS))
    return f"[{'#' * filled}{'-' * (_BAR_SIGNS - filled)}] {share:4.0%}"


def shorten_end(text: str, width: int) -> str:
    """Cut the text to `width` columns, an ellipsis in place of its end."""
    if width_of(text) <= width:
        return text
    kept = ""
    for sign in text:
        if width_of(kept) + width_of(sign) > width - 1:
            return kept + "…"
        kept += sign
    return kept


def duration_text(seconds: float) -> str:
    """Return `1:02:03`, `2:03` or `3 s`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
