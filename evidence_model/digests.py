"""SHA-256 digests as values: compared as bytes, shown to people as `sha256:` and twelve digits.

Beside it a site may ask for SM3 (GB/T 32905), never instead of it.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evidence_model.errors import RefusedError

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX = re.compile(r"[0-9a-f]{64}")
CHUNK_BYTES = 1 << 20
"""Size of the pieces of which each has a digest of its own (contract.md, evidence package)."""


class MalformedDigestError(RefusedError):
    """The text is not 64 lowercase hexadecimal digits."""

    code = "EM-011"


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A SHA-256 digest; `raw` is 32 bytes."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != 32:  # noqa: PLR2004 - SHA-256 has 32 bytes
            raise MalformedDigestError(f"a SHA-256 digest has 32 bytes, these are {len(self.raw)}")

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read 64 lowercase hexadecimal digits.

        Raises:
            MalformedDigestError: for anything else.
        """
        if not _HEX.fullmatch(text):
            raise MalformedDigestError(f"not a SHA-256 digest in lowercase hexadecimal: {text[:80]!r}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """Return the 64 digits, as on the wire."""
        return self.raw.hex()

    @property
    def short(self) -> str:
        """Return `sha256:` and twelve digits, for people."""
        return f"sha256:{self.raw.hex()[:12]}"


def new_sm3() -> "_Hash | None":
    """Return an SM3 hash to fill, None where Python's OpenSSL has none."""
    try:
        return hashlib.new("sm3")
    except ValueError:
        return None


def chunk_list_text(chunk_digests: bytes) -> bytes:
    """Return the chunk list blob of concatenated 32-byte digests: one lowercase hex line a chunk.

    Equal to what `split -b 1M --filter=sha256sum FILE | awk '{print $1}'` prints, so that a court's expert needs no
    program of ours.
    """
    return b"".join(chunk_digests[i : i + 32].hex().encode() + b"\n" for i in range(0, len(chunk_digests), 32))
