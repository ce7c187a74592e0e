"""A SoftHSM token in a folder of a test's own, used through its PKCS#11 module as any other token is."""

import os
import subprocess
from pathlib import Path
from typing import Final

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType, Mechanism

from host_io import pkcs11_keys

MODULE: Final = os.path.realpath("/usr/lib/softhsm/libsofthsm2.so")
PIN: Final = "1234"
_ED25519: Final = b"\x13\x0cedwards25519"  # PKCS#11 3.0: the curve's name as a DER PrintableString


class SoftToken:
    """One token named `evidock`; SoftHSM is told of its folder by SOFTHSM2_CONF alone."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not Path(MODULE).exists():
            pytest.skip("needs SoftHSM: apt install softhsm2 (script/setup --test does)")
        self._monkeypatch = monkeypatch
        self.folder = folder / "tokens"
        self.folder.mkdir()
        config = folder / "softhsm2.conf"
        config.write_text(f"directories.tokendir = {self.folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
        monkeypatch.setenv("SOFTHSM2_CONF", str(config))
        self._tool("--init-token", "--free", "--label", "evidock", "--so-pin", "12345678", "--pin", PIN)
        self.start_anew()

    def start_anew(self) -> None:
        """Have everything in this process forget the module, as a program that starts anew would."""
        pkcs11.lib(MODULE).reinitialize()
        self._monkeypatch.setattr(pkcs11_keys, "_MODULES", {})

    def make_key(self, label: str) -> None:
        """Make an Ed25519 key inside the token."""
        token = pkcs11.lib(MODULE).get_token(token_label="evidock")
        with token.open(rw=True, user_pin=PIN) as session:
            curve = session.create_domain_parameters(KeyType.EC_EDWARDS, {Attribute.EC_PARAMS: _ED25519}, local=True)
            curve.generate_keypair(mechanism=Mechanism.EC_EDWARDS_KEY_PAIR_GEN, store=True, label=label)

    def import_key(self, label: str, pem: Path) -> None:
        """Bring a key from a file into the token, as the guide shows it."""
        self._tool("--import", str(pem), "--token", "evidock", "--label", label, "--id", "01", "--pin", PIN)

    def key_file(self, path: Path, label: str, *, pin: str = PIN) -> Path:
        """Write a key file that names a key in the token, and its PIN file beside it."""
        write_secret(path.parent / "token.pin", pin)
        return write_secret(path, f"pkcs11:token=evidock;object={label}?module-path={MODULE}&pin-source=token.pin")

    def pull_out(self) -> None:
        """Take the token away."""
        self.folder.rename(self.folder.with_name("away"))
        self.folder.mkdir()

    def plug_in(self) -> None:
        """Bring it back."""
        self.folder.rmdir()
        self.folder.with_name("away").rename(self.folder)

    @property
    def flags(self) -> pkcs11.TokenFlag:
        """Return what the token says of itself now."""
        return pkcs11.lib(MODULE).get_token(token_label="evidock").flags

    @staticmethod
    def _tool(*arguments: str) -> None:
        subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=dict(os.environ))


def write_secret(path: Path, text: str) -> Path:
    """Write a file of 0600."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return path
