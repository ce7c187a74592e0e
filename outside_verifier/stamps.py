"""Is a time stamp by an authority that the outsider trusts, and over these bytes? openssl checks the signature.

A stamp counts only if the certificate that signed it is one that `trust.json` names for the authority: any root has
many customers. Certificates are judged at the time in the stamp, so one that has expired since is good.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from .der import Token, issuer_and_serial, parse_answer
from .strict import RefusedError

MAX_BYTES = 1 << 18
_SECONDS = 60


@dataclass(frozen=True)
class Authority:
    """A time-stamp authority: its signing certificates, and those above them, each as DER."""

    name: str
    certificates: tuple[bytes, ...]
    roots: tuple[bytes, ...]

    def pem(self) -> bytes:
        """Return all of it as the package has it beside the stamps."""
        return pem([*self.certificates, *self.roots])


@dataclass(frozen=True)
class Stamp:
    """A stamp over a checkpoint of the log: the authority's time, with its own inaccuracy counted in."""

    authority: str
    token: str  # SHA-256 of the answer, as a beacon names it
    earliest: datetime
    latest: datetime
    size: int


@dataclass(frozen=True)
class Interval:
    """What is proved of one event; None where nothing proves a bound."""

    after: Stamp | None = None
    named_by: int | None = None  # the event that names that stamp: this one, or one before it
    before: Stamp | None = None


@dataclass(frozen=True)
class Unchecked:
    """A stamp whose words are right, by a certificate that is trusted; whether that one signed it openssl says."""

    answer: bytes
    checkpoint: bytes
    size: int
    token: Token
    signer: bytes
    authority: Authority

    def is_signed(self, openssl: str) -> bool:
        """Say whether openssl verifies it at the time that it bears, by this certificate under the given roots."""
        with tempfile.TemporaryDirectory() as folder:
            files = {
                "in": self.answer,
                "data": self.checkpoint,
                "untrusted": pem([self.signer]),
                "CAfile": pem(self.authority.roots),
            }
            command = [openssl, "ts", "-verify", "-attime", str(int(self.token.at.timestamp()))]
            for name, data in files.items():
                path = os.path.join(folder, name)
                with open(path, "wb") as file:
                    file.write(data)
                command += [f"-{name}", path]
            try:
                done = subprocess.run(command, check=False, capture_output=True, timeout=_SECONDS)
            except (OSError, subprocess.SubprocessError):
                return False
            return done.returncode == 0 and b"Verification: OK" in done.stdout + done.stderr

    def stamp(self) -> Stamp:
        """Return what it proves once it is checked."""
        return Stamp(
            self.authority.name,
            sha256(self.answer).hexdigest(),
            self.token.at - self.token.accuracy,
            self.token.at + self.token.accuracy + timedelta(seconds=1),
            self.size,
        )

    def command(self) -> str:
        """Return the command by which a person checks it in the package's folder."""
        base = f"data/time/{self.size}"
        return (
            f"openssl ts -verify -in {base}.{self.authority.name}.tsr -data {base}.checkpoint"
            f" -attime {int(self.token.at.timestamp())} -CAfile data/time/{self.authority.name}.pem"
        )


def read_stamp(answer: bytes, checkpoint: bytes, size: int, authority: Authority) -> Unchecked:
    """Return a stamp over these bytes that names a certificate of this authority as its signer."""
    token = parse_answer(answer)
    if token.imprint != sha256(checkpoint).digest():
        raise RefusedError("stamp.imprint")
    signer = next((each for each in authority.certificates if issuer_and_serial(each) == token.signer), None)
    if signer is None:
        raise RefusedError("stamp.signer", name=authority.name)
    if any(issuer_and_serial(sent) == token.signer and sent != signer for sent in token.certificates):
        raise RefusedError("stamp.signer", name=authority.name)
    return Unchecked(answer, checkpoint, size, token, signer, authority)


def find_openssl() -> str | None:
    """Return the path of an OpenSSL that can check a stamp at its own time; None if there is none."""
    path = shutil.which("openssl")
    if path is None:
        return None
    try:
        done = subprocess.run([path, "version"], check=False, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return None
    return path if done.stdout.startswith(b"OpenSSL ") else None  # what others call by this name differs


def pem(certificates: Sequence[bytes]) -> bytes:
    """Return certificates as PEM."""
    lines = []
    for each in certificates:
        text = base64.b64encode(each).decode("ascii")
        body = "".join(f"{text[at : at + 64]}\n" for at in range(0, len(text), 64))
        lines.append(f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n")
    return "".join(lines).encode("ascii")
