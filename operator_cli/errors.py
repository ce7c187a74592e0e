"""Errors that only the command line has, and how any exception becomes one line and an exit code."""

import errno
import sqlite3
from dataclasses import dataclass

from evidence_model.errors import DamageError, EvidockError, RefusedError, UnavailableError, UsageError
from operator_cli.exit_codes import Exit
from operator_cli.texts import Texts


class WrongUsageError(UsageError):
    """The command line itself makes no sense."""

    code = "CLI-001"


class ProposalError(UsageError):
    """What is proposed for the trust document makes no sense, or is not what people would have meant."""

    code = "CLI-192"


class RootsMissingError(RefusedError):
    """Too few root holders have signed a draft that is to be published."""

    code = "CLI-193"


class NotThereError(UsageError):
    """A path or an id that the user named does not exist."""

    code = "CLI-002"


class InterruptedByUserError(UnavailableError):
    """Ctrl-C or a signal; what was durable stays, the rest is done next time."""

    code = "CLI-003"


class AlreadyRunningError(RefusedError):
    """Another `evidock run` works in this home."""

    code = "CLI-004"


class ForeignFolderError(RefusedError):
    """`init` was asked to make a home in a folder that holds something else."""

    code = "CLI-005"


class OtherRoleError(RefusedError):
    """`init` was asked to turn a home into one of another role."""

    code = "CLI-006"


class NothingRunningError(UnavailableError):
    """The wait needs programs that are not running here."""

    code = "CLI-007"


class WaitedTooLongError(UnavailableError):
    """What was waited for did not become true in time; nothing is lost by that."""

    code = "CLI-008"


class ChildNotReadyError(UnavailableError):
    """A program of this home does not start."""

    code = "CLI-009"


class AgentAtWorkError(RefusedError):
    """The home's agent runs, and what was asked for needs it to be stopped."""

    code = "CLI-016"


class WitnessInOrderError(RefusedError):
    """A station's witness key is to be replaced although nothing is wrong with it."""

    code = "CLI-019"


class ChildFoundDamageError(DamageError):
    """A program of this home does not start because it found damage."""

    code = "CLI-013"


@dataclass(frozen=True, slots=True)
class ErrorLine:
    """What people and programs get of an error."""

    code: str
    exit: Exit
    text: str
    fix: str
    rules: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the document that `--json` prints in place of a result."""
        error: dict[str, object] = {"code": self.code, "exit": int(self.exit), "text": self.text, "fix": self.fix}
        if self.rules:
            error["rules"] = list(self.rules)
        return {"ok": False, "error": error}

    def for_people(self) -> str:
        """Return one line: what and where, what to do, and the codes."""
        fix = f" → {self.fix}" if self.fix else ""
        return f"evidock: {self.text}{fix} [{', '.join((self.code, *self.rules))}]"


_MACHINE_CODES = {
    errno.ENOSPC: "CLI-010",
    errno.EDQUOT: "CLI-010",
    errno.EACCES: "CLI-011",
    errno.EPERM: "CLI-011",
}


def line_of(error: Exception, texts: Texts) -> ErrorLine | None:
    """Return the line of an expected error, or None if this exception is a mistake in our own code."""
    if isinstance(error, EvidockError):
        known = texts.finding(error.code)
        text = _with_title(known.title, error, texts)
        return ErrorLine(error.code, Exit(error.exit_code), text, known.fix, error.rules)
    if isinstance(error, OSError) and error.errno is not None:
        code = _MACHINE_CODES.get(error.errno, "CLI-012")
        known = texts.finding(code)
        said = error.strerror if code == "CLI-012" else ""  # the other codes' titles say it, in people's language
        what = texts.listed(str(part) for part in (error.filename, said) if part)
        return ErrorLine(code, Exit.ENVIRONMENT, _one_line(texts.headed(known.title, what)), known.fix)
    if isinstance(error, sqlite3.OperationalError):
        known = texts.finding("HOST-003")
        return ErrorLine("HOST-003", Exit.ENVIRONMENT, _one_line(texts.headed(known.title, str(error))), known.fix)
    if isinstance(error, sqlite3.DatabaseError):
        known = texts.finding("HOST-002")
        return ErrorLine("HOST-002", Exit.DAMAGE, _one_line(texts.headed(known.title, str(error))), known.fix)
    return None


def _with_title(title: str, error: EvidockError, texts: Texts) -> str:
    """Return what is the case in people's language, then where; an error of another room says it all in English."""
    words = _one_line(str(error))
    return texts.headed(title, words) if title.lower() not in words.lower() else words


def _one_line(text: str) -> str:
    return " ".join(text.split())
