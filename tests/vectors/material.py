"""What is never made the same twice: time stamps and SM2 signatures, kept in `vectors/material.json`.

The other vectors are made from it again and again, byte for byte. `script/vectors --material` makes it anew with
openssl; the private keys are thrown away.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from chain_of_custody.envelope import EnvelopeSignature
from chain_of_custody.signatures import KeyId
from chain_of_custody.trust_entries import Authority
from evidence_model.canonical import canonical_bytes
from evidence_model.ids import source_id
from host_io.sm2 import Sm2Signer, make_sm2_key
from tests.fakes.manual_clock import ManualClock
from tests.time_authority import TimeAuthority

if TYPE_CHECKING:
    from datetime import datetime

NAME = "material.json"
PATH = Path(__file__).parents[2] / "vectors" / NAME
_LIFE = timedelta(days=9000)


class Material:
    """Gives what is kept; while it is made anew, makes it and keeps it."""

    def __init__(self) -> None:
        self._kept: dict[str, str] = {}
        if PATH.exists():
            self._kept = json.loads(PATH.read_bytes())
        self._makers: dict[str, TimeAuthority] = {}
        self._sm2: Sm2Signer | None = None

    def make_anew(self, stack: ExitStack) -> None:
        """Forget everything; until the stack ends, what is asked for is made."""
        folder = Path(stack.enter_context(TemporaryDirectory()))
        self._kept = {}
        for name in ("tsa-1", "tsa-2"):
            maker = self._makers[name] = TimeAuthority(folder / name, name)
            maker.enrolled.clear()
            maker.renew(since=-_LIFE, until=_LIFE)
            [certificate], [root] = maker.authority.certificates, maker.authority.roots
            self._keep(f"{name} certificate", certificate)
            self._keep(f"{name} root", root)
        self._keep("sm2 point", make_sm2_key(folder / "st-1.sm2"))
        self._sm2 = Sm2Signer(folder / "st-1.sm2", ManualClock())

    def to_bytes(self) -> bytes:
        """Return the file."""
        return canonical_bytes(dict(sorted(self._kept.items()))) + b"\n"

    def authority(self, name: str) -> Authority:
        """Return an authority as the trust document has it."""
        certificate, root = self._read(f"{name} certificate"), self._read(f"{name} root")
        return Authority(name=source_id(name), certificates=(certificate,), roots=(root,))

    def stamp(self, name: str, message: bytes, at: datetime) -> bytes:
        """Return an authority's answer over `message`."""
        key = f"{name} {KeyId.of(message)}"
        if name in self._makers and key not in self._kept:
            self._makers[name].at = at
            self._keep(key, self._makers[name].stamp(message))
        return self._read(key)

    @property
    def sm2_point(self) -> bytes:
        """Return the public SM2 key."""
        return self._read("sm2 point")

    def sign(self, message: bytes) -> EnvelopeSignature:
        """Return the SM2 signature over `message`."""
        key = f"sm2 {KeyId.of(message)}"
        if self._sm2 is not None and key not in self._kept:
            self._keep(key, self._sm2.sign(message).signature)
        return EnvelopeSignature(KeyId.of(self.sm2_point), self._read(key))

    def _keep(self, key: str, data: bytes) -> None:
        self._kept[key] = base64.b64encode(data).decode("ascii")

    def _read(self, key: str) -> bytes:
        if key not in self._kept:
            raise LookupError(f"{key} is not in {NAME}: run script/vectors --material")
        return base64.b64decode(self._kept[key])


MATERIAL = Material()
