"""Words in, exit codes and one-line errors out (contract.md, command line)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from operator_cli.commands import doctor as doctor_module
from operator_cli.invocation import Invocation
from operator_cli.main import MODULES
from tests.unit.operator_cli.cli import evidock

ROOT = Path(__file__).parents[3]
HALF_WIDTH = re.compile(r"[\u4e00-\u9fff）][,:;?!(]|[,:;?!)] ?[\u4e00-\u9fff（]")


def test_help_names_every_command() -> None:
    called = evidock("--help")
    assert called.code == 0
    for name in MODULES:
        assert f"\n  {name} " in called.out


@pytest.mark.parametrize("words", [(), ("recordings",)])
def test_a_call_without_words_is_answered_with_the_help(words: tuple[str, ...]) -> None:
    called = evidock(*words)
    assert called.code == 2
    assert called.err.startswith("Usage: evidock")


def test_the_version_is_a_line_or_a_document() -> None:
    document = evidock("--version", "--json").document
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", document["version"])
    assert evidock("--version").out == f"evidock {document['version']}\n"
    assert evidock("--json", "--version").document == document


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from operator_cli.main import main; main(['--help']);"
        "heavy = {'cryptography', 'paho', 'watchdog', 'sqlite3', 'host_io', 'starlette', 'asyncio'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", MODULES)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_command_has_help_in_both_languages(command: str, language: str) -> None:
    called = evidock("--lang", language, command, "--help")
    assert called.code == 0
    assert called.out.startswith("用法：" if language == "zh" else "Usage:")
    assert "option." not in called.out
    assert "help." not in called.out


@pytest.mark.parametrize(
    "words", [("--home", "{home}", "init", "--role", "centre"), ("init", "--role", "centre", "--home", "{home}")]
)
def test_options_stand_before_or_after_the_command(words: tuple[str, ...], tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    assert evidock(*(word.format(home=home) for word in words)).code == 0
    assert (tmp_path / "home" / "evidock.toml").exists()


def test_the_environment_names_the_home(tmp_path: Path) -> None:
    assert evidock("init", "--role", "centre", environment={"EVIDOCK_HOME": str(tmp_path / "home")}).code == 0
    assert (tmp_path / "home" / "evidock.toml").exists()


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("dok",),
        ("status", "--no-such-option"),
        ("init",),
        ("init", "--role", "emperor"),
        ("recordings", "tag"),
        ("dock", "/no/such/folder", "--home", "{home}"),
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_wrong_usage_is_exit_two_and_one_line(words: tuple[str, ...], language: str, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    evidock("init", "--role", "workstation", "--home", home)
    words = tuple(word.format(home=home) for word in words)
    called = evidock("--lang", language, "--json", *words)
    assert called.code == 2
    assert len(called.err.splitlines()) == 1
    assert called.document["error"]["code"] in {"CLI-001", "CLI-002"}


@pytest.mark.parametrize(
    "words",
    [
        "recordings tag R-1 --case \x1b[31mred",
        "recordings tag R-1 --party Li\nSi",
        "recordings tag R-1 --place \u202emirror",
        "recordings tag R-1 --handler \udcff",
        "recordings note R-1 --reason bad_weather --statement a\x07b",
        "recordings list --text \udcff",
        "recordings show R-\udcff",
        "custody show \udcff",
        "init --role workstation --unit \udcff",
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_words_that_cannot_be_kept_are_refused_before_anything_is_done(
    words: str, language: str, tmp_path: Path
) -> None:
    called = evidock("--lang", language, "--json", "--home", str(tmp_path / "home"), *words.split(" "))
    assert called.code == 2
    assert called.document["error"]["code"] == "CLI-001"
    assert called.err.rstrip("\n").isprintable()
    assert ("UTF-8" in called.err) == ("\udcff" in words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["张三、李四", "Ли Сы", "〇䶮𠮷", "A&B (Ltd.)", "\ue000", "ئۇيغۇر\u200cچە"])
def test_words_of_any_script_are_taken(name: str, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    made = evidock("--json", "--home", home, "init", "--role", "centre", "--unit", name)
    assert made.document["unit"] == name
    assert evidock("--json", "--home", home, "recordings", "list", "--text", name).document == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("run --role nope", "--role"),
        ("init", "--role"),
        ("recordings mark R-1", "--level"),
        ("recordings list --limit 0", "--limit"),
        ("recordings list --limit many", "--limit"),
        ("recordings note R-1 --reason x --gap 0", "--gap"),
        ("recordings show", "ID"),
        ("dock card --recorder a/b", "--recorder"),
        ("dock card more words", "more words"),
        ("status --json=1", "--json"),
        ("status --home", "--home"),
        ("status --home ", "--home"),
        ("dock ", "PATH"),
        ("verify ", "PATH"),
    ],
)
def test_wrong_usage_is_answered_in_the_user_s_words_and_language(words: str, named: str) -> None:
    english, chinese = (evidock("--lang", language, *words.split(" ")) for language in ("en", "zh"))
    assert (english.code, chinese.code) == (2, 2)
    assert named in english.err
    assert named in chinese.err
    command = " ".join(word for word in words.split(" ")[:2] if word in {"recordings", "list", "note", "mark", "show"})
    assert f"evidock {command or words.split(' ', maxsplit=1)[0]} --help" in chinese.err
    said = re.sub(r"evidock [a-z ]+ --help|evidock:|[A-Z]+-[0-9]+|" + re.escape(named), "", chinese.err)
    known = {"broker", "store", "ingest", "agent", "workstation", "station", "centre", "state_secret", "trade_secret"}
    assert set(re.findall(r"[a-z_]{3,}", said)) <= known | {"privacy"}, "no English in a Chinese line"


@pytest.mark.root
@pytest.mark.parametrize("command", ["status", "init --role workstation", "recordings list", "verify"])
def test_somebody_else_s_home_is_no_wrong_usage(command: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    evidock("--home", str(home), "init", "--role", "workstation")
    for folder in (tmp_path, *tmp_path.parents[:-2]):
        folder.chmod(folder.stat().st_mode | 0o055)
    words = ("--json", "--home", str(home), *command.split())
    assert evidock(*words).code == 0, "also loads what somebody else may not read"
    evidock("--home", str(tmp_path / "none"), "status")
    os.seteuid(65534)
    try:
        called = evidock(*words)
    finally:
        os.seteuid(0)
    assert called.code == 4
    assert called.document["error"]["code"] == "CLI-011"
    assert str(home) in called.err
    assert len(called.err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        "status --home {none}",
        "recordings show R-ffff",
        "recordings tag R-ffff --case 1",
        "custody show 99",
        "custody log",
        "recorder show nobody",
        "policy show nobody",
        "policy explain nobody",
        "policy show",
        "verify {none}",
        "dock {none}",
        "dock {home}",
        "dock {home}/evidock.toml",
        "recordings note R-1 --reason none --statement x",
        "recordings note R-1 --reason obstruction",
        "recordings list --since noon",
        "init --role centre",
        "init --role workstation --policy none",
        "init --role workstation --home {home}/keys",
        "report reconciliation",
        "status",
        "doctor",
    ],
)
def test_a_chinese_answer_is_chinese_to_its_commas(words: str, tmp_path: Path) -> None:
    home = str(tmp_path / "home")
    evidock("--home", home, "init", "--role", "workstation")
    called = evidock("--lang", "zh", "--home", home, *words.format(home=home, none=tmp_path / "none").split())
    for line in (called.out + called.err).splitlines():
        assert not HALF_WIDTH.search(re.sub(r"^(evidock:|!) ", "", line))
        said = re.sub(r"(?:evidock|policy|recordings|recorder|custody|sudo|stop)(?: --?[a-z]+| [a-z]+)*", "", line)
        assert not re.search(r"[a-z]{2,} [a-z]{2,} [a-z]{2,}", said), "an English sentence"


def test_a_mistyped_command_is_answered_with_the_right_one() -> None:
    assert "dock" in evidock("dok").err


@pytest.mark.parametrize("command", ["run", "status", "dock .", "preflight .", "recorder list", "recordings list"])
def test_no_home_is_exit_four_and_says_how_to_make_one(command: str, tmp_path: Path) -> None:
    called = evidock("--json", *command.split(), "--home", str(tmp_path / "nowhere"))
    assert called.code == 4
    assert called.document["error"]["code"] == "HOST-021"
    assert "evidock init" in called.document["error"]["fix"]
    assert len(called.err.splitlines()) == 1


def test_every_mistake_of_a_configuration_is_named_at_once(tmp_path: Path) -> None:
    home = tmp_path / "home"
    evidock("init", "--role", "workstation", "--home", str(home))
    config = (home / "evidock.toml").read_text()
    config = config.replace("watch_usb = true", 'watch_usb = "yes"').replace("port = 0", "port = 70000", 1)
    (home / "evidock.toml").write_text(config + "nonsense = 1\n")
    called = evidock("status", "--home", str(home))
    assert called.code == 2
    assert all(name in called.err for name in ("station.watch_usb", "broker.port", "centre.nonsense", "HOST-020"))
    assert len(called.err.splitlines()) == 1


def test_a_mistake_of_ours_shows_no_traceback_and_keeps_it_for_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(doctor_module, "check_machine", fail)
    called = evidock("--json", "doctor", "--home", str(tmp_path / "home"), environment={"TMPDIR": str(tmp_path)})
    assert called.code == 1
    assert "Traceback" not in called.err
    [kept] = tmp_path.glob("evidock-error-*.txt")
    assert "ZeroDivisionError" in kept.read_text()
    assert str(kept) in called.document["error"]["fix"]


def test_a_hostile_path_cannot_command_the_terminal(tmp_path: Path) -> None:
    called = evidock("status", "--home", str(tmp_path / "\x1b[31mred"))
    assert "\x1b" not in called.err


def test_neither_a_path_nor_a_setting_nor_a_file_can_command_the_terminal(tmp_path: Path) -> None:
    home = tmp_path / "\x1b[31mhome"
    made = evidock("--home", str(home), "init", "--role", "workstation")
    config = (home / "evidock.toml").read_text().replace('unit = ""', 'unit = "\\u001b[2Jclear\\u202e"')
    (home / "evidock.toml").write_text(config)
    bad = tmp_path / "pack.toml"
    bad.write_text('id = "\x1b[31m\n')
    for called in (made, *(evidock("--home", str(home), word) for word in ("status", "doctor", "verify"))):
        assert not {"\x1b", "\u202e"} & set(called.out + called.err), called
    assert "\x1b" not in evidock("policy", "check", str(bad)).out


@pytest.mark.parametrize(("words", "code"), [("policy show", 0), ("policy check {bad}", 1), ("--help", 0), ("dok", 2)])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_is_gone_takes_no_verdict_with_it(words: str, code: int, stream: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("no pack")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "operator_cli", *words.format(bad=tmp_path / "bad.toml").split()],
        stdout=writing if stream == "stdout" else subprocess.PIPE,
        stderr=writing if stream == "stderr" else subprocess.PIPE,
        cwd=ROOT,
        check=False,
    )
    os.close(writing)
    assert done.returncode == code
    assert b"Traceback" not in (done.stderr or b"")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_nobody_s_file(closed: str, tmp_path: Path) -> None:
    """A descriptor below 3 that is free would be the next file we open, and a stray line would go into it."""
    home = tmp_path / "home"
    call = f"{sys.executable} -m operator_cli --home {home} init --role centre {closed}"
    assert subprocess.run(["bash", "-c", call], cwd=ROOT, check=False).returncode == 0
    assert evidock("--home", str(home), "status").code == 0


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    pipe = f"{sys.executable} -m operator_cli policy show | head -n 1"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("on_path", "called", "typed"),
    [(True, "bin/evidock", "evidock"), (False, "bin/evidock", "bin/evidock"), (True, "other/evidock", "other/evidock")],
)
def test_what_we_tell_people_to_type_is_what_works_for_them(
    on_path: bool, called: str, typed: str, tmp_path: Path
) -> None:
    for name in ("bin/evidock", "other/evidock"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch(mode=0o755)
    path = str(tmp_path / "bin") if on_path else "/nonexistent"
    told = Invocation.called_as(str(tmp_path / called), environment={"PATH": path})
    assert told == (typed if typed == "evidock" else str(tmp_path / typed))
