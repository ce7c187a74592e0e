"""The command line called inside the test's process, with its own streams."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from operator_cli.main import run


@dataclass(frozen=True, slots=True)
class Called:
    """What one call gave back."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)


def evidock(*words: str, environment: Mapping[str, str] | None = None) -> Called:
    """Call `evidock` with these words."""
    out, err = io.StringIO(), io.StringIO()
    code = run([str(word) for word in words], environment=dict(environment or {}), out=out, err=err)
    return Called(code, out.getvalue(), err.getvalue())
