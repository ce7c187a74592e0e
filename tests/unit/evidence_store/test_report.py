"""The reports of a package say everything that was signed, to people, whatever a hostile recorder called its files."""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chain_of_custody.checkpoint import Checkpoint, origin_of, sign_checkpoint
from chain_of_custody.cosignature import add_signature, cosign
from chain_of_custody.envelope import parse_envelope
from chain_of_custody.event import Actor, parse_event
from chain_of_custody.leaf import make_leaf
from chain_of_custody.signatures import Ed25519Signer, KeyId
from chain_of_custody.witness_policy import WitnessPolicy
from evidence_model.canonical import Json
from evidence_model.digests import Digest
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import AssetId, EventId, RecorderId, RecordingId, asset_id_of
from evidence_store.errors import ReportFontError
from evidence_store.package_contents import PackageContents, PackagedItem
from evidence_store.package_events import LogState, PackagedEvent
from evidence_store.report import render_reports
from evidence_store.report_data import ReportData, ReportFacts
from evidence_store.report_font import FONT_FILE, find_report_font
from evidence_store.report_words import LANGUAGES, ReportWords, report_words
from host_io.trust import station_witness
from tests.fakes.centre_home import LOG, SITE, trust_of
from tests.fakes.fake_station import FakeStation
from tests.packages import HOSTILE_NAMES
from tests.trusts import with_witnesses

