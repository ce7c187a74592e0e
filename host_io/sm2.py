"""A station's SM2 signature (GB/T 32918) on what it says: one more beside Ed25519, never instead, made by openssl.

The library `cryptography` knows no SM2, so openssl (3.0 or newer) signs and verifies in a process of its own: the key
is named by its file, the message comes by pipe, nothing secret is in its arguments. The digest is SM3 with the user id
that GM/T 0009 gives; both must be said to openssl, with another id nothing verifies.

Nothing is held back for it, because the event's place in its chain cannot wait: a signature that cannot be made in two
seconds is left out for good, and after one that failed or was slow openssl is not asked for a minute.
"""

import os
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chain_of_custody.envelope import EnvelopeSignature
from chain_of_custody.signatures import SM2_DER_HEAD, SM2_KEY_BYTES, KeyId, sm2_public_key_der
from evidence_model.errors import RefusedError, UnavailableError
from evidence_model.ids import SourceId
from evidence_model.instants import Clock
from host_io import durable
from host_io.config import HomePaths
from host_io.keys import read_secret

_ALGORITHM: Final = ("-rawin", "-digest", "sm3", "-pkeyopt", "distid:1234567812345678")
_SECONDS: Final = 2.0
_SLOW_SECONDS: Final = 0.25  # usually 0.01; others wait for the database meanwhile
_REST_SECONDS: Final = 60.0


class Sm2UnavailableError(UnavailableError):
    """There is no SM2 signature now: openssl is missing, too slow, or refuses the key."""

    code = "HOST-058"


def sm2_key_path(paths: HomePaths, station: SourceId) -> Path:
    """Return where a station's SM2 key lies, if it has one."""
    return paths.keys / f"station-{station}.sm2"


def make_sm2_key(path: Path) -> bytes:
    """Make a new SM2 key at `path` (PEM), or take the one that is there; returns its public point of 65 bytes.

    Raises:
        Sm2UnavailableError: openssl is missing or knows no SM2.
        KeyOpenToOthersError: the key that is there can be read by others.
    """
    if not path.exists():
        pem = _openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:SM2"])
        durable.write_file(path, pem, mode=0o600)
    return sm2_point(path)


def sm2_point(path: Path) -> bytes:
    """Return the public point of the key at `path`; raises as `make_sm2_key`, and KeyMissingError."""
    read_secret(path)  # whole, and its owner's alone
    der = _openssl(["pkey", "-in", str(path), "-pubout", "-outform", "DER"])
    if not der.startswith(SM2_DER_HEAD) or len(der) != len(SM2_DER_HEAD) + SM2_KEY_BYTES:
        raise Sm2UnavailableError(f"{path}: this is no SM2 key; make one with openssl")
    return der[len(SM2_DER_HEAD) :]


def verify_sm2(point: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether openssl finds the signature to be this key's over exactly these bytes.

    Raises:
        Sm2UnavailableError: openssl cannot say.
    """
    with tempfile.TemporaryDirectory(prefix="evidock-sm2-") as folder:
        key, signed = Path(folder, "key.der"), Path(folder, "signature")
        key.write_bytes(sm2_public_key_der(point))
        signed.write_bytes(signature)
        _openssl(["pkey", "-pubin", "-inform", "DER", "-in", str(key), "-noout"])  # a key that it can use
        options = ["-verify", "-pubin", "-keyform", "DER", "-inkey", str(key), "-sigfile", str(signed)]
        try:
            _openssl(["pkeyutl", *options, *_ALGORITHM], message)
        except _OpensslSaysNoError:
            return False
    return True


class Sm2Signer:
    """The SM2 key of one station; several threads may sign at a time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._key_id: tuple[tuple[int, int], KeyId] | None = None  # and of which state of the file
        self._rest_until_mono = 0.0
        self.trouble = ""  # why the last signature could not be made

    def sign(self, message: bytes) -> EnvelopeSignature:
        """Return the signature in DER, as openssl writes it.

        Raises:
            Sm2UnavailableError: it cannot be made now; the caller does without.
        """
        with self._lock:
            if self._clock.mono() < self._rest_until_mono:
                raise Sm2UnavailableError(self.trouble)
            began = self._clock.mono()
            try:
                key_id = self._key()
                signature = _openssl(["pkeyutl", "-sign", "-inkey", str(self._path), *_ALGORITHM], message)
            except (UnavailableError, RefusedError, OSError) as error:
                self._rest(str(error))
                raise Sm2UnavailableError(self.trouble) from error
            self.trouble = ""
            if (took := self._clock.mono() - began) > _SLOW_SECONDS:
                self._rest(f"openssl took {took:.1f} s for a signature")
        return EnvelopeSignature(key_id, signature)

    def _rest(self, trouble: str) -> None:
        self.trouble = trouble
        self._rest_until_mono = self._clock.mono() + _REST_SECONDS

    def _key(self) -> KeyId:
        info = self._path.stat()
        state = info.st_mtime_ns, info.st_ino
        if self._key_id is None or self._key_id[0] != state:
            self._key_id = state, KeyId.of(sm2_point(self._path))
        return self._key_id[1]


def open_sm2(paths: HomePaths, station: SourceId, clock: Clock) -> Sm2Signer | None:
    """Return the station's SM2 signer, None if it has no such key."""
    path = sm2_key_path(paths, station)
    return Sm2Signer(path, clock) if os.path.lexists(path) else None


class _OpensslSaysNoError(Sm2UnavailableError):
    """It ran and answered with an error."""


def _openssl(arguments: Sequence[str], message: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            ["openssl", *arguments], input=message, capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Sm2UnavailableError(f"openssl {arguments[0]}: {type(error).__name__}; install openssl 3") from error
    if done.returncode != 0:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[:1]
        raise _OpensslSaysNoError(f"openssl {arguments[0]}: {''.join(why)[:200]}")
    return done.stdout
