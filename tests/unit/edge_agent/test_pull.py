"""What comes into the spool is what lies on the recorder, whatever the recorder does meanwhile."""

import errno
import hashlib
import os
import random
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.inspection import inspect
from edge_agent.progress import Progress
from evidence_model.digests import CHUNK_BYTES
from evidence_model.ids import RecorderId
from evidence_model.states import SessionState
from host_io import durable
from tests.docking import OLD_NS, DockHome, QuickPatience, dock_home, noise, put
from tests.fakes.faulty_volume import Faults

MIB = 1 << 20


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    folder.mkdir()
    return folder


def test_every_file_is_pulled_once_byte_for_byte_signed_and_read_again(dock: DockHome, card: Path) -> None:
    for number, size in enumerate((0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 9 * CHUNK_BYTES + 7)):
        put(card, f"DCIM/{number}.MP4", noise(size, seed=number))
    result = dock.dock(card)
    assert result.ok
    assert len(result.files) == 6
    assert result.bytes_pulled == sum(path.stat().st_size for path in card.rglob("*.MP4"))
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


def test_events_of_a_docking_come_in_their_order(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", b"a")
    dock.dock(card)
    kinds = [view.kind for view in dock.events()]
    assert kinds == ["recorder.docked", "preflight.done", "footage.pulled", "footage.reread"]


def test_docking_twice_gives_no_second_item_and_reads_no_whole_file_again(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(5 * MIB))
    dock.dock(card)
    read = 0

    def count(_path: bytes, _offset: int) -> None:
        nonlocal read
        read += 1

    again = dock.dock(card, files=Faults(on_read=count).files)
    assert again.ok
    assert [file.is_new for file in again.files] == [False]
    assert read <= 3  # first and last MiB
    assert len(dock.events("footage.pulled")) == 1
    dock.check_sound()


def test_case_07_equal_names_of_two_recorders_are_both_kept(dock: DockHome, tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    put(one, "DCIM/100MEDIA/AMBA0001.MP4", b"of the first recorder")
    put(two, "DCIM/100MEDIA/AMBA0001.MP4", b"of the other recorder")
    assert dock.dock(one, recorder=None).ok
    assert dock.dock(two, recorder=None).ok
    assert dock.copies() == {b"DCIM/100MEDIA/AMBA0001.MP4": {b"of the first recorder", b"of the other recorder"}}
    dock.check_sound()


def test_case_08_same_name_with_other_content_is_a_new_item(dock: DockHome, card: Path) -> None:
    put(card, "DCIM/0001.MP4", b"before the format", mtime_ns=OLD_NS)
    dock.dock(card)
    put(card, "DCIM/0001.MP4", b"after the format!", mtime_ns=OLD_NS + 10**9)
    dock.dock(card)
    assert dock.copies() == {b"DCIM/0001.MP4": {b"before the format", b"after the format!"}}
    dock.check_sound()


def test_case_09_two_files_in_one_tick_of_fat_are_both_kept(dock: DockHome, card: Path) -> None:
    put(card, "1.jpg", b"first", mtime_ns=OLD_NS)
    put(card, "2.jpg", b"other", mtime_ns=OLD_NS)
    dock.dock(card)
    assert len(dock.copies()) == 2


@pytest.mark.parametrize("at", [0, 5 * MIB - 1])
def test_case_10_equal_name_size_and_stamp_with_other_bytes_is_pulled_again(
    dock: DockHome, card: Path, at: int
) -> None:
    content = bytearray(noise(5 * MIB))
    put(card, "a.mp4", bytes(content))
    dock.dock(card)
    content[at] ^= 1
    put(card, "a.mp4", bytes(content))
    assert [file.is_new for file in dock.dock(card).files] == [True]
    assert len(dock.copies()[b"a.mp4"]) == 2


def test_the_same_bytes_under_two_names_are_two_items_and_one_copy(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    put(card, "b.mp4", noise(3 * MIB))
    assert len(dock.dock(card).files) == 2
    assert len(list((dock.spool / "footage").iterdir())) == 1
    dock.check_sound()


def test_bytes_under_another_stamp_are_known_again_at_the_third_docking(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    dock.dock(card)
    put(card, "a.mp4", noise(3 * MIB), mtime_ns=OLD_NS + 8 * 3600 * 10**9)  # mounted under another zone
    second = dock.dock(card)
    assert [file.is_new for file in second.files] == [False]
    faults = Faults()
    reads: list[int] = []
    faults.on_read = lambda _path, offset: reads.append(offset)
    dock.dock(card, files=faults.files)
    assert len(reads) <= 2
    assert len(dock.events("footage.pulled")) == 1
    dock.check_sound()


def test_case_12_an_empty_file_is_copied_and_flagged(dock: DockHome, card: Path) -> None:
    put(card, "empty.mp4", b"")
    dock.dock(card)
    (pulled,) = dock.events("footage.pulled")
    assert pulled.body["flags"] == ["empty"]
    dock.check_has(card)


def test_case_13_a_file_that_grows_waits_and_is_left_when_it_does_not_stop(dock: DockHome, card: Path) -> None:
    put(card, "done.mp4", b"finished")
    growing = put(card, "car-mode.mp4", b"0", mtime_ns=_now_ns(dock))

    def grow() -> None:
        content = growing.read_bytes() + b"more"
        put(card, "car-mode.mp4", content, mtime_ns=_now_ns(dock))

    result = dock.dock(card, patience=QuickPatience(dock.clock, on_wait=grow))
    assert result.state is SessionState.WAITING
    assert result.problem == "EDGE-113"
    assert [file.raw_path for file in result.files] == [b"done.mp4"]
    assert "EDGE-113" in dock.findings()
    dock.check_sound()
    later = dock.dock(card)
    assert later.ok
    assert dock.copies()[b"car-mode.mp4"] == {growing.read_bytes()}


def test_case_13_a_young_file_is_pulled_after_two_equal_looks(dock: DockHome, card: Path) -> None:
    put(card, "young.mp4", b"just written", mtime_ns=_now_ns(dock))
    patience = QuickPatience(dock.clock)
    assert dock.dock(card, patience=patience).ok
    assert sum(patience.waited) >= dock.settings.pull.settle.quiet_seconds
    old = put(card, "old.mp4", b"from yesterday")
    patience = QuickPatience(dock.clock)
    dock.clock.advance(60)
    assert dock.dock(card, patience=patience).ok
    assert old.exists()
    assert not patience.waited


def test_a_file_that_changes_while_it_is_read_is_never_sealed_as_it_was_read(dock: DockHome, card: Path) -> None:
    path = put(card, "a.mp4", noise(4 * MIB, seed=1))

    def change(_path: bytes, offset: int) -> None:
        if offset == 2 * MIB and path.stat().st_mtime_ns == OLD_NS:
            put(card, "a.mp4", noise(4 * MIB, seed=2), mtime_ns=OLD_NS + 10**9)

    assert dock.dock(card, files=Faults(on_read=change).files).ok
    assert dock.copies() == {b"a.mp4": {noise(4 * MIB, seed=2)}}
    dock.check_sound()


def test_a_file_that_grew_while_it_was_read_is_pulled_whole(dock: DockHome, card: Path) -> None:
    path = put(card, "a.mp4", noise(2 * MIB))

    def grow(_path: bytes, offset: int) -> None:
        if offset == MIB and path.stat().st_size == 2 * MIB:
            put(card, "a.mp4", noise(3 * MIB), mtime_ns=OLD_NS + 10**9)

    assert dock.dock(card, files=Faults(on_read=grow).files).ok
    assert dock.copies() == {b"a.mp4": {noise(3 * MIB)}}


def test_case_33_a_file_that_ends_before_its_size_is_kept_as_read_and_flagged(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    result = dock.dock(card, files=Faults(cut_off_at={b"a.mp4": 2 * MIB + 5}).files)
    assert result.state is SessionState.PULLED
    (pulled,) = dock.events("footage.pulled")
    assert pulled.body["size_bytes"] == str(2 * MIB + 5)
    assert pulled.body["listed_size_bytes"] == str(3 * MIB)
    assert pulled.body["flags"] == ["size-differs"]
    assert "EDGE-112" in dock.findings()
    dock.check_sound()


def test_short_reads_are_no_end_of_a_file(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB + 11))
    assert dock.dock(card, files=Faults(most_read_bytes=100_003).files).ok
    dock.check_has(card)


def test_case_28_bad_spots_are_holes_of_4_kib_in_the_event_and_the_rest_goes_on(dock: DockHome, card: Path) -> None:
    content = noise(6 * MIB)
    put(card, "bad.mp4", content)
    put(card, "good.mp4", noise(8 * MIB, seed=2), mtime_ns=OLD_NS + 10**9)  # goes first: no buffer is empty any more
    bad = [(MIB + 4096, MIB + 4097), (3 * MIB, 3 * MIB + 12_288)]
    result = dock.dock(card, files=Faults(bad={b"bad.mp4": bad}).files)
    assert result.state is SessionState.PULLED
    expected = bytearray(content)
    holes = [(MIB + 4096, 4096), (3 * MIB, 12_288)]
    for offset, size in holes:
        expected[offset : offset + size] = bytes(size)
    assert dock.copies()[b"bad.mp4"] == {bytes(expected)}
    assert dock.copies()[b"good.mp4"] == {noise(8 * MIB, seed=2)}
    pulled = next(view for view in dock.events("footage.pulled") if view.body["path"] == "bad.mp4")
    assert pulled.body["flags"] == ["holes"]
    told = pulled.body["holes"]
    assert isinstance(told, dict)
    assert told["ranges"] == [[str(offset), str(size)] for offset, size in holes]
    assert told["size_bytes"] == str(sum(size for _, size in holes))
    assert "EDGE-111" in dock.findings()
    dock.check_sound()


def test_case_28_a_copy_with_holes_is_not_the_file_and_the_next_docking_reads_it_again(
    dock: DockHome, card: Path
) -> None:
    content = noise(6 * MIB)
    put(card, "a.mp4", content)
    bad = Faults(bad={b"a.mp4": [(3 * MIB, 3 * MIB + 1)]})
    dock.dock(card, files=bad.files)
    assert len(dock.copies()[b"a.mp4"]) == 1
    still_bad = Faults(bad={b"a.mp4": [(2 * MIB, 2 * MIB + 1)]})
    assert [file.is_new for file in dock.dock(card, files=still_bad.files).files] == [False]
    dock.check_sound()  # another copy with holes is not kept beside the first one
    assert "EDGE-111" in dock.findings()
    assert [file.is_new for file in dock.dock(card).files] == [True]
    assert content in dock.copies()[b"a.mp4"]
    assert "EDGE-111" not in dock.findings()  # mended
    assert [file.is_new for file in dock.dock(card).files] == [False]
    assert len(dock.events("footage.pulled")) == 2
    dock.check_sound()


def test_case_28_a_hole_where_the_file_has_zeros_anyway_is_mended_by_reading_it(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(MIB) + bytes(MIB) + noise(2 * MIB))
    dock.dock(card, files=Faults(bad={b"a.mp4": [(MIB, MIB + 1)]}).files)
    assert dock.rows("select flawed from item") == [(1,)]
    assert [file.is_new for file in dock.dock(card).files] == [False]
    assert dock.rows("select flawed from item") == [(0,)]
    assert len(dock.events("footage.pulled")) == 1
    dock.check_sound()


def test_case_28_a_file_that_cannot_be_read_anywhere_lets_the_others_go_first(dock: DockHome, card: Path) -> None:
    put(card, "dead.mp4", noise(2 * MIB), mtime_ns=OLD_NS + 2 * 10**9)  # the newest goes first
    put(card, "one-bad-spot.mp4", noise(2 * MIB, seed=1), mtime_ns=OLD_NS + 10**9)
    put(card, "good.mp4", noise(2 * MIB, seed=2))
    dead, spot = (0, 2 * MIB), (MIB, MIB + 1)

    def take_long(path: bytes, _offset: int) -> None:
        if path == b"dead.mp4":
            dock.clock.advance(1.0)  # as a card does for each spot that it cannot read

    faults = Faults(bad={b"dead.mp4": [dead], b"one-bad-spot.mp4": [spot]}, on_read=take_long)
    assert dock.dock(card, files=faults.files).state is SessionState.PULLED
    order = [str(view.body["path"]) for view in dock.events("footage.pulled")]
    assert order == ["one-bad-spot.mp4", "good.mp4", "dead.mp4"]
    assert faults.opened.count(b"dead.mp4") == 2
    assert dock.copies()[b"dead.mp4"] == {bytes(2 * MIB)}
    dock.check_sound()


def test_case_28_a_contact_that_mends_leaves_no_hole(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(4 * MIB))
    patience = QuickPatience(dock.clock)
    faults = Faults(bad={b"a.mp4": [(2 * MIB, 2 * MIB + 1)]}, mends_after=2)
    assert dock.dock(card, files=faults.files, patience=patience).ok
    assert patience.waited == [0.1, 0.4]
    dock.check_has(card)
    assert dock.events("footage.pulled")[0].body["flags"] == []


def test_case_28_a_file_that_cannot_be_opened_is_tried_again_then_said_to_be_missing(
    dock: DockHome, card: Path
) -> None:
    put(card, "locked-away.mp4", b"x")
    put(card, "good.mp4", b"y")
    faults = Faults(unopenable={b"locked-away.mp4": errno.EIO})
    result = dock.dock(card, files=faults.files)
    assert result.state is SessionState.PULLED
    assert faults.opened.count(b"locked-away.mp4") == 4
    assert [file.raw_path for file in result.files] == [b"good.mp4"]
    assert "EDGE-110" in {finding.code for finding in result.findings}
    (missing,) = dock.events("footage.missing")
    assert missing.body["path_hex"] == b"locked-away.mp4".hex()
    assert "unreadable" in str(missing.body["reason"])
    dock.dock(card, files=faults.files)
    assert len(dock.events("footage.missing")) == 1  # said once
    assert dock.dock(card).ok
    assert b"locked-away.mp4" in dock.copies()


@pytest.mark.parametrize("at", [0, 1, 5 * MIB, 11 * MIB])
def test_case_01_unplugged_in_the_middle_of_a_file_the_next_docking_goes_on(
    dock: DockHome, card: Path, at: int
) -> None:
    put(card, "1.mp4", noise(2 * MIB, seed=1), mtime_ns=OLD_NS + 10**9)  # the newest goes first
    put(card, "2.mp4", noise(12 * MIB, seed=2))
    faults = Faults(gone_at={b"2.mp4": at})
    cut = dock.dock(card, files=faults.files)
    assert cut.state is SessionState.INTERRUPTED
    assert cut.problem == "EDGE-207"
    assert [file.raw_path for file in cut.files] == [b"1.mp4"]
    kept = at >= 5 * MIB
    dock.check_sound(partial_count=int(kept))
    again = Faults()
    reads: list[int] = []
    again.on_read = lambda path, offset: reads.append(offset) if path == b"2.mp4" else None
    assert dock.dock(card, files=again.files).ok
    dock.check_sound()
    dock.check_has(card)
    pulled = next(view for view in dock.events("footage.pulled") if view.body["path"] == "2.mp4")
    if kept:
        start = at - at % MIB
        assert pulled.body["resumed"] == {
            "at_bytes": [str(start)],
            "proof": ["size", "mtime", "first-mib", "last-mib-before"],
        }
        assert sorted(set(reads))[:2] == [0, start - MIB]  # only for the proof
        assert not {offset for offset in reads if 0 < offset < start - MIB}
    else:
        assert "resumed" not in pulled.body


def test_a_copy_that_was_cut_off_holds_no_more_room_than_it_has_bytes(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(40 * MIB))
    dock.dock(card, files=Faults(gone_at={b"a.mp4": 8 * MIB}).files)
    (part,) = (dock.spool / "incoming").iterdir()
    assert part.stat().st_size == 8 * MIB
    assert part.stat().st_blocks * 512 < 9 * MIB  # others may need what was set aside for the rest
    reopened = dock.new_station().spool.reopen_part(part.name, keep_bytes=8 * MIB, size_bytes=40 * MIB)
    assert reopened is not None
    reopened.close()  # as a power cut leaves it
    with dock.station():
        assert part.stat().st_size == 8 * MIB
        assert part.stat().st_blocks * 512 < 9 * MIB
    assert dock.dock(card).ok
    assert "resumed" in dock.events("footage.pulled")[0].body
    dock.check_has(card)


def test_a_resumed_copy_of_another_file_is_begun_anew(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(12 * MIB, seed=1))
    dock.dock(card, files=Faults(gone_at={b"a.mp4": 8 * MIB}).files)
    assert len(list((dock.spool / "incoming").iterdir())) == 1
    put(card, "a.mp4", noise(12 * MIB, seed=2))  # same path, size and stamp
    assert dock.dock(card).ok
    assert dock.copies() == {b"a.mp4": {noise(12 * MIB, seed=2)}}
    assert "resumed" not in dock.events("footage.pulled")[0].body
    dock.check_sound()


@pytest.mark.parametrize("at", [3, 4 * MIB, 7 * MIB + 3])  # the middle is compared with nothing on the recorder
def test_a_part_that_was_altered_on_our_disk_is_not_gone_on_with(dock: DockHome, card: Path, at: int) -> None:
    put(card, "a.mp4", noise(12 * MIB))
    dock.dock(card, files=Faults(gone_at={b"a.mp4": 8 * MIB}).files)
    (part,) = (dock.spool / "incoming").iterdir()
    with part.open("r+b") as file:
        file.seek(at)
        file.write(b"altered")
    assert dock.dock(card).ok
    dock.check_has(card)
    assert "resumed" not in dock.events("footage.pulled")[0].body
    dock.check_sound()


def test_a_copy_with_holes_that_was_cut_off_is_begun_anew(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(12 * MIB))
    faults = Faults(bad={b"a.mp4": [(MIB, MIB + 1)]}, gone_at={b"a.mp4": 8 * MIB})
    assert dock.dock(card, files=faults.files).state is SessionState.INTERRUPTED
    dock.check_sound()
    assert dock.dock(card).ok
    dock.check_has(card)


def test_case_02_plugged_into_another_dock_the_copy_goes_on(dock: DockHome, card: Path, tmp_path: Path) -> None:
    put(card, "a.mp4", noise(12 * MIB))
    dock.dock(card, files=Faults(gone_at={b"a.mp4": 8 * MIB}).files)
    other = card.rename(tmp_path / "other-dock")
    assert dock.dock(other).ok
    assert "resumed" in dock.events("footage.pulled")[0].body


def test_told_to_stop_the_write_in_hand_is_finished_and_kept(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(12 * MIB))
    patience = QuickPatience(dock.clock)

    def stop(_path: bytes, offset: int) -> None:
        if offset == 6 * MIB:
            patience.told.set()

    result = dock.dock(card, files=Faults(on_read=stop).files, patience=patience)
    assert result.state is SessionState.INTERRUPTED
    assert result.problem == "EDGE-002"
    dock.check_sound(partial_count=1)
    assert dock.dock(card).ok
    assert "resumed" in dock.events("footage.pulled")[0].body
    dock.check_has(card)


def test_a_long_copy_is_made_durable_now_and_then(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(12 * MIB))
    steps: list[tuple[int, int]] = []

    def pass_time(_path: bytes, offset: int) -> None:
        dock.clock.advance(4.0)
        rows = dock.rows("select synced_bytes from partial_copy")
        steps.extend((offset, int(str(row[0]))) for row in rows)

    assert dock.dock(card, files=Faults(on_read=pass_time).files).ok
    assert steps
    assert all(0 < synced <= offset for offset, synced in steps)
    assert dock.rows("select count(*) from partial_copy") == [(0,)]
    dock.check_sound()


def test_case_16_the_wall_clock_set_back_in_the_middle_changes_no_chain(dock: DockHome, card: Path) -> None:
    for number in range(4):
        put(card, f"{number}.mp4", noise(2 * MIB, seed=number))

    def step_back(_path: bytes, offset: int) -> None:
        if offset == MIB:
            dock.clock.set_wall(dock.clock.now() - timedelta(hours=1))

    assert dock.dock(card, files=Faults(on_read=step_back).files).ok
    dock.check_sound()
    dock.check_has(card)
    monotonic = [view.time.reading.mono_ns for view in dock.events()]
    assert monotonic == sorted(monotonic)


def test_case_22_a_recorder_nobody_knows_is_pulled_all_the_same(dock: DockHome, card: Path) -> None:
    put(card, "strange/thing.xyz", b"who knows")
    result = dock.dock(card, recorder=None)
    assert result.ok
    assert result.profile == "generic_msc"
    assert dock.copies() == {b"strange/thing.xyz": {b"who knows"}}


def test_case_31_locked_files_come_first(dock: DockHome, card: Path) -> None:
    put(card, "DCIM/Movie/2026_1122_100000_001.MP4", b"newest", mtime_ns=OLD_NS + 10**12)
    put(card, "DCIM/Movie/RO/2026_1101_100000_002.MP4", b"locked and old")
    put(card, "DCIM/Photo/2026_1122_110000_003.JPG", b"photo", mtime_ns=OLD_NS + 2 * 10**12)
    dock.dock(card)
    order = [str(view.body["path"]) for view in dock.events("footage.pulled")]
    assert order == [
        "DCIM/Movie/RO/2026_1101_100000_002.MP4",
        "DCIM/Movie/2026_1122_100000_001.MP4",
        "DCIM/Photo/2026_1122_110000_003.JPG",
    ]


def test_case_44_files_of_other_docks_are_listed_and_left(dock: DockHome, card: Path) -> None:
    put(card, "DCIM/1.MP4", b"footage")
    put(card, "station_bind.ini", b"[bind]")
    put(card, "System Volume Information/IndexerVolumeGuid", b"guid")
    dock.dock(card)
    assert list(dock.copies()) == [b"DCIM/1.MP4"]
    (docked,) = dock.events("recorder.docked")
    assert docked.body["listed_count"] == "3"
    assert docked.body["file_count"] == "1"
    assert (card / "station_bind.ini").exists()


def test_case_47_missing_numbers_are_said_once(dock: DockHome, card: Path) -> None:
    for number, minute in ((1, 0), (2, 5), (5, 20)):
        put(card, f"DCIM/Movie/2026_1122_10{minute:02d}00_{number:03d}.MP4", b"x%d" % number)
    dock.dock(card)
    dock.dock(card)
    gaps = dock.events("footage.gap")
    assert [(gap.body["first"], gap.body["last"]) for gap in gaps] == [("3", "4")]


def test_a_file_seen_earlier_and_gone_before_it_was_copied_is_missing(dock: DockHome, card: Path) -> None:
    put(card, "1.mp4", noise(2 * MIB), mtime_ns=OLD_NS + 10**9)
    lost = put(card, "2.mp4", noise(2 * MIB, seed=2))
    dock.dock(card, files=Faults(gone_at={b"1.mp4": 0}).files)
    lost.unlink()
    assert dock.dock(card).ok
    dock.dock(card)
    (missing,) = dock.events("footage.missing")
    assert missing.body["path_hex"] == b"2.mp4".hex()
    assert dock.events("footage.pulled")[0].body["path_hex"] == b"1.mp4".hex()


def test_case_50_two_stations_give_one_file_the_same_item(tmp_path: Path, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    first, second = dock_home(tmp_path / "first"), dock_home(tmp_path / "second")
    (one,), (two,) = first.dock(card).files, second.dock(card).files
    assert one.asset_id == two.asset_id


def test_a_copy_that_our_disk_gives_back_differently_is_set_aside_and_pulled_anew(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    original = durable.read_from_medium
    damaged = threading.Event()

    def once_damaged(path: Path, *, block_bytes: int = 1 << 20) -> object:
        if path.parent.name == "footage" and not damaged.is_set():
            damaged.set()
            with path.open("r+b") as file:  # what a failing disk does, at the worst moment
                file.seek(MIB)
                file.write(b"rot")
        return original(path, block_bytes=block_bytes)

    monkeypatch.setattr(durable, "read_from_medium", once_damaged)
    result = dock.dock(card)
    assert result.state is SessionState.PULLED
    assert len(list((dock.spool / "quarantine").iterdir())) == 1
    assert len(dock.events("footage.pulled")) == 1
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()
    assert "EDGE-103" not in dock.findings()  # mended


def test_a_damaged_copy_found_after_the_recorder_left_is_pulled_at_its_next_docking(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(3 * MIB))
    dock.dock(card)
    (copy,) = (dock.spool / "footage").iterdir()
    copy.write_bytes(noise(3 * MIB, seed=9))
    db_fix = "update item set reread_seq = null"
    with dock.station() as station, station.journal.desk() as desk:
        desk.db.execute(db_fix)
        desk.db.execute("delete from envelope_blob where seq = (select max(seq) from envelope)")
        desk.db.execute("delete from envelope where seq = (select max(seq) from envelope)")
    with dock.station() as station:
        station.rereader.drain(threading.Event())
    assert "EDGE-103" in dock.findings()
    assert "EDGE-105" in _findings_after_start(dock)
    assert dock.dock(card).ok
    dock.check_has(card)
    assert "EDGE-103" not in dock.findings()


def test_names_of_any_bytes_never_touch_our_disk(dock: DockHome, card: Path) -> None:
    names = [b"\xff\xfe bad.mp4", "执法.mp4".encode("gbk"), b"new\nline.mp4", b"\x1b[31mred.mp4", b"x" * 255]
    for number, name in enumerate(names):
        put(card, name, b"content %d" % number)
    assert dock.dock(card).ok
    assert set(dock.copies()) == set(names)
    ours = {path.name for path in dock.spool.rglob("*")}
    assert all(name.isascii() and name.replace("-", "").replace(".", "").isalnum() for name in ours)


@pytest.mark.parametrize("depth", [30, 100])
def test_a_path_too_long_for_an_event_is_a_finding_and_the_rest_is_pulled(
    dock: DockHome, card: Path, depth: int
) -> None:
    put(card, "good.mp4", b"good")
    folder = os.open(card, os.O_RDONLY)
    try:
        for _ in range(depth):
            os.mkdir(b"d" * 250, dir_fd=folder)
            following = os.open(b"d" * 250, os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = following
        os.close(os.open("deep.mp4", os.O_WRONLY | os.O_CREAT, dir_fd=folder))
        os.utime("deep.mp4", ns=(OLD_NS, OLD_NS), dir_fd=folder)
    finally:
        os.close(folder)
    result = dock.dock(card)
    assert result.state is SessionState.PULLED
    names = {file.raw_path.rsplit(b"/", 1)[-1] for file in result.files}
    assert names == ({b"good.mp4", b"deep.mp4"} if depth == 30 else {b"good.mp4"})
    assert ("EDGE-203" in dock.findings()) == (depth == 100)
    dock.check_sound()
    shutil.rmtree(card)  # which no tool by path could do later


def test_random_trees_are_copied_whole(dock: DockHome, card: Path) -> None:
    chance = random.Random(7)
    for number in range(60):
        depth = chance.randrange(5)
        folder = "/".join(f"d{chance.randrange(3)}" for _ in range(depth))
        put(
            card, f"{folder}/{number}.bin".lstrip("/"), noise(chance.choice([0, 10, 5000, 1_200_000]), seed=number % 40)
        )
    assert len(dock.dock(card).files) == 60
    dock.check_sound()
    dock.check_has(card)
    dock.check_all_reread()


def test_case_14_a_stamp_far_beyond_the_year_2262_is_signed_as_it_is(dock: DockHome, card: Path) -> None:
    far_ns = 10_000_000_000 * 10**9 + 7  # the year 2286; nanoseconds no longer fit into 64 bits
    path = put(card, "a.mp4", noise(2 * MIB), mtime_ns=far_ns)
    if path.stat().st_mtime_ns != far_ns:
        pytest.skip("this file system ends before")
    dock.look_into = inspect
    cut = dock.dock(card, files=Faults(gone_at={b"a.mp4": MIB}).files)
    assert cut.state is SessionState.INTERRUPTED
    assert dock.dock(card).ok
    (pulled,) = dock.events("footage.pulled")
    assert pulled.body["mtime_ns"] == str(far_ns)
    (reread,) = dock.events("footage.reread")
    witnesses = str(reread.body["time_witnesses"])
    assert "after 2262" in witnesses
    assert str(2**63 - 1) not in witnesses
    assert [file.is_new for file in dock.dock(card).files] == [False]
    path.unlink()
    assert dock.dock(card).ok
    dock.check_sound()


def test_progress_counts_to_the_end(dock: DockHome, card: Path) -> None:
    for number in range(3):
        put(card, f"{number}.mp4", noise(4 * MIB, seed=number))
    shown: list[Progress] = []
    faults = Faults(on_read=lambda _path, _offset: dock.clock.advance(0.3))
    dock.dock(card, files=faults.files, on_progress=shown.append)
    assert shown[-1].state is SessionState.PULLED
    assert (shown[-1].files_done, shown[-1].bytes_done) == (3, 12 * MIB)
    assert all(one.bytes_done <= one.bytes_total for one in shown)
    assert any(one.bytes_per_second > 0 for one in shown)
    assert {one.current_file for one in shown} >= {"0.mp4", "1.mp4", "2.mp4"}


def test_what_the_event_says_of_the_bytes_is_what_any_tool_says(dock: DockHome, card: Path) -> None:
    put(card, "a.mp4", noise(MIB))
    dock.dock(card)
    (pulled,) = dock.events("footage.pulled")
    digest = hashlib.sha256(noise(MIB)).hexdigest()
    assert pulled.body["sha256"] == pulled.subject.sha256.hex() == digest
    assert pulled.body["mtime_ns"] == str(OLD_NS)


def _now_ns(dock: DockHome) -> int:
    return int((dock.clock.now() - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 10**9)


def _findings_after_start(dock: DockHome) -> set[str]:
    with dock.station():
        return dock.findings()


def test_what_could_not_be_listed_is_mended_by_a_listing_of_the_same_recorder_without_it(
    dock: DockHome, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        put(tmp_path / name, "1.mp4", name.encode())
        (tmp_path / name / "link.mp4").symlink_to("1.mp4")
        dock.dock(tmp_path / name, recorder=RecorderId(name))
    (tmp_path / "one" / "link.mp4").unlink()
    dock.dock(tmp_path / "one", recorder=RecorderId("one"))
    standing = dock.rows("select code, subject from station_finding where cleared_unix_ms is null")
    assert standing == [("EDGE-201", "two/link.mp4")]


def test_links_and_pipes_are_not_opened(dock: DockHome, card: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret.txt", b"of the host")
    put(card, "1.mp4", b"footage")
    (card / "link.mp4").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(card / "pipe.mp4")
    assert dock.dock(card).ok
    assert dock.copies() == {b"1.mp4": {b"footage"}}
