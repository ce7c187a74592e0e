"""What a file says of itself, read in a caged process; whatever is wrong with it, it is kept and flagged."""

import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent import media_child, media_facts
from edge_agent.boxes import MediaFlag, look_at
from edge_agent.media_facts import Container, MediaFacts, probe
from evidence_model.canonical import canonical_bytes
from evidence_model.known import Known, Unknown
from operator_cli.simulated_recorder import make_recorder
from tests.real_media import ALL, ANDROID_9, IPHONE_5, PLAIN_AVI, PLAIN_MP4, real_file

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sim") / "r"
    make_recorder(path, now=NOW)
    return path


@pytest.fixture(scope="module")
def clip(recorder: Path) -> Path:
    return min((recorder / "IMP").iterdir())


def container_of(facts: MediaFacts) -> Container:
    assert isinstance(facts.container, Known), facts.container
    return facts.container.value


def test_a_whole_clip_tells_its_streams_length_and_time(clip: Path) -> None:
    facts = probe(clip)
    media = container_of(facts)
    assert facts.is_whole
    assert {(stream.kind, stream.codec) for stream in media.streams} == {("video", "h264"), ("audio", "aac")}
    assert media.streams[0].width == 640
    assert isinstance(media.duration_ms, Known)
    assert 2_900 <= media.duration_ms.value <= 3_300
    assert isinstance(media.creation_time, Known)
    assert media.creation_time.value.startswith("2026-11-22T02:30:00")


def test_case_11_a_stump_without_index_is_flagged_and_untouched(recorder: Path) -> None:
    stumps = [
        path
        for path in (recorder / "DCIM").iterdir()
        if path.stat().st_size and MediaFlag.NO_INDEX in probe(path).flags
    ]
    assert len(stumps) == 1
    before = stumps[0].read_bytes()
    facts = probe(stumps[0])
    assert isinstance(facts.container, Unknown)
    assert {MediaFlag.NO_INDEX, MediaFlag.CUT_SHORT} == facts.flags
    assert [finding.code for finding in facts.findings("x")] == ["EDGE-250"]
    assert stumps[0].read_bytes() == before


def test_case_11_every_cut_of_a_clip_is_noticed(clip: Path, tmp_path: Path) -> None:
    whole = clip.read_bytes()
    path = tmp_path / "cut.mp4"
    for share in range(1, 20):
        path.write_bytes(whole[: len(whole) * share // 20])
        with path.open("rb") as file:
            assert look_at(file.fileno()).flags & {MediaFlag.NO_INDEX, MediaFlag.CUT_SHORT}


def test_case_12_an_empty_file_is_flagged_without_starting_anything(tmp_path: Path) -> None:
    path = tmp_path / "empty.mp4"
    path.touch()
    facts = probe(path, python="/nonexistent")
    assert facts.flags == {MediaFlag.EMPTY}
    assert [finding.code for finding in facts.findings("x")] == ["EDGE-251"]


def test_case_12_a_tail_of_zeros_is_flagged(clip: Path, tmp_path: Path) -> None:
    path = tmp_path / "tail.mp4"
    path.write_bytes(clip.read_bytes() + bytes(300_000))
    assert MediaFlag.ZERO_TAIL in probe(path).flags
    path.write_bytes(bytes(300_000))
    assert MediaFlag.ZERO_TAIL in probe(path).flags


def test_case_45_ciphertext_is_flagged_as_such_and_not_as_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "secret.mp4"
    path.write_bytes(random.Random(45).randbytes(400_000))
    facts = probe(path)
    assert facts.flags == {MediaFlag.ENCRYPTED_LOOK}
    assert [finding.code for finding in facts.findings("x")] == ["EDGE-252"]


@pytest.mark.parametrize("content", [b"a text file\n" * 900, b'{"json": true}' * 400, bytes(range(256)) * 4])
def test_what_is_neither_dense_nor_media_is_not_called_encrypted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.mp4"
    path.write_bytes(content)
    assert MediaFlag.ENCRYPTED_LOOK not in probe(path).flags


def test_case_46_sound_alone_pictures_alone_and_silent_video_are_no_fault(recorder: Path, tmp_path: Path) -> None:
    sound = next((recorder / "AUDIO").iterdir())
    assert probe(sound).is_whole
    silent = tmp_path / "silent.mp4"
    clip = next((recorder / "IMP").iterdir())
    subprocess.run(["ffmpeg", "-v", "error", "-i", clip, "-an", "-c", "copy", silent], check=True)
    assert probe(silent).is_whole
    assert {stream.kind for stream in container_of(probe(silent)).streams} == {"video"}


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile target.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/x.ts\n",
    ],
)
def test_a_playlist_cannot_make_us_open_another_file(tmp_path: Path, playlist: str, clip: Path) -> None:
    target = tmp_path / "target.mp4"
    shutil.copy(clip, target)
    path = tmp_path / "innocent.mp4"
    path.write_text(playlist.replace("/etc/passwd", str(target)))
    facts = probe(path)
    assert isinstance(facts.container, Unknown)
    assert facts.flags == {MediaFlag.UNREADABLE}


