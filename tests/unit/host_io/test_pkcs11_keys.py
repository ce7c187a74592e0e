"""A key in a PKCS#11 token signs like one in a file, says plainly what is wrong, and locks nobody's token."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pkcs11
import pytest

from chain_of_custody.checkpoint import Checkpoint, open_checkpoint, origin_of, sign_checkpoint
from chain_of_custody.envelope import make_envelope, parse_envelope, verify_envelope
from chain_of_custody.signatures import Ed25519Verifier
from chain_of_custody.tree import EMPTY_ROOT
from host_io.keys import KeyMissingError, KeyOpenToOthersError, read_secret, read_signing_key
from host_io.pkcs11_keys import (
    TokenAbsentError,
    TokenKeyError,
    TokenLibraryMissingError,
    TokenModuleError,
    TokenPinError,
    TokenSignatureError,
    _Pin,
)
from host_io.token_uri import TokenUriError, parse_token_uri
from tests.tokens import MODULE, SoftToken, write_secret

pytestmark = pytest.mark.xdist_group("softhsm")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    soft = SoftToken(tmp_path, monkeypatch)
    soft.make_key("log")
    return soft


@pytest.fixture
def key_file(token: SoftToken, tmp_path: Path) -> Path:
    return token.key_file(tmp_path / "log.key", "log")


def test_a_key_in_a_token_signs_as_one_in_a_file_does(key_file: Path) -> None:
    signer = read_signing_key(key_file)
    raw = make_envelope(b"{}", [signer])
    assert verify_envelope(parse_envelope(raw), [Ed25519Verifier(signer.public_key)]) == {signer.key_id}
    note = sign_checkpoint(Checkpoint(origin_of(signer.public_key), 0, EMPTY_ROOT), signer)
    assert open_checkpoint(note, log_key=signer.public_key).size == 0
    assert make_envelope(b"{}", [read_signing_key(key_file)]) == raw  # Ed25519: the same message, the same signature


def test_a_key_made_by_openssl_is_the_same_key_in_the_token(token: SoftToken, tmp_path: Path) -> None:
    pem = tmp_path / "k.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", pem], check=True)
    public = subprocess.run(
        ["openssl", "pkey", "-in", pem, "-pubout", "-outform", "DER"], check=True, capture_output=True
    ).stdout
    token.import_key("imported", pem)
    assert read_signing_key(token.key_file(tmp_path / "i.key", "imported")).public_key == public[-32:]


def test_keys_of_one_token_are_used_by_many_threads_at_once(token: SoftToken, tmp_path: Path) -> None:
    token.make_key("centre")
    signers = [read_signing_key(token.key_file(tmp_path / f"{name}.key", name)) for name in ("log", "centre")]
    with ThreadPoolExecutor(8) as pool:
        messages = [b"%d" % number for number in range(200)]
        signatures = list(pool.map(lambda n: signers[n % 2].sign(messages[n]), range(200)))
    for number, signature in enumerate(signatures):
        assert Ed25519Verifier(signers[number % 2].public_key).verify(messages[number], signature)


def test_a_token_that_was_pulled_out_signs_again_when_it_is_back(token: SoftToken, key_file: Path) -> None:
    signer = read_signing_key(key_file)
    before = signer.sign(b"message")
    token.pull_out()
    for _ in range(3):
        with pytest.raises(TokenAbsentError, match="plug"):
            signer.sign(b"message")
    token.plug_in()
    assert signer.sign(b"message") == before


def test_another_token_under_the_same_name_says_nothing_in_our_name(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = read_signing_key(key_file)
    other = tmp_path / "other"
    other.mkdir()
    SoftToken(other, monkeypatch).make_key("log")
    with pytest.raises(TokenSignatureError):
        signer.sign(b"message")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    assert signer.sign(b"message")


def test_a_pin_that_was_refused_is_not_offered_again_until_it_is_corrected(token: SoftToken, tmp_path: Path) -> None:
    for folder in ("keys", "run"):
        (tmp_path / folder).mkdir()
    path = token.key_file(tmp_path / "keys" / "log.key", "log", pin="9999")
    with pytest.raises(TokenPinError, match="refuses this PIN"):
        read_signing_key(path)
    with pkcs11.lib(MODULE).get_token(token_label="evidock").open(user_pin="1234"):
        pass  # a right PIN sets the token's own count back: a further wrong one would show
    for _ in range(5):  # as a program does that is started again and again
        token.start_anew()
        with pytest.raises(TokenPinError, match="before"):
            read_signing_key(path)
    assert not token.flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW
    assert len(list((tmp_path / "run").iterdir())) == 1  # programs may not write into keys/
    write_secret(tmp_path / "keys" / "token.pin", "1234")
    assert read_signing_key(path).sign(b"message")


class OneTryLeft:
    """What a token with a counter says after wrong PINs (SoftHSM counts none); its `open` would be a mistake."""

    label = "evidock"
    flags = pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.LOGIN_REQUIRED


def test_the_last_try_of_a_token_is_left_to_people(key_file: Path) -> None:
    uri = parse_token_uri(read_secret(key_file), where=key_file)
    with pytest.raises(TokenPinError, match="one try is left"):
        _Pin(uri, key_file=key_file, read=read_secret).log_in(pkcs11, OneTryLeft())


def test_what_is_missing_is_named(token: SoftToken, key_file: Path, tmp_path: Path) -> None:
    uri = key_file.read_text().strip()
    for changed, error, words in (
        (uri.replace("object=log", "object=no"), TokenKeyError, "holds 0 Ed25519 public keys"),
        (uri.replace("token=evidock", "token=no"), TokenAbsentError, "0 such tokens"),
        (uri.replace(MODULE, str(tmp_path / "no.so")), TokenModuleError, "no.so"),
        (uri.replace("token.pin", "no.pin"), KeyMissingError, "no.pin"),
    ):
        token.start_anew()
        with pytest.raises(error, match=words):
            read_signing_key(write_secret(key_file, changed))
    token.start_anew()
    (tmp_path / "token.pin").chmod(0o644)
    with pytest.raises(KeyOpenToOthersError, match="chmod 600"):
        read_signing_key(write_secret(key_file, uri))
    token.make_key("log")
    (tmp_path / "token.pin").chmod(0o600)
    with pytest.raises(TokenKeyError, match="holds 2"):
        read_signing_key(key_file)


def test_a_token_without_the_library_for_it_is_one_clear_line(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(TokenLibraryMissingError, match=r"pip install evidock\[tokens\]"):
        read_signing_key(key_file)


def test_homes_without_a_token_never_load_the_library(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from host_io.keys import make_signing_key;"
        "make_signing_key(Path(sys.argv[1])); sys.exit('pkcs11' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "key")], check=True)


@pytest.mark.parametrize(
    "uri",
    [
        "pkcs11:token=t;object=o",
        "pkcs11:object=o?module-path=/m.so&pin-source=p",
        "pkcs11:token=t?module-path=/m.so&pin-source=p",
        "pkcs11:token=t;object=o?module-path=m.so&pin-source=p",
        "pkcs11:token=t;object=o?module-path=/m.so",
        "pkcs11:token=t;object=o?module-path=/m.so&pin-source=|cat",
        "pkcs11:token=t;token=u;object=o?module-path=/m.so&pin-source=p",
        "pkcs11:token=t;object=o;slot-id=0?module-path=/m.so&pin-source=p",
        "pkcs11:token=t;object=o;type=public?module-path=/m.so&pin-source=p",
        "pkcs11:token=%ff;object=o?module-path=/m.so&pin-source=p",
    ],
)
def test_a_uri_that_we_do_not_follow_whole_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(TokenUriError):
        read_signing_key(write_secret(tmp_path / "key", uri))


def test_a_pin_in_the_uri_is_refused_and_never_shown(tmp_path: Path) -> None:
    uri = "pkcs11:token=t;object=o?module-path=/m.so&pin-value=246813"
    with pytest.raises(TokenUriError, match="pin-source") as error:
        read_signing_key(write_secret(tmp_path / "key", uri))
    assert "246813" not in str(error.value)


def test_a_token_is_named_as_other_tools_print_it(key_file: Path, tmp_path: Path) -> None:
    found = pkcs11.lib(MODULE).get_token(token_label="evidock")
    serial = found.serial.decode()
    uri = (
        f"pkcs11:model=SoftHSM%20v2;manufacturer=SoftHSM%20project;serial={serial};token=evidock;object=log;type=private"
        f"?module-path={MODULE}&pin-source=file:{tmp_path / 'token.pin'}"
    )
    same = read_signing_key(write_secret(tmp_path / "key", uri))
    assert same.key_id == read_signing_key(key_file).key_id
