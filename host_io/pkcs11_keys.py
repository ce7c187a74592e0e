"""Signing keys that live in a PKCS#11 token: the key file holds a URI (`token_uri`) in place of the private key.

Theory of operation: all keys behind one module share one lock, and those in one token one session, because login
belongs to a process and not to a session, and many modules work for one thread at a time. So `sign` may be called from
any thread, and calls queue up. When a token fails (it was pulled out), the module is opened anew once; if that does not
help, `TokenAbsentError` is raised and every later call tries the same: signing comes back by itself. Every signature is
verified before it is returned, so neither a faulty token nor another one under the same name says anything in our name.

A PIN that the token refused is not offered again until its file changes, whoever starts how often, and the last try
that a token has is left to people: no program of ours locks a token.
"""

import contextlib
import hashlib
import importlib
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from chain_of_custody.signatures import ED25519_KEY_BYTES, Ed25519Verifier, KeyId
from evidence_model.errors import RefusedError, UnavailableError
from host_io import durable
from host_io.token_uri import TokenUri

_POINT_PREFIXES: Final = (b"\x04\x20", b"\x03\x21\x00", b"")  # octet string (PKCS#11 3.0), bit string (3.1), bare
_NAMES: Final = {"token": "label", "serial": "serial", "model": "model", "manufacturer": "manufacturer_id"}
_PIN_REFUSED: Final = ("PinIncorrect", "PinInvalid", "PinLenRange", "PinExpired", "PinLocked", "UserPinNotInitialized")


class TokenUnavailableError(UnavailableError):
    """A key in a token cannot be used as things are."""


class TokenLibraryMissingError(TokenUnavailableError):
    """The library python-pkcs11 is not installed."""

    code = "HOST-050"


class TokenModuleError(TokenUnavailableError):
    """The token's PKCS#11 module is not there, or does not start."""

    code = "HOST-052"


class TokenAbsentError(TokenUnavailableError):
    """The token is not plugged in, or fails; what was to be signed is signed when it is back."""

    code = "HOST-053"


class TokenPinError(TokenUnavailableError):
    """The token refused the PIN, or has one try left; it is not asked again until somebody mends it."""

    code = "HOST-054"
    exit_code = RefusedError.exit_code  # of a program that cannot start so: systemd leaves it to people


class TokenKeyError(TokenUnavailableError):
    """The token does not hold this key once, as Ed25519, with its public key beside it."""

    code = "HOST-055"


class TokenSignatureError(TokenUnavailableError):
    """The token gave a signature that is not this key's: it is faulty, or another one under the same name."""

    code = "HOST-056"


