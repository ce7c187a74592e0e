"""A time-stamp authority of our own: `openssl ts` behind a small HTTP server, its certificates made anew."""

import contextlib
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chain_of_custody.trust_entries import Authority
from evidence_model.ids import source_id
from outside_verifier.der import INTEGER, OID, SEQUENCE, TIME, Reader

_CONFIG = """[t]
serial = {folder}/serial
signer_cert = {certificate}
signer_key = {key}
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
ordering = yes
ess_cert_id_alg = sha256
{more}
"""


@dataclass
class TimeAuthority:
    """One authority; `certificate` may be exchanged for another one of it while it works."""

    folder: Path
    name: str
    certificate: x509.Certificate = field(init=False)
    enrolled: list[x509.Certificate] = field(default_factory=list)
    more: str = "accuracy = secs:1"
    at: datetime | None = None
    """The time that it states; None: the true one."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        (self.folder / "serial").write_text("01\n")
        self._root_key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(tz=UTC)
        self.root = self._certify(
            "root", self._root_key, self._root_key, (now - timedelta(days=9999), now + timedelta(days=9999)), None
        )
        (self.folder / "root.pem").write_bytes(self.root.public_bytes(Encoding.PEM))
        self.renew()

    def renew(self, *, since: timedelta = timedelta(days=-1), until: timedelta = timedelta(days=3650)) -> None:
        """Sign with a new key and certificate from now on; valid from and until so much after now."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(tz=UTC)
        self.certificate = self._certify("signer", key, self._root_key, (now + since, now + until), self.root)
        self.enrolled.append(self.certificate)
        (self.folder / "signer.pem").write_bytes(self.certificate.public_bytes(Encoding.PEM))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / "signer.key").write_bytes(secret)

    @property
    def authority(self) -> Authority:
        """Return it as the trust document has it."""
        certificates = tuple(each.public_bytes(Encoding.DER) for each in self.enrolled)
        return Authority(
            name=source_id(self.name), certificates=certificates, roots=(self.root.public_bytes(Encoding.DER),)
        )

    def send_more_certificates(self, others: Sequence[x509.Certificate]) -> None:
        """Let every answer carry these certificates, too."""
        (self.folder / "more.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in others))
        self.more = f"certs = {self.folder}/more.pem"

    def answer(self, query: bytes) -> bytes:
        """Return the answer to a request, as openssl gives it, or with the time `at` if that is set."""
        if self.at is not None:
            return self._answer_at(query, self.at)
        config = self.folder / "ts.cnf"
        config.write_text(
            _CONFIG.format(
                folder=self.folder,
                certificate=self.folder / "signer.pem",
                key=self.folder / "signer.key",
                more=self.more,
            )
        )
        asked, said = self.folder / "query.tsq", self.folder / "answer.tsr"
        asked.write_bytes(query)
        command: list[str | Path] = [
            "openssl",
            "ts",
            "-reply",
            "-queryfile",
            asked,
            "-config",
            config,
            "-section",
            "t",
            "-out",
            said,
        ]
        subprocess.run(command, check=True, capture_output=True)
        return said.read_bytes()

    def _answer_at(self, query: bytes, at: datetime) -> bytes:
        """Sign a TSTInfo of our own (RFC 3161, section 2.4.2): openssl stamps at no other time than now."""
        asked = Reader(query).inside(SEQUENCE)
        asked.take(INTEGER)
        imprint = asked.whole(SEQUENCE)[0]
        nonce = asked.whole(INTEGER)[0] if asked.tag == INTEGER else b""
        serial = der(INTEGER, len(list(self.folder.iterdir())).to_bytes(2, "big").lstrip(b"\0"))
        policy, when = der(OID, bytes((0x2A, 3, 4, 1))), der(TIME, f"{at:%Y%m%d%H%M%S}Z".encode())
        one, accuracy = der(INTEGER, b"\1"), der(SEQUENCE, der(INTEGER, b"\1"))
        info = self.folder / "info.der"
        info.write_bytes(der(SEQUENCE, one, policy, imprint, serial, when, accuracy, nonce))
        command: list[str | Path] = ["openssl", "cms", "-sign", "-binary", "-nodetach", "-nosmimecap", "-cades"]
        command += ["-md", "sha256", "-econtent_type", "1.2.840.113549.1.9.16.1.4", "-outform", "DER", "-in", info]
        command += ["-signer", self.folder / "signer.pem", "-inkey", self.folder / "signer.key"]
        token = subprocess.run(command, check=True, capture_output=True).stdout
        return der(SEQUENCE, der(SEQUENCE, der(INTEGER, b"\0")), token)

    def stamp(self, message: bytes) -> bytes:
        """Return a stamp over `message`."""
        return self.answer(self.query(message))

    def query(self, message: bytes) -> bytes:
        """Return a request that openssl made."""
        (self.folder / "message").write_bytes(message)
        command: list[str | Path] = ["openssl", "ts", "-query", "-data", self.folder / "message", "-sha256", "-cert"]
        return subprocess.run(command, check=True, capture_output=True).stdout

    def _certify(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        by: ec.EllipticCurvePrivateKey,
        valid: tuple[datetime, datetime],
        issuer: x509.Certificate | None,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self.name} {name}")])
        builder = x509.CertificateBuilder(
            subject_name=subject,
            issuer_name=issuer.subject if issuer else subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=valid[0],
            not_valid_after=valid[1],
        ).add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        if issuer is not None:
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
            builder = builder.add_extension(usage, critical=True)
        return builder.sign(by, hashes.SHA256())


def der(tag: int, *parts: bytes) -> bytes:
    """Return a DER value."""
    content = b"".join(parts)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(length))) + length + content


def openssl_accepts(token: Path, data: Path, authority: TimeAuthority, *, at: datetime) -> bool:
    """Say whether openssl verifies a stamp at the time that it bears; it knows nothing of pinned certificates."""
    when = str(int(at.timestamp()))
    command: list[str | Path] = ["openssl", "ts", "-verify", "-in", token, "-data", data, "-attime", when]
    done = subprocess.run([*command, "-CAfile", authority.folder / "root.pem"], check=False, capture_output=True)
    return done.returncode == 0


@contextlib.contextmanager
def serving(answer: Callable[[bytes], bytes]) -> Iterator[str]:
    """Answer requests over HTTP as an authority does; yields the address. What `answer` raises is a status 500."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                body = answer(query)
            except Exception:  # noqa: BLE001 - whatever it is, the client sees a broken authority
                self.send_error(500)
                return
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/tsa"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
