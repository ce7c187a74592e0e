"""Settling, fairness, progress, requests, dock folders: the small parts of the agent."""

import json
import os
import stat
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.errors import MalformedRequestError, StopRequestedError
from edge_agent.fair import STALLED_AFTER_SECONDS, FairTurns
from edge_agent.holes import Hole, HoleMap
from edge_agent.progress import Progress, ProgressBoard, parse_progress, progress_path, read_progress_file
from edge_agent.requests import DockRequest, read_request, waiting_requests, write_request
from edge_agent.settle import Look, Settled, SettleRule, Stamp, compare, is_old
from edge_agent.watch import dock_roots, look_at
from evidence_model.ids import MalformedIdError, RecorderId, SessionId
from evidence_model.known import Known
from evidence_model.states import SessionState
from tests.docking import put
from tests.fakes.manual_clock import ManualClock

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SESSION = SessionId("11111111-2222-3333-4444-555555555555")


def _ns(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1000


def test_two_looks_say_something_only_when_they_are_apart() -> None:
    stamp, rule = Stamp(10, 20), SettleRule(quiet_seconds=2.0)
    first = Look(stamp=stamp, mono=100.0)
    assert compare(first, Look(stamp=stamp, mono=101.9), rule) is Settled.TOO_SOON
    assert compare(first, Look(stamp=stamp, mono=102.0), rule) is Settled.YES
    assert compare(first, Look(stamp=Stamp(11, 20), mono=900.0), rule) is Settled.CHANGED
    assert compare(first, Look(stamp=Stamp(10, 21), mono=900.0), rule) is Settled.CHANGED


def test_a_stamp_in_the_future_is_never_old() -> None:
    rule = SettleRule(quiet_seconds=2.0)
    assert is_old(Stamp(1, _ns(NOW - timedelta(seconds=2))), now=NOW, rule=rule)
    assert not is_old(Stamp(1, _ns(NOW - timedelta(seconds=1))), now=NOW, rule=rule)
    assert not is_old(Stamp(1, _ns(NOW + timedelta(days=400))), now=NOW, rule=rule)
    assert not is_old(Stamp(1, 1 << 62), now=NOW, rule=rule)
    assert not is_old(Stamp(1, 1 << 80), now=NOW, rule=rule)
    assert is_old(Stamp(1, -(10**18)), now=NOW, rule=rule)


@pytest.mark.parametrize("what", ["folder", "pipe", "link to nowhere", "link to a pipe", "socket"])
def test_what_is_no_file_among_the_requests_holds_no_request_back(tmp_path: Path, what: str) -> None:
    folder = tmp_path / "requests"
    request = DockRequest(session_id=SESSION, place=Path("/mnt"), recorder=None)
    write_request(folder, request)
    strange = folder / "00000000-2222-3333-4444-555555555555.json"
    os.mkfifo(tmp_path / "pipe")
    if what == "folder":
        (strange / "inner").mkdir(parents=True)
    elif what == "pipe":
        os.mkfifo(strange)
    elif what == "socket":
        os.mknod(strange, stat.S_IFSOCK | 0o600)
    else:
        strange.symlink_to(tmp_path / ("pipe" if what == "link to a pipe" else "none"))
    assert [found for _, found in waiting_requests(folder)] == [request]
    assert [path.name for path in folder.glob("0*")] == ["00000000-2222-3333-4444-555555555555.refused"]
    assert [found for _, found in waiting_requests(folder)] == [request]


def test_a_stamp_at_the_very_end_of_the_calendar_is_not_old() -> None:
    assert not is_old(Stamp(1, 253_402_300_799 * 10**9), now=NOW, rule=SettleRule(quiet_seconds=2.0))


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=30))
def test_neighbouring_holes_are_one_hole_and_none_is_lost(steps: list[tuple[int, int]]) -> None:
    holes = HoleMap()
    expected: set[int] = set()
    position = 0
    for gap, size in steps:
        position += gap - 1
        holes.add(position, size)
        expected |= set(range(position, position + size))
        position += size
    assert {at for hole in holes.holes for at in range(hole.offset, hole.offset + hole.size_bytes)} == expected
    assert all(a.offset + a.size_bytes < b.offset for a, b in zip(holes.holes, holes.holes[1:], strict=False))
    assert holes.size_bytes == len(expected)


def test_a_very_long_map_of_holes_is_cut_and_says_how_many() -> None:
    holes = HoleMap([Hole(10 * number, 1) for number in range(5000)])
    body = holes.as_body()
    assert body["count"] == "5000"
    ranges = body["ranges"]
    assert isinstance(ranges, list)
    assert len(ranges) == 400


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    turns = FairTurns(1, clock=ManualClock())
    stop, order, asked = threading.Event(), [], []

    def take(name: int, ready: threading.Event) -> None:
        asked.append(name)
        ready.set()
        with turns.turn(stop):
            order.append(name)

    threads = []
    with turns.turn(stop):
        for name in range(5):
            ready = threading.Event()
            thread = threading.Thread(target=take, args=(name, ready))
            thread.start()
            ready.wait(5)
            while len(turns._waiting) <= name:  # until it stands in the line
                pass
            threads.append(thread)
    for thread in threads:
        thread.join(10)
    assert order == asked == [0, 1, 2, 3, 4]


