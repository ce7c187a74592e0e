"""The one-file verifier: Python 3.9's standard library alone, the same bytes every time, safe with hostile input."""

from __future__ import annotations

import ast
import io
import json
import os
import shutil
import string
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chain_of_custody.breaches import Why
from chain_of_custody.signatures import public_key_pem
from evidence_model.canonical import canonical_bytes
from evidence_model.findings import catalogue
from host_io.trust import trust_bytes
from outside_verifier import bag, keys, main
from outside_verifier.build import pyz_bytes
from outside_verifier.findings import MAX_KEPT, Result
from outside_verifier.keys import Key
from outside_verifier.package import verify_package
from outside_verifier.report import document, lines, safe
from outside_verifier.strict import RefusedError
from outside_verifier.trust import parse_trust
from outside_verifier.words import CODES, LANGUAGES, REASONS, TEXTS
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import EvidenceStory, Original, Package

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOM = Path(__file__).parents[3] / "outside_verifier"
SOURCES = sorted(ROOM.glob("*.py"))
STANDARD = sys.stdlib_module_names
OLDEST = (3, 9)
P256_KEY = bytes.fromhex(  # the generator of the curve, a point that everybody knows
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ecec"
    "bb6406837bf51f5"
)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return EvidenceStory([Original("DCIM/a\x1b[2J.mp4", b"footage")]).write(tmp_path / "bag")


@pytest.fixture
def verifier(tmp_path: Path) -> Path:
    path = tmp_path / "verify.pyz"
    path.write_bytes(pyz_bytes())
    return path


def run(verifier: Path, *arguments: object, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    """Run it as a court does: no site packages, nothing of the environment, another working folder."""
    return subprocess.run(
        [python, "-I", "-S", str(verifier), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=verifier.parent,
        timeout=120,
        env={"PATH": os.environ["PATH"], "LANG": "C"},
    )


def oldest_python() -> str:
    """Return the oldest Python that this machine has and that we promise to run on (pyenv keeps some apart)."""
    folders = [Path(folder) for folder in os.environ["PATH"].split(os.pathsep)]
    if (pyenv := shutil.which("pyenv")) is not None:
        root = subprocess.run([pyenv, "root"], capture_output=True, text=True, check=True).stdout.strip()
        folders = [*Path(root, "versions").glob("*/bin"), *folders]
    for minor in range(OLDEST[1], sys.version_info.minor):
        for folder in folders:
            path = folder / f"python3.{minor}"
            if path.exists() and not subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode:
                return str(path)
    return sys.executable


# ------------------------------------------------------------------------------------------------ what it is made of


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.level


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_a_module_is_python_3_9_and_imports_the_standard_library_and_this_room_alone(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=OLDEST)
    foreign = {name for name, level in imported(tree) if level == 0 and name.partition(".")[0] not in STANDARD}
    allowed = (
        {"cryptography"} if path.name == "keys.py" else {"outside_verifier"} if path.name == "__main__.py" else set()
    )
    assert {name.partition(".")[0] for name in foreign} <= allowed
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert names.isdisjoint({"bit_count", "UTC", "pairwise"}), "these came after Python 3.9"
    arguments = {keyword.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for keyword in node.keywords}
    assert arguments.isdisjoint({"slots", "kw_only", "strict", "strict_mode"}), "these came after Python 3.9"
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))


