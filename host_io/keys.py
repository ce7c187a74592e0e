"""Keys and secrets as files of 0600 in `keys/`; made once, read strictly, never logged, never in argv.

A key file may name a key in a PKCS#11 token instead of holding one (`pkcs11_keys`); who signs does not see the
difference. Signers of either kind may be used by several threads; those in a token answer one call after the other.
"""

import os
import secrets
import stat
from pathlib import Path

from chain_of_custody.signatures import Ed25519Signer, Signer
from evidence_model.errors import RefusedError, UnavailableError
from host_io import durable
from host_io.pkcs11_keys import TokenSigner
from host_io.token_uri import SCHEME, parse_token_uri

_SEED_BYTES = 32
_MOST_BYTES = 4096


class KeyMissingError(UnavailableError):
    """A key file that this role needs is not there."""

    code = "HOST-010"


class KeyOpenToOthersError(RefusedError):
    """A key file can be read by others than its owner; it is not used."""

    code = "HOST-011"


def make_signing_key(path: Path) -> Signer:
    """Make a new Ed25519 key at `path` (64 hexadecimal digits of its seed), or return the one that is there."""
    if not path.exists():
        durable.write_file(path, secrets.token_bytes(_SEED_BYTES).hex().encode() + b"\n", mode=0o600)
    return read_signing_key(path)


def read_signing_key(path: Path) -> Signer:
    """Read a signing key, or open it in its token.

    Raises:
        KeyMissingError: there is none.
        KeyOpenToOthersError: the file's mode lets others read it, or it is malformed.
        TokenUriError: it names a key in a token in a way that we do not follow.
        TokenUnavailableError, TokenPinError: the token cannot be used.
    """
    text = read_secret(path)
    if text.startswith(SCHEME):
        return TokenSigner(parse_token_uri(text, where=path), key_file=path, read_pin=read_secret)
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise KeyOpenToOthersError(f"{path}: this is no Ed25519 seed of 64 hexadecimal digits; restore the key file")
    return Ed25519Signer.from_seed(seed)


def make_secret(path: Path) -> str:
    """Make a random password for a machine (never for a person) at `path`, or return the one that is there."""
    if not path.exists():
        durable.write_file(path, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
    return read_secret(path)


def read_secret(path: Path) -> str:
    """Read a secret file.

    Raises:
        KeyMissingError: there is none.
        KeyOpenToOthersError: others may read it, or it cannot be read.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise KeyMissingError(f"{path}: the key is not there; run `evidock init` or restore it") from None
    except OSError as error:
        raise KeyOpenToOthersError(f"{path}: the key cannot be read: {error.strerror}; restore the key file") from error
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise KeyOpenToOthersError(f"{path}: this is no plain file; restore the key file")
        if stat.S_IMODE(mode) & 0o077:
            raise KeyOpenToOthersError(f"{path}: others may read this key; run chmod 600 on it, and consider it known")
        return os.read(fd, _MOST_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)
