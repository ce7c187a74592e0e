"""The link over TLS with certificates at both ends, to a mosquitto that lets nobody in without one."""

import contextlib
import ipaddress
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from host_io import mqtt_connection
from host_io.broker_access import Account, BrokerAddress, TlsFiles
from host_io.mqtt import LinkState, MqttLink
from tests.brokers import free_port, wait_for

NOBODY = Account("station-station-1", "checked by certificate")


class Authority:
    """A certificate authority that lives as long as a test."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = self._write("ca", self._sign(self._name, self._key, is_authority=True))[0]

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key of somebody."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._write(name, self._sign(subject, key, is_authority=False), key)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_authority: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )

    def _write(
        self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey | None = None
    ) -> tuple[Path, Path]:
        file, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        if key is not None:
            key_file.write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                )
            )
        return file, key_file


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "site")


@pytest.fixture
def port(tmp_path: Path, authority: Authority) -> Iterator[int]:
    mosquitto = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if mosquitto is None:
        pytest.skip("mosquitto is not installed")
    certificate, key = authority.issue("broker")
    number = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(
        f"listener {number} 127.0.0.1\nuser {pwd.getpwuid(os.geteuid()).pw_name}\n"
        f"cafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\n"
        "require_certificate true\nuse_identity_as_username true\nallow_anonymous false\n"
    )
    with (tmp_path / "log").open("wb") as log:
        broker = subprocess.Popen([mosquitto, "-c", str(config)], stdout=log, stderr=log)
    try:
        wait_for(lambda: _listens(number))
        yield number
    finally:
        broker.terminate()
        broker.wait(10)


def link(port: int, tls: TlsFiles) -> MqttLink:
    return MqttLink(
        address=lambda: BrokerAddress("127.0.0.1", port, tls),
        account=NOBODY,
        client_id="station",
        subscriptions=["a/b"],
    )


def test_with_the_right_certificates_the_link_is_up(port: int, authority: Authority) -> None:
    certificate, key = authority.issue("station-station-1")
    with link(port, TlsFiles(authority.file, certificate, key)) as station:
        assert station.wait_connected(20), station.problem
        station.publish("a/b", b"x").result(20)


def test_without_a_certificate_we_do_not_get_in_and_say_so(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqtt_connection, "_SETTLE_SECONDS", 1.0)
    with link(port, TlsFiles(authority.file)) as station:
        wait_for(lambda: station.problem)
        assert station.state in {LinkState.DOWN, LinkState.REFUSED}
        assert not station.wait_connected(0.5)


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_another_authority_vouches_for_is_not_spoken_to(
    port: int, authority: Authority, tmp_path: Path
) -> None:
    certificate, key = authority.issue("station-station-1")
    other = Authority(tmp_path, "somebody-else")
    with link(port, TlsFiles(other.file, certificate, key)) as station:
        wait_for(lambda: "certificate" in station.problem.lower())
        assert not station.connected


def test_a_certificate_file_that_is_missing_is_told_and_not_fatal(port: int, authority: Authority) -> None:
    with link(port, TlsFiles(authority.folder / "no-such-file.crt")) as station:
        wait_for(lambda: station.problem)
        assert station.state is LinkState.DOWN


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