def test_it_is_the_same_file_every_time_whatever_the_clock_and_the_umask(tmp_path: Path) -> None:
    first = pyz_bytes()
    made = tmp_path / "verify.pyz"
    output = subprocess.run(
        [sys.executable, "-m", "outside_verifier.build", str(made)],
        cwd=ROOM.parent,
        env={**os.environ, "TZ": "Asia/Shanghai", "PYTHONHASHSEED": "7"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert made.read_bytes() == first
    assert output == f"{sha256(first).hexdigest()}  {made}\n"
    with zipfile.ZipFile(made) as archive:
        names = {info.filename for info in archive.infolist()}
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    left_out = {"build.py", "__main__.py"}
    assert names == {"__main__.py", *(f"outside_verifier/{path.name}" for path in SOURCES if path.name not in left_out)}


# ------------------------------------------------------------------------------------------------ as a court runs it


def test_it_runs_by_itself_and_says_what_it_rests_on(package: Package, verifier: Path, tmp_path: Path) -> None:
    trust = package.trust_file(tmp_path)
    for language in LANGUAGES:
        done = run(verifier, package.bag, "--trust", trust, "--lang", language, python=oldest_python())
        assert (done.returncode, done.stderr) == (0, "")
        for text in ("with.own", "limit.before", "limit.time", "limit.log", "limit.person", "limit.end", "exit.0"):
            assert TEXTS[text][LANGUAGES.index(language)].format(witnesses="") in done.stdout
        assert package.story.log.key_id.text in done.stdout
        assert "\x1b" not in done.stdout, "a name on the recorder does not rule the terminal"
        assert r"a\u{1b}[2J.mp4" in done.stdout


def test_a_python_that_is_too_old_is_told_so(tmp_path: Path) -> None:
    """The start file is the only one that an older Python reads."""
    with zipfile.ZipFile(io.BytesIO(pyz_bytes())) as archive:
        start = archive.read("__main__.py").decode()
    (tmp_path / "start.py").write_text(start.replace("(3, 9)", "(99,)"))
    done = run(tmp_path / "start.py")
    assert (done.returncode, done.stdout) == (4, "")
    assert "Python 3.9 or newer" in done.stderr


def test_without_the_outsider_s_keys_it_says_that_it_proves_nothing(package: Package, verifier: Path) -> None:
    assert TEXTS["rests.own"][1] in run(verifier, package.bag).stdout


def test_json_is_one_document_with_both_languages(package: Package, verifier: Path, tmp_path: Path) -> None:
    package.path("HOW-TO-VERIFY.md").unlink()
    done = run(verifier, package.bag, "--json", "--trust", package.trust_file(tmp_path))
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["exit_code"], answer["ok"], answer["ed25519"]) == (5, 5, False, "own")
    [finding] = answer["findings"]
    assert (finding["code"], finding["subject"]) == ("PKG-004", "data/HOW-TO-VERIFY.md")
    assert {name: finding[name] for name in CODES["PKG-004"]} == CODES["PKG-004"]
    assert answer["checked"]["items"] == 1
    assert set(answer["limits"]) == set(LANGUAGES)


@pytest.mark.parametrize("arguments", [[], ["--lang", "fr", "x"], ["a", "b"], ["--what"]])
def test_wrong_usage_is_2(verifier: Path, arguments: list[str]) -> None:
    assert run(verifier, *arguments).returncode == 2


@pytest.mark.parametrize("data", [None, b"", b"{}\n", b"\xff" * 10, b"[" * 100_000])
def test_keys_that_are_none_are_wrong_usage(
    package: Package, verifier: Path, tmp_path: Path, data: bytes | None
) -> None:
    trust = tmp_path / "trust"
    if data is not None:
        trust.write_bytes(data)
    done = run(verifier, package.bag, "--trust", trust)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_what_is_no_package_is_4(verifier: Path, tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", verifier, tmp_path):
        done = run(verifier, place)
        assert (done.returncode, done.stderr) == (4, "")
        assert "PKG-001" in done.stdout


def test_a_reader_that_goes_away_is_no_traceback(package: Package, verifier: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"{sys.executable} -I -S {verifier} {package.bag} | true"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


# ------------------------------------------------------------------------------------------------ hostile input

HOSTILE = [b"", b"\0" * 100, b"[" * 200_000, b'{"a":' * 50_000, b"\xff\xfe" * 50_000, b"9" * 300_000]


@pytest.mark.slow
def test_any_file_may_hold_anything(package: Package) -> None:
    """Each file of a package in turn holds what readers stumble over; there are findings, and nothing else."""
    trust = parse_trust(trust_bytes(package.story.trust))
    paths = [path for path in package.bag.rglob("*") if path.is_file()]
    assert len(paths) > 40
    for number, path in enumerate(sorted(paths)):
        good = path.read_bytes()
        for data in (HOSTILE[number % len(HOSTILE)], good[: len(good) // 2], good * 2):
            path.write_bytes(data)
            for known in (trust, None):
                result = verify_package(str(package.bag), known)
                assert result.exit_code in {4, 5}, path
                for language in LANGUAGES:
                    assert all(line.isprintable() for line in lines(result, language))
                json.dumps(document(result))
        path.write_bytes(good)
    assert verify_package(str(package.bag), trust).exit_code == 0


def test_signed_nonsense_is_a_finding_too(package: Package) -> None:
    """The centre's key may be in bad hands: what it signed is read as carefully as anything."""
    nonsense: list[dict[str, Any]] = [
        {"created_at": "x"},
        {"head": {}},
        {"head": None},
        {"file_count": "-1"},
        {"recipient": ["x"]},
        {"version": "2"},
    ]
    for says in nonsense:
        package.says = says
        package.seal()
        assert set(verify_package(str(package.bag)).counts) == {"PKG-010"}


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"events": [], "items": [], "version": "1"},
        {"events": ["0"] * 3, "items": [], "version": "1"},
        {"events": ["0"], "items": ["x"], "version": "1"},
        {"events": [["0"]], "items": [], "version": "1"},
        {"events": ["9" * 20], "items": [{}], "version": "1"},
    ],
)
def test_a_package_json_of_any_content_is_a_finding(package: Package, contents: dict[str, object]) -> None:
    package.put("package.json", canonical_bytes(contents))  # type: ignore[arg-type]  # made to be wrong
    package.seal()
    assert "PKG-050" in verify_package(str(package.bag)).counts


def test_names_that_are_no_text_and_very_deep_folders_are_findings(package: Package) -> None:
    (Path(os.fsdecode(os.fsencode(package.bag) + b"/data/\xff\xfe\x1b]0;x\x07"))).write_bytes(b"x")
    deep = package.bag / "data" / "/".join("d" * 60)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")
    result = verify_package(str(package.bag))
    assert {"PKG-002", "PKG-003"} <= set(result.counts)
    assert all(line.isprintable() for line in lines(result, "en"))
    assert "".join(lines(result, "zh")).encode()


def test_a_million_findings_are_counted_and_not_kept() -> None:
    result = Result()
    for number in range(MAX_KEPT * 3):
        result.add("PKG-003", f"file {number}")
    assert (len(result.findings), result.counts["PKG-003"]) == (MAX_KEPT, MAX_KEPT * 3)
    assert f"✗ PKG-003 {2 * MAX_KEPT} more" in list(lines(result, "en"))


def test_a_folder_with_more_files_than_any_package_has_is_not_read_to_its_end(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = sum(len(folders) + len(files) for _, folders, files in os.walk(package.bag))
    monkeypatch.setattr(bag, "MAX_FILES", count)
    assert verify_package(str(package.bag)).exit_code == 0
    (package.bag / "one more").mkdir()
    result = verify_package(str(package.bag))
    assert (set(result.counts), result.exit_code) == ({"PKG-001"}, 4)


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\u202eb", "a\u200bb", "a\nb", "a\x9bb", "\ud800", "\x7f"])
def test_nothing_that_a_terminal_obeys_is_shown(text: str) -> None:
    assert safe(text).isprintable()
    assert safe(text).encode()
    assert safe("记录 1.mp4") == "记录 1.mp4"


# ------------------------------------------------------------------------------------------------ keys and words

STOPPED_WHILE_HASHING = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background ignores it
from outside_verifier import bag
real, count = bag.sha256, 0
class Counted:
    def __init__(self):
        self.value = real()
    def update(self, block):
        global count
        count += 1
        if count == 200:
            os.kill(os.getpid(), signal.SIGINT)
        self.value.update(block)
    def hexdigest(self):
        return self.value.hexdigest()
bag.sha256 = Counted
from outside_verifier.main import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_key_is_written_for_openssl_as_openssl_has_it() -> None:
    for raw in (key_of("st-1").public_key, P256_KEY):
        assert Key(raw).pem() == public_key_pem(raw)


def test_without_the_library_a_p256_signature_is_said_to_be_unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is neither yes nor no: 4, with the command by which openssl says it."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only here
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - only here
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 - only here

    private = ec.derive_private_key(0x1234567, ec.SECP256R1())
    raw = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    signature = private.sign(b"message", ec.ECDSA(SHA256()))
    key = Key(raw)
    assert key.verify(b"message", signature) is True
    assert key.verify(b"another", signature) is False
    monkeypatch.setattr(keys, "LIBRARY", "")
    assert key.verify(b"message", signature) is None


@pytest.mark.parametrize(
    "raw", [b"", bytes(32), bytes(33), b"\x04" + bytes(64), P256_KEY[:-1] + b"\0", b"\x02" + P256_KEY[1:]]
)
def test_what_is_no_key_is_refused(raw: bytes) -> None:
    with pytest.raises(RefusedError):
        Key(raw)


def test_the_words_are_those_of_the_one_table() -> None:
    table = {code: dict(words) for code, words in catalogue().items() if code.startswith("PKG-")}
    assert table == CODES


def given_reasons() -> Iterator[tuple[str, set[str]]]:
    """Yield each reason that stands in the sources, with the names of the facts that are given with it."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            place = {"RefusedError": 0, "add": 2}.get(name)
            reason = node.args[place] if place is not None and len(node.args) > place else None
            if isinstance(reason, ast.Constant):
                yield str(reason.value), {keyword.arg for keyword in node.keywords if keyword.arg}


def test_every_reason_has_its_words_and_what_fills_their_blanks() -> None:
    given = [*given_reasons(), *((f"chain.{name}", {"seq"}) for name in ("end", "fork", "gap", "prev"))]
    given += [(f"time.{name}", {"seconds", "stamp"}) for name in ("back", "ahead")]
    given += [("time.mono", {"seconds"}), ("time.jump", {"seconds"}), ("time.beacon", {"size"})]
    given += [(f"decision.{why.value}", {"of"}) for why in Why]
    assert {reason for reason, _ in given} == set(REASONS) - {""}
    for reason, facts in given:
        for text in REASONS[reason]:
            blanks = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert blanks <= facts, reason


def test_a_progress_line_that_cannot_be_written_is_no_damage_of_a_file(package: Package) -> None:
    def progress(done: int, total: int) -> None:
        raise BrokenPipeError(done, total)

    with pytest.raises(BrokenPipeError):
        verify_package(str(package.bag), None, progress)


def test_ctrl_c_ends_it_at_once_and_without_a_traceback(package: Package, verifier: Path) -> None:
    """The package names a file of 1 TiB; the two hundredth block is not yet hashed when the user has enough."""
    package.path("blobs/big").write_bytes(b"")
    os.truncate(package.path("blobs/big"), 1 << 40)
    with (package.bag / "manifest-sha256.txt").open("a") as manifest:
        manifest.write(f"{'ab' * 32}  data/blobs/big\n")
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", STOPPED_WHILE_HASHING, str(verifier), str(package.bag)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (4, "", "")


def test_the_language_is_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    assert main._language() == "en"
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert main._language() == "zh"
