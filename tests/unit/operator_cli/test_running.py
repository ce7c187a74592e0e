"""Whether a program is at work is learnt without touching its lock."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from evidence_model.topics import Channel, station_topic
from host_io.broker import Broker
from host_io.broker_access import broker_address, centre_account
from host_io.config import BrokerConfig, HomePaths
from host_io.mqtt import LinkState, MqttLink
from operator_cli import running
from operator_cli.children import LOG_BYTES, BrokerChild, ProgramChild, last_line
from operator_cli.home_programs import Program
from operator_cli.lock_files import is_locked
from tests.brokers import SITE, STATION
from tests.fakes.small_disk import small_disk
from tests.workstation import wait_until


def test_a_lock_is_seen_while_it_is_held_and_not_after(tmp_path: Path) -> None:
    path = tmp_path / "store.lock"
    assert not is_locked(path)
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    assert not is_locked(path)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert is_locked(path)
    os.close(fd)
    assert not is_locked(path)


def test_programs_started_by_systemd_count_as_running(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    paths.run.mkdir()
    held = []
    for name in ("store.lock", "ingest.lock"):
        held.append(os.open(paths.run / name, os.O_RDWR | os.O_CREAT))
        fcntl.flock(held[-1], fcntl.LOCK_EX)
    seen = running.look(paths)
    assert seen.programs == {Program.STORE, Program.INGEST}
    assert seen.supervisor is None
    assert seen.gives_receipts(has_store=True)
    for fd in held:
        os.close(fd)


def test_a_supervisor_that_is_about_to_start_a_program_again_counts(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    paths.run.mkdir()
    children = [{"id": "ingest", "state": "waiting"}, {"id": "store", "state": "starting"}]
    (paths.run / "supervisor.json").write_text(json.dumps({"pid": 1, "children": children}))
    assert not running.look(paths).gives_receipts(has_store=True), "the file of a dead supervisor"
    fd = os.open(paths.run / "supervisor.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert running.look(paths).gives_receipts(has_store=True)
    os.close(fd)


def test_a_broker_alone_gives_no_receipts(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    paths.run.mkdir()
    children = [{"id": "broker", "state": "ready"}]
    (paths.run / "supervisor.json").write_text(json.dumps({"pid": 1, "children": children}))
    fd = os.open(paths.run / "supervisor.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    assert not running.look(paths).gives_receipts(has_store=True)
    os.close(fd)


def test_the_last_words_of_a_program_are_its_reason_and_code(tmp_path: Path) -> None:
    log = tmp_path / "store.log"
    log.write_text('{"event": "store.ready"}\n{"event": "store.ended", "reason": "disk full", "code": "STO-005"}\n\n')
    assert last_line(log) == "disk full [STO-005]"
    log.write_text("Traceback\nValueError: x\n")
    assert last_line(log) == "ValueError: x"
    assert last_line(tmp_path / "none") == ""


def test_a_log_that_has_grown_large_is_put_aside_while_its_program_goes_on_writing(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    paths.run.mkdir()
    child = ProgramChild("store", ["nothing"], paths=paths, environment={})
    with child.log.open("ab", buffering=0) as writing:
        writing.write(b"old line\n" * (LOG_BYTES // 9 + 1))
        child.look_after()
        writing.write(b"new line\n")
    assert child.log.read_bytes() == b"new line\n"
    assert child.log.with_suffix(".log.1").stat().st_size > LOG_BYTES
    child.look_after()
    assert child.log.read_bytes() == b"new line\n"


@pytest.mark.root
@pytest.mark.slow
def test_a_broker_that_met_a_full_disk_is_ended_when_there_is_room_and_takes_messages_again(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", tmp_path / "mount", size_bytes=64 << 20) as disk, ExitStack() as stack:
        paths = HomePaths(disk.folder / "home")
        child = BrokerChild(lambda: Broker(paths, site=SITE, stations=(STATION,)), paths)
        child.start()
        stack.callback(child.stop, seconds=5.0)
        with (disk.folder / "fill").open("wb", buffering=0) as fill, suppress(OSError):
            while fill.write(bytes(4096)):
                pass
        link = MqttLink(
            address=lambda: broker_address(paths, BrokerConfig()), account=centre_account(paths), client_id="centre"
        )
        stack.enter_context(link)
        topic = station_topic(SITE, STATION, Channel.RECEIPTS)
        log = paths.run / "nats-server.log"

        def meets_the_full_disk() -> bool:
            link.publish(topic, bytes(50_000))
            return b"no space left on device" in log.read_bytes()

        wait_until(meets_the_full_disk, what="the broker to miss the room for a message")
        child.look_after()
        assert child.poll() is None, "a new start would find no room either"
        (disk.folder / "fill").unlink()

        def ends() -> bool:
            child.look_after()
            return child.poll() is not None

        wait_until(ends, what="the old broker to end")
        child.start()
        wait_until(lambda: link.state is LinkState.UP, what="the link to the new broker")
        link.publish(topic, b"again").result(timeout=20)
        child.look_after()
        assert child.pid is not None
