"""Copies on a recorder are erased one by one, each proved right before and signed right after."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edge_agent.free import FreeOutcome, free_recorder
from edge_agent.session_book import SessionResult
from edge_agent.volume import VolumeRoot
from evidence_model.states import SessionState
from retention.recorder_copy import FreePolicy, KeepReason
from tests.crash.steps import PowerCutError, Steps, When
from tests.docking import OLD_NS, RECORDER, DockHome, QuickPatience, dock_home, noise, put
from tests.fakes.faulty_volume import Faults
from tests.homes import Home

MIB = 1 << 20
ON = FreePolicy(enabled=True)


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    put(folder, "DCIM/1.MP4", noise(2 * MIB, seed=1))
    put(folder, "DCIM/2.MP4", noise(2 * MIB, seed=2))
    return folder


def _receipt(dock: DockHome, *paths: str) -> None:
    """Note receipts as the ingest daemon does after verifying them."""
    with dock.station() as station, station.journal.desk() as desk:
        for path in paths:
            desk.db.execute(
                "update envelope set receipt = x'7b7d', log_index = seq, receipted_unix_ms = 1 where seq in"
                " (select pulled_seq from item where raw_path = ?)",
                (path.encode(),),
            )


def _free(dock: DockHome, card: Path, result: SessionResult, *, policy: FreePolicy = ON) -> dict[str, FreeOutcome]:
    with dock.station() as station, station.journal.desk() as desk, VolumeRoot.open(card) as volume:
        outcomes = free_recorder(
            station,
            desk,
            volume,
            RECORDER,
            session_id=result.session_id,
            policy=policy,
            patience=QuickPatience(dock.clock),
        )
    return {os.fsdecode(outcome.raw_path): outcome for outcome in outcomes}


def test_only_what_has_its_receipt_goes_and_the_event_says_why(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4")
    outcomes = _free(dock, card, result)
    assert outcomes["DCIM/1.MP4"].freed
    assert outcomes["DCIM/2.MP4"].keep == (KeepReason.NO_RECEIPT, KeepReason.NOT_CHECKED)
    assert [path.name for path in card.rglob("*.MP4")] == ["2.MP4"]
    (freed,) = dock.events("recorder.freed")
    assert freed.body["path_hex"] == b"DCIM/1.MP4".hex()
    assert freed.body["reasons"] == [
        "receipt-verified-by-this-station",
        "recorder-read-again-right-before",
        "bytes-equal",
    ]
    assert freed.asset is not None
    assert freed.asset.seq == 3  # after pulled and reread
    assert dock.rows("select count(*) from item_state where state = 'freed'") == [(1,)]
    dock.check_sound()


def test_nothing_goes_unless_the_site_wants_it(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4", "DCIM/2.MP4")
    assert not any(outcome.freed for outcome in _free(dock, card, result, policy=FreePolicy()).values())
    assert len(list(card.rglob("*.MP4"))) == 2


def test_case_30_bytes_that_changed_behind_equal_size_and_stamp_stay(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4", "DCIM/2.MP4")
    content = bytearray(noise(2 * MIB, seed=1))
    content[MIB + 5] ^= 1  # in the middle: neither end tells
    put(card, "DCIM/1.MP4", bytes(content))
    put(card, "DCIM/2.MP4", noise(2 * MIB, seed=2), mtime_ns=OLD_NS + 1)
    outcomes = _free(dock, card, result)
    assert outcomes["DCIM/1.MP4"].keep == (KeepReason.DIFFERENT_BYTES,)
    assert KeepReason.CHANGED in outcomes["DCIM/2.MP4"].keep
    assert len(list(card.rglob("*.MP4"))) == 2


def test_case_31_locked_files_stay(dock: DockHome, tmp_path: Path) -> None:
    card = tmp_path / "novatek"
    put(card, "DCIM/Movie/RO/2026_1101_100000_002.MP4", b"locked")
    result = dock.dock(card)
    _receipt(dock, "DCIM/Movie/RO/2026_1101_100000_002.MP4")
    (outcome,) = _free(dock, card, result).values()
    assert KeepReason.LOCKED in outcome.keep


def test_case_31_a_file_that_was_locked_after_its_copy_was_made_stays(dock: DockHome, tmp_path: Path) -> None:
    card = tmp_path / "novatek"
    late = put(card, "DCIM/Movie/2026_1101_100000_002.MP4", b"locked later")
    put(card, "DCIM/Movie/2026_1101_110000_003.MP4", b"never locked")
    result = dock.dock(card)
    _receipt(dock, "DCIM/Movie/2026_1101_100000_002.MP4", "DCIM/Movie/2026_1101_110000_003.MP4")
    late.chmod(0o444)
    outcomes = _free(dock, card, result)
    assert outcomes["DCIM/Movie/2026_1101_100000_002.MP4"].keep == (KeepReason.LOCKED, KeepReason.NOT_CHECKED)
    assert late.exists()
    assert outcomes["DCIM/Movie/2026_1101_110000_003.MP4"].freed


@pytest.mark.root
def test_a_file_that_cannot_be_erased_stays_and_stops_no_later_one(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4", "DCIM/2.MP4")
    stuck = card / "DCIM/1.MP4"
    subprocess.run(["mount", "--bind", stuck, stuck], check=True)  # the kernel refuses to erase a mount point
    try:
        outcomes = _free(dock, card, result)
    finally:
        subprocess.run(["umount", stuck], check=True)
    assert outcomes["DCIM/1.MP4"].keep == (KeepReason.CANNOT_BE_ERASED,)
    assert outcomes["DCIM/2.MP4"].freed
    assert [view.body["path_hex"] for view in dock.events("recorder.freed")] == [b"DCIM/2.MP4".hex()]
    assert dock.dock(card).ok  # the intent is void
    assert _free(dock, card, result)["DCIM/1.MP4"].freed
    dock.check_sound()


def test_a_copy_with_holes_stays_for_the_expert_who_may_read_more(dock: DockHome, card: Path) -> None:
    result = dock.dock(card, files=Faults(bad={b"DCIM/1.MP4": [(MIB, MIB + 1)]}).files)
    _receipt(dock, "DCIM/1.MP4")
    assert KeepReason.HOLES in _free(dock, card, result)["DCIM/1.MP4"].keep


def test_a_link_in_the_place_of_a_file_is_not_followed(dock: DockHome, card: Path, tmp_path: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4", "DCIM/2.MP4")
    target = put(tmp_path, "elsewhere.mp4", noise(2 * MIB, seed=1))
    (card / "DCIM/1.MP4").unlink()
    (card / "DCIM/1.MP4").symlink_to(target)
    assert not _free(dock, card, result)["DCIM/1.MP4"].freed
    assert target.exists()


def test_a_freed_file_that_is_back_is_not_erased_again(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4")
    _free(dock, card, result)
    put(card, "DCIM/1.MP4", noise(2 * MIB, seed=1))
    again = dock.dock(card)
    assert again.ok
    assert "DCIM/1.MP4" not in _free(dock, card, again)
    assert (card / "DCIM/1.MP4").exists()


def test_a_docking_with_damage_frees_nothing(dock: DockHome, card: Path) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4")
    with dock.station() as station, station.journal.desk() as desk:
        found = '[{"code": "EDGE-103", "severity": "damage", "subject": "x", "details": {}}]'
        desk.db.execute("update session set findings = ?", (found,))
    assert KeepReason.DAMAGE in _free(dock, card, result)["DCIM/1.MP4"].keep


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_stop_at_any_step_of_freeing_is_mended_at_the_next_docking(
    dock: DockHome, card: Path, tmp_path: Path
) -> None:
    result = dock.dock(card)
    _receipt(dock, "DCIM/1.MP4", "DCIM/2.MP4")
    cut_count = 0
    for at, when in itertools.product(range(1, 40), When):
        root, here = tmp_path / f"{at}-{when.value}", tmp_path / f"card-{at}-{when.value}"
        shutil.copytree(dock.home.paths.root, root)
        shutil.copytree(card, here)
        one = DockHome(_home_at(dock.home, root))
        steps = Steps(at=at, when=when)
        try:
            with steps:
                _free(one, here, result)
        except PowerCutError:
            cut_count += 1
        again = one.dock(here)
        assert again.state is SessionState.PULLED
        _free(one, here, again)
        assert not list(here.rglob("*.MP4")), steps.stopped_at
        freed = [str(view.body["path_hex"]) for view in one.events("recorder.freed")]
        assert sorted(freed) == [b"DCIM/1.MP4".hex(), b"DCIM/2.MP4".hex()], steps.stopped_at
        assert one.rows("select count(*) from freeing") == [(0,)]
        one.check_sound()
        shutil.rmtree(root)
        if not steps.stopped_at:
            break
    assert cut_count > 10


def _home_at(home: Home, root: Path) -> Home:
    return Home(type(home.paths)(root), home.config, home.trust, home.station, home.centre, home.log)