def test_a_turn_from_which_nothing_is_heard_no_longer_counts() -> None:
    clock = ManualClock()
    turns = FairTurns(1, clock=clock)
    stop = threading.Event()
    with turns.turn(stop) as stuck:
        clock.advance(STALLED_AFTER_SECONDS + 1)
        assert stuck.stalled
        with turns.turn(stop) as other:
            assert not other.stalled
            stuck.moved_to(5)
            assert not stuck.stalled


def test_waiting_for_a_turn_ends_when_told_to_stop() -> None:
    turns = FairTurns(1, clock=ManualClock())
    stop = threading.Event()
    with turns.turn(stop):
        stop.set()
        with pytest.raises(StopRequestedError), turns.turn(stop):
            pass


def test_speed_is_that_of_all_copies_and_goes_to_nothing() -> None:
    clock = ManualClock()
    turns = FairTurns(2, clock=clock)
    stop = threading.Event()
    with turns.turn(stop) as one, turns.turn(stop) as two:
        for step in range(1, 11):
            clock.advance(0.1)
            one.moved_to(step * 30_000_000)
            two.moved_to(step * 10_000_000)
        assert 300_000_000 < turns.bytes_per_second < 500_000_000
    clock.advance(1.0)
    assert turns.bytes_per_second == 0


def test_progress_is_shown_at_most_four_times_a_second_and_says_the_rest_of_the_time(tmp_path: Path) -> None:
    clock = ManualClock()
    shown: list[Progress] = []
    board = ProgressBoard(tmp_path, SESSION, clock=clock, on_progress=shown.append)
    board.files_total, board.bytes_total = 1, 1000
    board.change(SessionState.PULLING)
    board.begin_file("a.mp4")
    for step in range(1, 41):
        clock.advance(0.1)
        board.moved_to(step * 10)
    assert len(shown) < 22
    assert shown[-1].bytes_per_second == pytest.approx(100, rel=0.2)
    eta = shown[-1].eta_seconds
    assert isinstance(eta, Known)
    assert eta.value == pytest.approx(6, abs=2)
    assert read_progress_file(progress_path(tmp_path, SESSION)) == shown[-1]
    board.finish_file(1000)
    board.change(SessionState.PULLED)
    last = read_progress_file(progress_path(tmp_path, SESSION))
    assert last is not None
    assert (last.files_done, last.bytes_done, last.state) == (1, 1000, SessionState.PULLED)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"session": 1}', b"\xff"])
def test_what_is_no_progress_is_none(data: bytes) -> None:
    assert parse_progress(data) is None


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a.b", "x\n"])
def test_a_session_id_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MalformedIdError):
        progress_path(tmp_path, SessionId(name))


def test_a_progress_view_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    board = ProgressBoard(tmp_path / "not-there", SESSION, clock=ManualClock())
    board.change(SessionState.PULLING)


def test_requests_come_back_as_they_were_left(tmp_path: Path) -> None:
    place = Path(os.fsdecode(b"/mnt/\xffcard \xe6\x89\xa7"))
    request = DockRequest(session_id=SESSION, place=place, recorder=RecorderId("cam-7"))
    path = write_request(tmp_path / "requests", request)
    assert read_request(path) == request
    assert [found for _, found in waiting_requests(tmp_path / "requests")] == [request]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../../x"},
        {"id": str(uuid.uuid4())},  # not the file's name
        {"path_hex": b"relative".hex()},
        {"path_hex": "zz"},
        {"path_hex": 5},
        {"recorder": "no/such name"},
        {"recorder": 7},
    ],
)
def test_a_request_that_makes_no_sense_is_set_aside(tmp_path: Path, change: dict[str, object]) -> None:
    path = write_request(tmp_path, DockRequest(session_id=SESSION, place=Path("/mnt"), recorder=None))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(MalformedRequestError):
        read_request(path)
    assert list(waiting_requests(tmp_path)) == []
    assert [left.suffix for left in tmp_path.iterdir()] == [".refused"]


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'{"id": null}', b"\xff\xfe"])
def test_a_request_that_is_no_request_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / f"{SESSION}.json"
    path.write_bytes(text)
    with pytest.raises(MalformedRequestError):
        read_request(path)


def test_a_star_means_each_subfolder_and_no_hidden_one_or_link(tmp_path: Path) -> None:
    for name in ("a", "b", ".hidden"):
        (tmp_path / "docks" / name).mkdir(parents=True)
    (tmp_path / "docks" / "link").symlink_to(tmp_path)
    (tmp_path / "docks" / "file").write_text("x")
    (tmp_path / "single").mkdir()
    roots = dock_roots([f"{tmp_path}/docks/*", "single", "absent", "absent/*"], home=tmp_path)
    assert roots == [tmp_path / "docks" / "a", tmp_path / "docks" / "b", tmp_path / "single"]


def test_a_look_at_a_folder_tells_every_change(tmp_path: Path) -> None:
    folder = tmp_path / "dock"
    folder.mkdir()
    assert look_at(folder) is None
    assert look_at(tmp_path / "absent") is None
    looks = []
    put(folder, "a/1.mp4", b"one")
    looks.append(look_at(folder))
    assert look_at(folder) == looks[0]
    put(folder, "a/1.mp4", b"two", mtime_ns=5)
    looks.append(look_at(folder))
    put(folder, "a/1.mp4", b"three", mtime_ns=5)
    looks.append(look_at(folder))
    put(folder, "a/2.mp4", b"three", mtime_ns=5)
    looks.append(look_at(folder))
    (folder / "a/2.mp4").rename(folder / "a/3.mp4")
    looks.append(look_at(folder))
    assert len(set(looks)) == 5