@pytest.mark.parametrize("seed", range(12))
def test_damaged_media_never_raise(clip: Path, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    content = bytearray(clip.read_bytes())
    for _ in range(200):
        content[chance.randrange(len(content))] = chance.randrange(256)
    for place in range(64):
        if chance.random() < 0.2:
            content[place] = chance.randrange(256)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    assert canonical_bytes(probe(path).as_body())


def test_a_file_that_went_away_is_unknown(tmp_path: Path) -> None:
    assert isinstance(probe(tmp_path / "gone.mp4").container, Unknown)


def test_a_probe_that_hangs_is_killed_with_all_it_started(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "grandchild"
    script = tmp_path / "hang.py"
    script.write_text(
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        f"pathlib.Path({str(marker)!r}).write_text(str(child.pid))\ntime.sleep(300)\n"
    )
    monkeypatch.setattr(media_facts, "_CHILD", script)
    began = time.monotonic()
    facts = probe(clip, timeout_s=1.5)
    assert time.monotonic() - began < 30
    assert isinstance(facts.container, Unknown)
    assert "longer" in facts.container.why
    grandchild = int(marker.read_text())
    deadline = time.monotonic() + 10
    while _is_running(grandchild):
        assert time.monotonic() < deadline, "ffprobe's stand-in outlived the probe"
        time.sleep(0.02)


def test_a_child_that_says_too_much_is_cut_off(tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "loud.py"
    script.write_text("import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n")
    monkeypatch.setattr(media_facts, "_CHILD", script)
    assert isinstance(probe(clip, timeout_s=10).container, Unknown)


@pytest.mark.parametrize(
    "answer", ["", "[]", "{}", '{"streams": 3}', '{"format": [], "streams": [1, {}], "tags": "x"}', "{"]
)
def test_an_answer_that_makes_no_sense_harms_nothing(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    script = tmp_path / "odd.py"
    script.write_text(f"print({answer!r})")
    monkeypatch.setattr(media_facts, "_CHILD", script)
    assert canonical_bytes(probe(clip).as_body())


def test_texts_of_a_hostile_container_are_short_and_safe_to_show(tmp_path: Path, clip: Path) -> None:
    path = tmp_path / "tagged.mp4"
    model = "\x1b[31mred\u202e" + "x" * 5_000
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", clip, "-c", "copy", "-movflags", "use_metadata_tags",
         "-metadata", f"model={model}", "-metadata", f"make={model}", path],
        check=True,
    )  # fmt: skip
    media = container_of(probe(path))
    for text in media.tags.values():
        assert text.isprintable()
        assert len(text) <= 200


def test_without_ffprobe_the_file_is_unknown_and_not_called_unreadable(
    clip: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = probe(clip)
    assert facts.container == Unknown("ffprobe is not installed")
    assert facts.is_whole


def test_the_child_cannot_write_a_file_and_has_limits() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(Path(media_child.__file__).parent)!r})\n"
        "import media_child as c, resource as r, signal, tempfile\nc.limit()\n"
        "print(r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_AS)[0] == c.MEMORY_BYTES)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    open(tempfile.mktemp(), 'wb').write(b'x')\n    print('wrote')\n"
        "except OSError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["(0, 0) True", "refused"]


def test_the_same_file_gives_the_same_probe_blob(clip: Path) -> None:
    assert probe(clip).blob() == probe(clip).blob()


def test_real_android_9_file_tells_when_where_and_how_long() -> None:
    media = container_of(probe(real_file(ANDROID_9)))
    assert media.creation_time == Known("2019-12-20T20:08:34.000000Z")
    assert media.location == Known("-15.8355-048.0153/")
    assert media.duration_ms == Known(1_600)
    assert [stream.codec for stream in media.streams] == ["h264", "aac"]


def test_real_iphone_file_tells_maker_model_place_and_both_times() -> None:
    media = container_of(probe(real_file(IPHONE_5)))
    assert (media.make, media.model) == (Known("Apple"), Known("iPhone 5"))
    assert media.location == Known("+37.7899-122.4221+081.120/")
    assert media.creation_date == Known("2012-11-26T15:33:10-0800")
    assert media.creation_time == Known("2012-11-26T23:33:37.000000Z")
    assert media.streams[0].kind == "audio"


@pytest.mark.parametrize("which", ALL)
def test_real_files_are_whole_and_their_cut_is_noticed(which: tuple[str, str], tmp_path: Path) -> None:
    path = real_file(which)
    assert probe(path).is_whole
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert not probe(cut).is_whole


def test_real_plain_files_have_no_time_and_that_is_unknown() -> None:
    for which in (PLAIN_MP4, PLAIN_AVI):
        assert isinstance(container_of(probe(real_file(which))).creation_time, Unknown)


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
