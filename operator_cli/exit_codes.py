"""What the command's exit code tells a script (contract.md, command line)."""

from enum import IntEnum


class Exit(IntEnum):
    """Six codes, no others; an interrupted command ends with ENVIRONMENT."""

    DONE = 0
    FINDING = 1
    USAGE = 2
    REFUSED = 3
    ENVIRONMENT = 4
    DAMAGE = 5


def worst(*codes: Exit) -> Exit:
    """Return the code that matters most to people: damage before refusal before a missing thing before a finding."""
    order = (Exit.DAMAGE, Exit.REFUSED, Exit.ENVIRONMENT, Exit.USAGE, Exit.FINDING, Exit.DONE)
    return next(code for code in order if code in codes or code is Exit.DONE)