class TokenSigner:
    """An Ed25519 private key in a token; `sign` from any thread, one call after the other."""

    def __init__(self, uri: TokenUri, *, key_file: Path, read_pin: Callable[[Path], str]) -> None:
        """Find the key, and see that it signs.

        Raises:
            TokenUnavailableError: library, module, token or key is not there, or the PIN was refused.
            KeyMissingError, KeyOpenToOthersError: the PIN file cannot be used.
        """
        self._uri = uri
        self._module = _module_of(uri.module)
        self._pin = _Pin(uri, key_file=key_file, read=read_pin)
        self.public_key: bytes = self._ask(lambda: self._module.public_key(uri, self._pin))
        self.key_id = KeyId.of(self.public_key)
        self._verifier = Ed25519Verifier(self.public_key)
        self.sign(b"evidock/v1/key-check\n")

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature, which was verified.

        Raises:
            TokenUnavailableError: the token is not there now, refuses its PIN, or does not sign as this key.
        """
        signature = self._ask(lambda: self._module.sign(message, self._uri, self._pin))
        if not self._verifier.verify(message, signature):
            with self._module.lock:
                self._module.close()
            raise TokenSignatureError(
                f"{self._uri}: the token signs wrongly, or with another key than at the start; look at it"
            )
        return signature

    def _ask(self, question: Callable[[], bytes]) -> bytes:
        """Ask the token something, with a module that is opened anew if it fails the first time."""
        with self._module.lock:
            try:
                return question()
            except (self._module.failed, TokenAbsentError):
                self._module.close()
            try:
                return question()
            except self._module.failed as error:
                raise TokenAbsentError(
                    f"{self._uri}: the token fails ({type(error).__name__}); plug it in, signing then goes on"
                ) from error


class _Module:
    """One PKCS#11 module of this process, and the lock under which all of it is used."""

    def __init__(self, path: str) -> None:
        try:
            self._pkcs11: Any = importlib.import_module("pkcs11")
        except ImportError as error:
            raise TokenLibraryMissingError(
                "a key lies in a PKCS#11 token, and python-pkcs11 is not here: pip install evidock[tokens]"
            ) from error
        self.failed: type[Exception] = self._pkcs11.PKCS11Error
        self.lock = threading.RLock()
        self._path = path
        self._sessions: dict[str, Any] = {}  # by the serial number of the token
        self._keys: dict[TokenUri, Any] = {}

    def sign(self, message: bytes, uri: TokenUri, pin: "_Pin") -> bytes:
        """Return a signature, not verified yet."""
        if uri not in self._keys:
            self._keys[uri] = self._object(uri, pin, "PRIVATE_KEY")
        return bytes(self._keys[uri].sign(message, mechanism=self._pkcs11.Mechanism.EDDSA))

    def public_key(self, uri: TokenUri, pin: "_Pin") -> bytes:
        """Return the raw public key that stands beside a private one."""
        point = bytes(self._object(uri, pin, "PUBLIC_KEY")[self._pkcs11.Attribute.EC_POINT])
        for prefix in _POINT_PREFIXES:
            if point.startswith(prefix) and len(point) == len(prefix) + ED25519_KEY_BYTES:
                return point[len(prefix) :]
        raise TokenKeyError(f"{uri}: the public key beside it is not one of Ed25519; make one that is")

    def close(self) -> None:
        """Let go of everything; whoever asks next starts the module anew, which then finds what is plugged in."""
        self._sessions.clear()
        self._keys.clear()
        with contextlib.suppress(self.failed, TokenModuleError):
            self._library().finalize()

    def _object(self, uri: TokenUri, pin: "_Pin", kind: str) -> Any:
        attribute = self._pkcs11.Attribute
        wanted = {attribute.CLASS: self._pkcs11.ObjectClass[kind]}
        wanted[attribute.KEY_TYPE] = self._pkcs11.KeyType.EC_EDWARDS
        if uri.label:
            wanted[attribute.LABEL] = uri.label
        if uri.id:
            wanted[attribute.ID] = uri.id
        found = list(self._session(uri, pin).get_objects(wanted))
        if len(found) != 1:
            what = kind.lower().replace("_", " ")
            raise TokenKeyError(f"{uri}: the token holds {len(found)} Ed25519 {what}s of this name; it must hold one")
        return found[0]

    def _session(self, uri: TokenUri, pin: "_Pin") -> Any:
        """Return the one session of a token, logged in."""
        token = self._token(uri)
        place = _text(token.serial)
        if place not in self._sessions:
            self._sessions[place] = pin.log_in(self._pkcs11, token)
        return self._sessions[place]

    def _token(self, uri: TokenUri) -> Any:
        tokens = self._library().get_tokens()
        found = [
            token for token in tokens if all(_text(getattr(token, _NAMES[name])) == said for name, said in uri.token)
        ]
        if len(found) != 1:
            raise TokenAbsentError(f"{uri}: {len(found)} such tokens are here; plug in the one, or name its serial")
        return found[0]

    def _library(self) -> Any:
        try:
            return self._pkcs11.lib(self._path)
        except self.failed as error:
            why = str(error) or type(error).__name__
            raise TokenModuleError(f"{self._path}: the PKCS#11 module does not start: {why}; install it") from error


class _Pin:
    """The PIN of one token, offered once as long as its file stays the same."""

    def __init__(self, uri: TokenUri, *, key_file: Path, read: Callable[[Path], str]) -> None:
        self._path = uri.pin_path
        self._read = read
        about = hashlib.sha256(repr((uri.module, uri.token)).encode()).hexdigest()
        run = key_file.parent.with_name("run")  # of the home: programs may not write into keys/
        self._mark = (run if run.is_dir() else key_file.parent) / f"pin-refused-{about[:16]}"

    def log_in(self, pkcs11: Any, token: Any) -> Any:
        """Open a session with this PIN, if there is no reason to think that it is refused."""
        if token.flags & (pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.USER_PIN_LOCKED):
            raise TokenPinError(f"token {token.label}: its PIN is locked or one try is left; log in by hand once")
        pin = self._read(self._path)
        if self._was_refused():
            raise TokenPinError(f"{self._path}: the token refused this PIN before and is not asked again; correct it")
        try:
            return token.open(user_pin=pin)
        except pkcs11.PKCS11Error as error:
            if type(error).__name__ not in _PIN_REFUSED:
                raise
            # if power fails here: the same PIN is offered once more; the last try is left to people in any case
            with contextlib.suppress(OSError):
                durable.write_file(self._mark, self._state(), mode=0o600)
            text = f"{self._path}: the token refuses this PIN; it is not offered again, correct it"
            raise TokenPinError(text) from error

    def _was_refused(self) -> bool:
        try:
            return self._mark.read_bytes() == self._state()
        except OSError:
            return False

    def _state(self) -> bytes:
        info = self._path.stat()
        return b"%d %d %d\n" % (info.st_mtime_ns, info.st_ino, info.st_size)


_MODULES: dict[str, _Module] = {}
_MODULES_LOCK = threading.Lock()


def _module_of(path: str) -> _Module:
    real = os.path.realpath(path)  # one library under two names is still one
    with _MODULES_LOCK:
        if real not in _MODULES:
            _MODULES[real] = _Module(real)
        return _MODULES[real]


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
