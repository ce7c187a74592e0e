"""Attack 51: another recorder comes under a known id or name. It is told, signed, and its footage is pulled."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from edge_agent.by_hand import new_session_id
from edge_agent.continuity import _CODES
from edge_agent.session import Docking, Session
from edge_agent.session_book import SessionResult
from evidence_model.continuity import Break
from evidence_model.ids import RecorderId
from tests.docking import RECORDER, DockHome, QuickPatience
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder
from tests.fakes.small_disk import small_disk
from tests.homes import make_home

DAY_NS = 86_400 * 10**9
FIRST_NS = 1_763_000_000 * 10**9
HONEST = {"ID_BUS": "usb", "ID_SERIAL_SHORT": "YZ0012345", "ID_USB_VENDOR_ID": "0bda", "ID_USB_MODEL_ID": "0129"}
CARD = {"ID_FS_UUID": "1A2B-3C4D"}
OF_CONTINUITY = {"EDGE-260", "EDGE-261", "EDGE-262", "EDGE-263", "EDGE-264"}


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return DockHome(make_home(tmp_path / "home"))


def plug_in(dock: DockHome, folder: Path, udev: Mapping[str, str]) -> SessionResult:
    """Dock a mounted recorder of which udev says this, under one id."""
    files = {b"a.mp4": FuseFile(b"film of " + udev.get("ID_SERIAL_SHORT", "nobody").encode())}
    with fuse_recorder(folder, files) as mounted:
        return dock_at(dock, mounted.folder, udev, RECORDER)


def dock_at(dock: DockHome, place: Path, udev: Mapping[str, str], recorder: RecorderId | None) -> SessionResult:
    with dock.station() as station:
        docking = Docking(session_id=new_session_id(), place=place, recorder=recorder, udev=udev)
        return Session(station, docking, patience=QuickPatience(dock.clock)).run()


def named(dock: DockHome, folder: Path, udev: Mapping[str, str], name: str) -> SessionResult:
    """Dock a mounted recorder that calls itself so."""
    with small_disk(folder.with_suffix(".img"), folder, size_bytes=8 << 20):
        numbered(folder, {1: 1})
        (folder / "ID.txt").write_text(name)
        return dock_at(dock, folder, udev, None)


def told(result: SessionResult) -> set[str]:
    return {finding.code for finding in result.findings} & OF_CONTINUITY


def signed(dock: DockHome) -> list[set[str]]:
    """Return the codes in each `recorder.docked`."""
    bodies = [json.loads(json.dumps(view.body, default=dict)) for view in dock.events("recorder.docked")]
    return [{finding["code"] for finding in body["findings"]} & OF_CONTINUITY for body in bodies]


def test_attack_51_another_serial_number_under_one_id_is_told_signed_and_pulled(dock: DockHome, tmp_path: Path) -> None:
    assert told(plug_in(dock, tmp_path / "1", HONEST | CARD)) == set()
    swapped = plug_in(dock, tmp_path / "2", {**HONEST, **CARD, "ID_SERIAL_SHORT": "YZ0099999"})
    assert swapped.ok
    assert [file.is_new for file in swapped.files] == [True]  # promise 2: pulled all the same
    assert told(swapped) == {"EDGE-260"}
    (finding,) = [each for each in swapped.findings if each.code == "EDGE-260"]
    assert (finding.details["usb_serial_before"], finding.details["usb_serial_now"]) == ("YZ0012345", "YZ0099999")
    assert signed(dock) == [set(), {"EDGE-260"}]
    assert "EDGE-260" in dock.findings()
    first, second = (view.body for view in dock.events("recorder.docked"))
    assert "previous_session" not in first
    assert second["previous_session"] == first["session"]
    assert told(plug_in(dock, tmp_path / "3", {**HONEST, **CARD, "ID_SERIAL_SHORT": "YZ0099999"})) == set()
    assert "EDGE-260" not in dock.findings()  # it goes on from the last docking


def test_another_product_is_told(dock: DockHome, tmp_path: Path) -> None:
    plug_in(dock, tmp_path / "1", HONEST | CARD)
    assert told(plug_in(dock, tmp_path / "2", {**HONEST, **CARD, "ID_USB_MODEL_ID": "0999"})) == {"EDGE-261"}


def test_without_a_serial_number_another_card_is_noted(dock: DockHome, tmp_path: Path) -> None:
    bare = {name: value for name, value in HONEST.items() if name != "ID_SERIAL_SHORT"}
    plug_in(dock, tmp_path / "1", bare | CARD)
    assert told(plug_in(dock, tmp_path / "2", bare | CARD)) == set()
    assert told(plug_in(dock, tmp_path / "3", {**bare, "ID_FS_UUID": "9999-0001"})) == {"EDGE-263"}


def test_a_formatted_card_of_a_recorder_with_a_serial_number_is_no_other_recorder(
    dock: DockHome, tmp_path: Path
) -> None:
    plug_in(dock, tmp_path / "1", HONEST | CARD)
    formatted = plug_in(dock, tmp_path / "2", {**HONEST, "ID_FS_UUID": "9999-0001"})
    assert told(formatted) == set()
    assert "EDGE-232" in {finding.code for finding in formatted.findings}


def test_a_docking_as_a_folder_between_hides_no_exchange(dock: DockHome, tmp_path: Path) -> None:
    plug_in(dock, tmp_path / "1", HONEST | CARD)
    (tmp_path / "folder").mkdir()
    assert told(dock.dock(tmp_path / "folder")) == set()
    assert told(plug_in(dock, tmp_path / "2", {**HONEST, **CARD, "ID_SERIAL_SHORT": "YZ0099999"})) == {"EDGE-260"}


def test_attack_51_two_recorders_of_one_name_and_two_serial_numbers(dock: DockHome, tmp_path: Path) -> None:
    one = HONEST | CARD
    other = {**one, "ID_SERIAL_SHORT": "YZ0099999", "ID_FS_UUID": "9999-0001"}
    assert told(named(dock, tmp_path / "1", one, "DSJ-7")) == set()
    assert told(named(dock, tmp_path / "2", one, "DSJ-7")) == set()
    assert told(named(dock, tmp_path / "3", other, "DSJ-7")) == {"EDGE-264"}
    third = {**one, "ID_SERIAL_SHORT": "YZ0055555", "ID_FS_UUID": "9999-0002"}
    assert told(named(dock, tmp_path / "4", third, "DSJ-8")) == set()


def numbered(folder: Path, numbers: Mapping[int, int]) -> Path:
    """Make a recorder that counts its files: number → day of the file."""
    media = folder / "DCIM" / "100MEDIA"
    media.mkdir(parents=True)
    (folder / "ID.txt").write_text("DSJ-7")
    for number, day in numbers.items():
        file = media / f"VIDE{number:04}.MP4"
        file.write_bytes(b"film %d %d" % (number, day))
        os.utime(file, ns=(FIRST_NS + day * DAY_NS,) * 2)
    return folder


def test_attack_51_numbers_that_go_back_are_told_and_the_footage_is_pulled(dock: DockHome, tmp_path: Path) -> None:
    assert told(dock.dock(numbered(tmp_path / "1", {500: 1, 501: 1}))) == set()
    assert told(dock.dock(numbered(tmp_path / "2", {502: 2}))) == set()
    (tmp_path / "empty").mkdir()
    assert told(dock.dock(numbered(tmp_path / "3", {}))) == set()  # freed: it shows no number
    swapped = dock.dock(numbered(tmp_path / "4", {12: 4}))
    assert told(swapped) == {"EDGE-262"}
    assert len(swapped.files) == 1
    assert signed(dock)[-1] == {"EDGE-262"}
    assert dock.events("recorder.docked")[0].body["counter"]["number"] == "501"  # type: ignore[index,call-overload]


def test_a_counter_that_starts_again_after_9999_is_the_same_recorder(dock: DockHome, tmp_path: Path) -> None:
    dock.dock(numbered(tmp_path / "1", {9998: 1, 9999: 1}))
    assert told(dock.dock(numbered(tmp_path / "2", {9999: 1, 1: 2, 2: 2}))) == set()


def test_every_break_has_its_code() -> None:
    assert set(_CODES) == set(Break)
