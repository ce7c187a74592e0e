"""SM2 signatures (GB/T 32918) are checked by this machine's openssl, if it has one that can; no code of ours does it.

Digest SM3, user id 1234567812345678 (GM/T 0009), signature in DER. Before openssl is believed it must accept a
signature that is known to be right.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile

KEY_SIZE = 65  # an uncompressed point
ALGORITHM = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")  # SubjectPublicKeyInfo, curve SM2
_SECONDS = 10
_KNOWN = (
    bytes.fromhex(
        "048fe934e8a06261395ad839bc9ed714c5bbbb8d0f1bb258739efd214a662abddc"
        "ce143a6fcb8a3bebef8974f491b2cb7163d0c8c198f74f15a3336d58d6e5a36d"
    ),
    b"evidock/v1/sm2-check\n",
    bytes.fromhex(
        "3044022031328c6733f718d6ae8421b1e419e6de7182f7208ae5e76e0f41d2212fa0c46d"
        "0220364123abc5a2e59e68067e4a7d2d47eb670fd4bba74df955bfefee9fe816a17e"
    ),
)


def pem(point: bytes) -> bytes:
    """Return an SM2 key as openssl reads it."""
    text = base64.b64encode(_HEAD + point).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""]).encode("ascii")


class OpensslSm2:
    """The openssl that is found on PATH; `verify` answers None if it cannot check SM2."""

    def __init__(self) -> None:
        """Look for it, and try it."""
        self._program = shutil.which("openssl")
        self._can = self._program is not None and self._says(*_KNOWN) is True

    def verify(self, point: bytes, message: bytes, signature: bytes) -> bool | None:
        """Say whether the signature is this key's over exactly these bytes; None if it cannot be checked here."""
        return self._says(point, message, signature) if self._can else None

    def _says(self, point: bytes, message: bytes, signature: bytes) -> bool | None:
        assert self._program is not None  # noqa: S101 - whoever calls has looked
        try:
            with tempfile.TemporaryDirectory(prefix="verify-sm2-") as folder:
                key, signed = os.path.join(folder, "key.pem"), os.path.join(folder, "signature")
                for path, data in ((key, pem(point)), (signed, signature)):
                    with open(path, "wb") as file:
                        file.write(data)
                command = [self._program, "pkeyutl", "-verify", "-pubin", "-inkey", key, *ALGORITHM, "-sigfile", signed]
                done = subprocess.run(command, input=message, capture_output=True, timeout=_SECONDS, check=False)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.returncode == 0
