"""Makes `verify.pyz`: same bytes from same sources, so that its SHA-256 can be published and compared.

`python3 -m outside_verifier.build FILE`. A zip file of the sources, not compressed, sorted, with one fixed date:
anybody can list it with `unzip -l`, and read or make it again. It holds all of this room but this module.
"""

from __future__ import annotations

import io
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

_ROOM = Path(__file__).parent
_MADE_AT = (1980, 1, 1, 0, 0, 0)
_START = """import sys

if sys.version_info < (3, 9):  # this line is read by Python 2, too
    sys.stderr.write("verify.pyz: Python 3.9 or newer is needed, this is " + sys.version.split()[0] + "\\n")
    sys.exit(4)

from outside_verifier.main import main

sys.exit(main())
"""
_FIRST_LINE = b"#!/usr/bin/env python3\n"


def pyz_bytes() -> bytes:
    """Return the one-file verifier."""
    files = {"__main__.py": _START.encode()}
    for path in _ROOM.glob("*.py"):
        if path.name not in {"build.py", "__main__.py"}:
            files[f"outside_verifier/{path.name}"] = path.read_bytes()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MADE_AT)
            entry.create_system = 3  # the same on every system
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[name])
    return _FIRST_LINE + packed.getvalue()


def main() -> int:
    """Write the file that is named on the command line and show its SHA-256."""
    data = pyz_bytes()
    Path(sys.argv[1]).write_bytes(data)
    sys.stdout.write(f"{sha256(data).hexdigest()}  {sys.argv[1]}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
