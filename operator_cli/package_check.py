"""`verify` of an evidence package: the outsider's verifier answers, in the words and manner of the command line."""

from pathlib import Path

from host_io.clock import SystemClock
from operator_cli.errors import NotThereError, WrongUsageError
from operator_cli.invocation import Invocation
from operator_cli.progress_line import ProgressLine, copy_progress
from outside_verifier.asked import Asked, parse_instant
from outside_verifier.layout import SIGNED
from outside_verifier.package import verify_package as check
from outside_verifier.report import document, lines
from outside_verifier.roots import MAX_BYTES, read_known
from outside_verifier.strict import RefusedError
from outside_verifier.trust import Trust


def is_package(folder: Path) -> bool:
    """Say whether a folder is an evidence package, or was one before it lost a part."""
    return (folder / "bagit.txt").exists() or (folder / SIGNED).exists()


def verify_package(
    invocation: Invocation, folder: Path, trust_file: Path | None, *, recipient: str | None, min_time: str | None
) -> int:
    """Verify a package with the keys in `trust_file`, or with its own, and answer; returns the exit code.

    Raises:
        NotThereError: `trust_file` is none.
        WrongUsageError: `min_time` is no instant.
    """
    try:
        asked = Asked(recipient, parse_instant(min_time) if min_time is not None else None)
    except ValueError:
        raise WrongUsageError(invocation.texts("verify.no_instant", text=min_time)) from None
    trust = _read_trust(invocation, trust_file) if trust_file is not None else None
    clock = SystemClock()
    started = clock.mono()
    line = ProgressLine(invocation, mono=clock.mono)

    def progress(done: int, total: int) -> None:
        line.say(copy_progress(done, total, seconds=clock.mono() - started, texts=invocation.texts))

    result = check(str(folder), trust, progress, asked)
    line.done()
    given = "" if trust_file is None else str(trust_file)
    invocation.answer(document(result, given), list(lines(result, invocation.texts.language.value, given)))
    return result.exit_code


def _read_trust(invocation: Invocation, path: Path) -> Trust:
    try:
        with path.open("rb") as file:
            return read_known(file.read(MAX_BYTES + 1))
    except (OSError, RefusedError):
        raise NotThereError(invocation.texts("verify.no_trust", path=path)) from None
