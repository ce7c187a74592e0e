"""Four families of failure; each tells the caller what to do and `main()` what to exit with (contract.md, exit codes).

Fields are attributes; `code` and `rules` are the contract with other programs, the English text is for logs, and
people get the text of the code in their own language.
"""

from typing import ClassVar


class EvidockError(Exception):
    """Base of every error we raise on purpose; the text says where, what was found, and what to do."""

    code: ClassVar[str] = "EM-000"
    rules: ClassVar[tuple[str, ...]] = ()
    exit_code: ClassVar[int] = 1


class UsageError(EvidockError):
    """The caller asked for something that makes no sense; ask differently."""

    code = "EM-002"
    exit_code = 2


class RefusedError(EvidockError):
    """A rule, a permission or the input itself says no; do not retry."""

    code = "EM-003"
    exit_code = 3


class UnavailableError(EvidockError):
    """Something outside is missing (broker, drive, space); mend it or retry later."""

    code = "EM-004"
    exit_code = 4


class DamageError(EvidockError):
    """Bytes are lost or altered; stop, keep what there is, tell a person."""

    code = "EM-005"
    exit_code = 5


class ConflictError(EvidockError):
    """Somebody was first; read again and decide again. Never reaches people."""

    code = "EM-006"
    exit_code = 1