MADE_AT = datetime(2026, 11, 28, 1, 2, 3, 456000, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")
ID = EventId("01a22064-86e9-7949-a6f3-eff9b7e15d04")
HOLES = {"count": "2", "size_bytes": "1024", "retries": "9", "ranges": [["0", "512"], ["4096", "512"]]}
POPPLER = pytest.mark.skipif(shutil.which("pdftotext") is None, reason="needs poppler-utils: script/setup --test")


class Story:
    """Events of one station as a package has them."""

    def __init__(self) -> None:
        self.station = FakeStation()
        self.trust = trust_of(self.station)
        self.items: list[PackagedItem] = []
        self.events: list[PackagedEvent] = []
        self.gaps: dict[RecordingId, tuple[Mapping[str, object], ...]] = {}

    def pull(
        self, content: bytes, path: bytes = b"DCIM/0001.MP4", *, locked: bool = False, listed: int | None = None
    ) -> AssetId:
        digest = Digest(hashlib.sha256(content).digest())
        asset = asset_id_of(recorder=RecorderId("rec-1"), raw_path=path, size_bytes=len(content), digest=digest)
        item = PackagedItem(
            id=asset,
            recording=RecordingId(f"R-{asset[:12]}"),
            station=self.station.id,
            raw_path=path,
            digest=digest,
            size_bytes=len(content),
        )
        self.items.append(item)
        more: dict[str, Json] = {} if listed is None else {"listed_size_bytes": str(listed), "holes": HOLES}
        self._take(self.station.pulls(content, path=path, locked=locked, **more))  # type: ignore[arg-type]
        return asset

    def says(self, kind: EventKind, **body: Json) -> None:
        self._take(self.station.says(kind, body))

    def _take(self, raw: bytes) -> None:
        envelope = parse_envelope(raw)
        leaf = make_leaf(raw, self.station.signer)
        event = PackagedEvent(
            index=len(self.events), envelope=envelope, view=parse_event(envelope), leaf=leaf, proof=()
        )
        self.events.append(event)

    def facts(self, *, recipient: str = "", basis: str = "") -> ReportFacts:
        head = Checkpoint(origin_of(LOG.public_key), len(self.events), hashlib.sha256(b"root").digest())
        note = sign_checkpoint(head, LOG)
        for each in self.trust.witnesses.witnesses:
            note = add_signature(note, cosign(head, signer=WITNESS, name=each.key.name, at=MADE_AT))
        contents = PackageContents(LogState(note, head), self.items, self.events, gaps=self.gaps)
        return ReportFacts(
            id=ID,
            created_at=MADE_AT,
            recipient=recipient,
            basis=basis,
            contents=contents,
            trust=self.trust,
            zone=SHANGHAI,
        )


WITNESS = Ed25519Signer.from_seed(b"w" * 32)


def texts_of(facts: ReportFacts, folder: Path) -> dict[str, str]:
    """Return what pdftotext reads of each report, blanks and page breaks taken away."""
    texts = {}
    for name, pdf in render_reports(facts, find_report_font()):
        path = folder / name
        path.write_bytes(pdf)
        done = subprocess.run(["pdftotext", "-raw", str(path), "-"], capture_output=True, text=True, check=True)
        texts[name.split(".")[1]] = done.stdout
    return texts


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.fixture
def story() -> Story:
    return Story()


@POPPLER
def test_both_reports_say_everything_that_was_signed(story: Story, tmp_path: Path) -> None:
    witness = station_witness(SITE, story.station.id, WITNESS.public_key)
    story.trust = with_witnesses(story.trust, WitnessPolicy(witnesses=(witness,), quorum=witness.name))
    one = story.pull(b"film", b"DCIM/0001.MP4", locked=True, listed=5)
    two = story.pull(b"other film", b"DCIM/0002.MP4")
    story.says(
        EventKind.RECORDER_DOCKED, recorder="rec-1", session="session-1", file_count="2", clock_offset_ms="-1500"
    )
    story.says(EventKind.TAGS_SET, assets=[one], tags={"case": "武卫〔2026〕12号", "party": "王某"}, typed_by="li")
    story.says(EventKind.TAGS_SET, assets=[one], tags={"party": "王某某", "case": "武卫〔2026〕12号"}, typed_by="li")
    story.says(
        EventKind.NOTE_INTERRUPTION,
        assets=[one],
        reason="battery_exhausted",
        text="换电池",
        from_at="2026-11-22T01:01:00.000Z",
        typed_by="li",
    )
    story.says(EventKind.RECORDING_MARKED, assets=[one, two], mark="privacy", on=True)
    recording = story.items[0].recording
    story.gaps[recording] = (
        {"code": "EM-040", "details": {"after": one, "before": two, "length_ms": "65000"}},
        {"code": "EM-042", "details": {"after": one, "before": two, "first": "3", "last": "7"}},
    )
    interval = (MADE_AT, MADE_AT + timedelta(hours=1))
    facts = replace(story.facts(recipient="江岸区法院", basis="no. 7"), approval="ab" * 32, intervals={one: interval})
    texts = texts_of(facts, tmp_path)
    everywhere = [
        ID,
        SITE,
        "2026-11-28 09:02:03.456+08:00",
        "江岸区法院",
        "no. 7",
        "ab" * 32,
        "ce",
        facts.contents.state.head.origin,
        facts.contents.state.head.root.hex(),
        f"{SITE}/{story.station.id}",
        "quorum station-1",
        *(item.digest.hex for item in story.items),
        *(item.recording for item in story.items),
        "DCIM/0001.MP4",
        "DCIM/0002.MP4",
        "rec-1",
        "station-1",
        "2026-11-22 09:00:01.000",
        "±4 ms",
        "武卫〔2026〕12号",
        "王某某",
        "换电池",
        "2026-11-22 09:01:00.000+08:00",
        "EM-040",
        "65.000",
        "EM-042",
        "-1500",
        "2026-11-28 10:02:03.456+08:00",
        str(KeyId.of(LOG.public_key)),
        str(KeyId.of(story.station.signer.public_key)),
        "openssl pkeyutl -verify",
        "sha256sum --quiet -c manifest-sha256.txt",
    ]
    own = {
        "zh": [
            "中断原因",
            "电量不足",
            "个人隐私",
            "录像有间断",
            "缺号3至7",
            "仅机器所说；输入者自称li",
            "文件1–2",
            "电子数据完整性说明",
            "第1页，共",
            "在记录仪上已锁定",
            "不早于",
        ],
        "en": [
            "interruption was explained",
            "battery was exhausted",
            "personal privacy",
            "a gap in the recording",
            "numbers 3 to 7",
            "machine's word alone; typed by li (a claim)",
            "file 1–2",
            "Certification of electronic records",
            "page 1 of",
            "locked on the recorder",
            "listed with 5 bytes",
            "2 places of 1024 bytes",
            "not before",
        ],
    }
    for language, text in texts.items():
        missing = [each for each in (*everywhere, *own[language]) if bare(each) not in bare(text)]
        assert not missing, (language, missing)
    assert "王某\n" not in texts["zh"].split("三、")[0].split("二、")[0], "an older tag is not the tag now"


@POPPLER
def test_the_font_is_embedded_and_the_report_is_pdf_a(story: Story, tmp_path: Path) -> None:
    story.pull(b"film")
    for name, pdf in render_reports(story.facts(), find_report_font()):
        (tmp_path / name).write_bytes(pdf)
        done = subprocess.run(["pdffonts", str(tmp_path / name)], capture_output=True, text=True, check=True)
        fonts = done.stdout.splitlines()[2:]
        assert len(fonts) == 2
        assert all("WenQuanYi" in font and re.search(r"Identity-H\s+yes yes yes", font) for font in fonts), done.stdout
        assert b"pdfaid:part>2<" in pdf
        assert b"pdfaid:conformance>B<" in pdf


def test_the_same_content_gives_the_same_bytes(story: Story) -> None:
    story.pull(b"film")
    first = dict(render_reports(story.facts(), find_report_font()))
    assert dict(render_reports(story.facts(), find_report_font())) == first
    assert dict(render_reports(story.facts(recipient="x"), find_report_font())) != first


@POPPLER
def test_an_empty_package_of_one_event_says_what_there_is_not(story: Story, tmp_path: Path) -> None:
    story.pull(b"")
    texts = texts_of(story.facts(), tmp_path)
    for words in (
        "无：本单位尚无审批",
        "无：没有见证方联署",
        "未写明",
        "没有得到证明的时间区间",
        "案号；当事人；承办人；活动；地点",
    ):
        assert words in bare(texts["zh"])
    for words in (
        "none: this site has no approvals yet",
        "no witness cosigned",
        "not stated",
        "no interval of time is proved",
    ):
        assert bare(words) in bare(texts["en"])


HOSTILE_WORDS = {
    "case": "#set page(width: 1cm)\n= Forged heading",
    "party": "*bold* _it_ $x^2$ `raw` <label> @ref #panic(1) https://x.example // /* ] ) } \\ \\u{202e}",
    "handler": "a\u202eb\u2066c\u200bd\ufeffe\x00\x1b[2J\u2028f",
    "place": "x" * 10_000,
    "own": "2026-11-22T01:00:00.000Z",
    "activity": "\U0001f600 བོད 䶮 \ue000 ئۇ \u0301" + "。" * 300,
}


@POPPLER
def test_hostile_words_show_and_do_nothing(story: Story, tmp_path: Path) -> None:
    assets = [story.pull(b"x" * n, name) for n, name in enumerate(HOSTILE_NAMES)]
    story.pull(b"long", b"DCIM/" + b"n" * 10_000)
    story.pull(b"wide", "名".encode() * 5_000)
    story.says(EventKind.TAGS_SET, assets=assets[:1], tags=HOSTILE_WORDS, typed_by="\u202e#x")
    texts = texts_of(story.facts(recipient="\u202e*to*\n", basis="#b"), tmp_path)
    for text in texts.values():
        found = bare(text)
        for words in (
            "#setpage(width:1cm)\\u{a}=Forgedheading",
            "*bold*_it_$x^2$`raw`<label>@ref#panic(1)https://x.example///*])}\\\\\\\\u{202e}",
            "a\\u{202e}b\\u{2066}c\\u{200b}d\\u{feff}e\\u{0}\\u{1b}[2J\\u{2028}f",
            "\\u{1f600}\\u{f56}\\u{f7c}\\u{f51}\\u{4dae}\\u{e000}\\u{626}\\u{6c7}",
            "\\u{202e}*to*\\u{a}",
            "2026-11-22T01:00:00.000Z",
            "DCIM/\\u{202e}gnp.mp4",
            "DCIM/a\\u{a}b\\u{d}.mp4",
            "DCIM/\\xff\\xfe.mp4",
            "现场二.mp4",
        ):
            assert words in found, words
        assert 2400 < text.count("x") < 5000, "long words are cut, and say so"
        assert all(item.digest.hex in found for item in story.items), "a long name pushes nothing off the page"
        hidden = {sign for sign in text if unicodedata.category(sign) in {"Cf", "Cc", "Co", "Cn"}}
        assert hidden <= {"\n", "\f"}
    assert "此处略去" in bare(texts["zh"])
    assert not _runs_over(tmp_path / "report.en.pdf")
    assert not _runs_over(tmp_path / "report.zh.pdf")


@POPPLER
def test_every_character_that_the_font_has_stands_as_itself(story: Story, tmp_path: Path) -> None:
    asset = story.pull(b"film")
    font = find_report_font()
    signs = sorted(font.drawable)
    for at in range(0, len(signs), 12_000):
        parts = ["".join(signs[start : start + 2_000]) for start in range(at, at + 12_000, 2_000)]
        story.says(EventKind.TAGS_SET, assets=[asset], tags={f"t{at}.{n}": part for n, part in enumerate(parts)})
    _, pdf = next(iter(render_reports(story.facts(), font)))
    (tmp_path / "report.pdf").write_bytes(pdf)
    done = subprocess.run(
        ["pdftotext", "-raw", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, check=True
    )
    assert set(signs) - set(done.stdout) <= {"\u3000"}  # a blank at the end of a line
    assert font.shown("\u3164") == "\\u{3164}", "a letter that nobody sees"


def _runs_over(pdf: Path) -> list[str]:
    """Return what stands outside the margins of an A4 page by more than half a Chinese bracket."""
    done = subprocess.run(["pdftotext", "-bbox", str(pdf), "-"], capture_output=True, text=True, check=True)
    words = re.findall(
        r'<word xMin="([\d.-]+)" yMin="[\d.-]+" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>', done.stdout
    )
    assert words
    return [word for left, right, low, word in words if float(left) < 44 or float(right) > 552 or float(low) > 830]


@pytest.mark.parametrize("level", ActorLevel)
def test_who_says_so_is_told_by_its_level(story: Story, level: ActorLevel) -> None:
    story.pull(b"film")
    [event] = story.events
    kind = ActorKind.STATION if level is ActorLevel.STATION else ActorKind.PERSON
    view = replace(event.view, actor=Actor(kind, "P001234", level))
    story.events[0] = replace(event, view=view)
    said = data_of(story, "en")["events"][0]
    expected = {
        ActorLevel.PERSON_KEY: "P001234, names a personal key",
        ActorLevel.SESSION: "P001234, session (the machine's word)",
        ActorLevel.STATION: "machine's word alone",
    }
    assert said[6] == expected[level]


def test_a_clock_at_the_end_of_the_calendar_stops_no_report(story: Story) -> None:
    story.station.now_at = datetime(9999, 12, 31, 23, 59, 58, tzinfo=UTC)
    story.pull(b"film")
    data = data_of(story, "en")
    assert data["events"][0][1:3] == ["9999-12-31 23:59:59.000", "+00:00  NTP ±4 ms"]
    assert data["recordings"][0]["items"][0]["pulled"] == data["events"][0][1:3]
    assert len(list(render_reports(story.facts(), find_report_font()))) == 2


def data_of(story: Story, language: str) -> Mapping[str, Any]:
    return ReportData(story.facts(), report_words(language), find_report_font()).as_json()


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_package_of_ten_thousand_events_is_set_in_reasonable_time(story: Story) -> None:
    for number in range(2000):
        asset = story.pull(b"film %d" % number, b"DCIM/%04d.MP4" % number)
        for _ in range(4):
            story.says(
                EventKind.FOOTAGE_REREAD, assets=[asset], start_at="2026-11-22T01:00:00.000Z", duration_ms="60000"
            )
    assert all(pdf.startswith(b"%PDF") for _, pdf in render_reports(story.facts(), find_report_font()))


def test_a_missing_or_broken_font_is_named_with_what_mends_it(tmp_path: Path) -> None:
    with pytest.raises(ReportFontError, match=r"sudo apt-get install fonts-wqy-microhei") as told:
        find_report_font([tmp_path, tmp_path / "none"])
    assert told.value.code == "CLI-200"
    for data in (b"", b"ttcf", b"ttcf" + bytes(100), struct.pack(">4sIIII", b"ttcf", 1, 1, 16, 0xFFFF0000)):
        (tmp_path / FONT_FILE).write_bytes(data)
        with pytest.raises(ReportFontError, match="cannot be read"):
            find_report_font([tmp_path])


def test_both_languages_have_the_same_words_and_a_word_for_every_kind() -> None:
    zh, en = (report_words(language) for language in LANGUAGES)
    shape = {
        name: set(value) if isinstance(value, dict) and name != "terms" else None for name, value in zh.table.items()
    }
    assert shape == {
        name: set(value) if isinstance(value, dict) and name != "terms" else None for name, value in en.table.items()
    }
    assert {kind.value for kind in EventKind} <= set(zh.section("kinds"))
    assert {level.value for level in ActorLevel} < set(zh.section("levels"))
    assert blanks(zh) == blanks(en)
    assert not re.search(r"[\u4e00-\u9fff]", str({name: each for name, each in en.table.items() if name != "page"}))
    half_width = re.compile(r"[\u4e00-\u9fff）][,:;?!()]|[,:;?!()][\u4e00-\u9fff（]")
    assert not half_width.search(str(list(zh.table.values())))


def blanks(words: ReportWords) -> dict[str, list[str]]:
    return {
        f"{name}.{key}": sorted(re.findall(r"(?<!\{)\{[a-z]+\}", str(value)))
        for name, section in words.table.items()
        if isinstance(section, dict) and name != "terms"
        for key, value in section.items()
    }


def test_every_word_of_ours_can_be_drawn() -> None:
    font = find_report_font()
    for language in LANGUAGES:
        words = report_words(language)
        assert not {sign for sign in f"{words.table}{words.page}" if sign not in font.drawable}


@pytest.mark.parametrize("language", LANGUAGES)
def test_claims_commands_and_limits_are_those_of_the_page(language: str) -> None:
    page = report_words(language).page
    assert len(page.steps) == 11
    assert len(page.claims) >= 8
    assert len(page.limits) >= 9
    named = {step for *_, steps in page.claims for _, text in steps for step in re.findall(r"\d+", text)}
    assert named == {str(number) for number in range(1, 12)}
    assert all(limit[0][0] == "strong" for limit in page.limits)
