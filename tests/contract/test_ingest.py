"""The ingest daemon over a real broker and a centre that gives true receipts: nothing lost, no false belief."""

import json
import logging
import os
import random
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chain_of_custody.envelope import to_wire
from chain_of_custody.refusal import make_refusal
from evidence_model.topics import Channel, every_station, station_topic
from host_io import sqlite
from host_io.broker_access import broker_address, centre_account
from host_io.mqtt import MqttLink
from ingest_daemon.errors import NotTrustedError
from ingest_daemon.main import main
from ingest_daemon.schedule import Pace
from tests.brokers import wait_for
from tests.fakes.centre import FakeCentre
from tests.fakes.fuse_recorder import FuseFile, fuse_recorder
from tests.fakes.tus_server import TOKEN, Cut, FakeTusServer, Hang, Say
from tests.homes import CENTRE, SITE, STATION, Home, make_home
from tests.ingesting import ingesting, make_broker, make_centre, start_daemon, workstation
from tests.spooling import Spooling
from tests.trusts import first_trust

RECEIPTS = station_topic(SITE, STATION, Channel.RECEIPTS)
Place = tuple[Home, FakeCentre, Spooling]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with workstation(tmp_path / "home") as parts:
        yield parts


def all_receipted(spooling: Spooling) -> Callable[[], bool]:
    return lambda: spooling.waiting_count() == 0


def spool_is_empty(home: Home) -> bool:
    return not any(list((home.paths.spool / folder).iterdir()) for folder in ("footage", "blobs"))


def vault_content(home: Home) -> set[bytes]:
    return {each.read_bytes() for each in (home.paths.vault / "sha256").glob("*/*/*")}


def test_the_way_of_a_recording_from_sealed_to_handed_over(place: Place) -> None:
    home, centre, spooling = place
    with ingesting(home):
        pulled = [spooling.pull(b"%d" % number * 1000, name=f"{number}.MP4") for number in range(5)]
        for event in pulled:
            spooling.reread(event)
        wait_for(all_receipted(spooling))
        wait_for(lambda: spool_is_empty(home), what="the spool to be emptied")
    assert spooling.receipted() == list(range(1, 11))
    assert {b"%d" % number * 1000 for number in range(5)} <= vault_content(home)
    assert centre.size == 10
    assert spooling.findings() == []


def test_a_copy_is_kept_while_its_event_has_no_receipt(place: Place) -> None:
    home, centre, spooling = place
    centre.silent = True
    with ingesting(home):
        event = spooling.pull(b"precious")
        reread = spooling.reread(event)
        wait_for(lambda: centre.heard_count >= 2)
        assert spooling.path("footage", event.blobs[0].digest).exists()
        centre.silent = False
        wait_for(all_receipted(spooling))
        wait_for(lambda: spool_is_empty(home))
    assert reread.seq in spooling.receipted()


def test_the_broker_is_away_for_the_whole_run_and_then_back(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    broker = make_broker(home)
    with Spooling(home) as spooling:
        with ingesting(home):
            event = spooling.pull(b"nobody listens")
            spooling.note(20)
            wait_for(lambda: list((home.paths.vault / "incoming").glob("*.handed")), what="the bytes, broker or not")
        assert spooling.receipted() == []
        assert spooling.path("footage", event.blobs[0].digest).exists()
        with broker, make_centre(home, broker), ingesting(home):
            wait_for(all_receipted(spooling))


def test_the_broker_is_killed_and_comes_back_on_another_port(place: Place) -> None:
    home, centre, spooling = place
    with ingesting(home):
        spooling.note(5)
        wait_for(all_receipted(spooling))
        said = json.loads((home.paths.run / "broker.json").read_text())
        os.kill(said["pid"], signal.SIGKILL)
        spooling.note(5)
        (home.paths.run / "broker.json").write_text('{"host": "127.0.0.1", "port": 0}')
        with make_broker(home) as second:
            centre.link._address = lambda: second.address
            spooling.note(5)
            wait_for(all_receipted(spooling))
    assert centre.size == 15


def test_what_the_broker_did_not_acknowledge_goes_out_again_when_it_is_back(tmp_path: Path) -> None:
    """A killed broker may also forget its sessions (ADR 6), so what goes out at once may have to go out once more."""
    home = make_home(tmp_path / "home")
    soon = Pace(first_wait_seconds=4.0, longest_wait_seconds=4.0)
    with make_broker(home) as broker, make_centre(home, broker) as centre, Spooling(home) as spooling:
        assert centre.link.wait_connected(20)
        with ingesting(home, pace=soon) as running:
            spooling.note()
            wait_for(all_receipted(spooling))
            assert broker.pid is not None
            os.kill(broker.pid, signal.SIGSTOP)
            spooling.note(5)
            wait_for(lambda: running.service._schedule.on_their_way == 5)
            os.kill(broker.pid, signal.SIGKILL)
            wait_for(lambda: broker.poll() is not None)
            broker.start()
            wait_for(all_receipted(spooling))


def test_after_a_refusal_the_bytes_are_handed_over_again(place: Place) -> None:
    home, centre, spooling = place
    centre.silent = True
    with ingesting(home):
        event = spooling.pull(b"spoilt on the way")
        handed = home.paths.vault / "incoming" / f"{event.blobs[0].digest.hex}.handed"
        wait_for(lambda: handed.exists() and centre.heard_count)
        handed.unlink()  # the centre has put it into quarantine
        refusal = make_refusal(event=event.hash, code="STO-030", text="other bytes", signer=home.centre)
        centre.link.publish(station_topic(SITE, STATION, Channel.ALERTS), refusal).result(20)
        wait_for(handed.exists, what="the bytes to be handed over again")


def test_what_the_centre_never_got_is_sent_until_it_has_it(place: Place) -> None:
    """A broker may acknowledge and lose: the first attempts vanish, the repetitions arrive."""
    home, centre, spooling = place
    centre.silent = True
    with ingesting(home):
        spooling.note(30)
        wait_for(lambda: centre.heard_count >= 30)
        centre.silent = False
        spooling.note()
        wait_for(all_receipted(spooling))
    assert centre.size == 31


def test_each_message_five_times_and_out_of_order_gives_one_entry_each(place: Place) -> None:
    """Both ways: events to the centre, receipts to the station."""
    home, centre, spooling = place
    events = spooling.note(20)
    jumbled = [event for event in events for _ in range(5)]
    random.Random(3).shuffle(jumbled)
    centre.take_in(to_wire(event.raw, event.leaf_signature) for event in jumbled)
    with ingesting(home):
        wait_for(all_receipted(spooling))
        again = [centre.receipt_of(event.hash) for event in jumbled]
        for receipt in again:
            centre.link.publish(RECEIPTS, receipt).result(20)
        [last] = spooling.note()
        wait_for(all_receipted(spooling))
    assert centre.size == 21
    assert centre.index_of[last.hash] == 20
    assert spooling.findings() == []


def test_forged_receipts_move_nothing_and_honest_ones_do(place: Place) -> None:
    home, centre, spooling = place
    centre.silent = True
    with ingesting(home):
        event = spooling.pull(b"evidence")
        spooling.reread(event)
        wait_for(lambda: centre.heard_count >= 2)
        stranger = make_home(home.paths.root / "stranger")
        forger = FakeCentre(stranger)
        forger.home = Home(home.paths, home.config, home.trust, home.station, stranger.centre, stranger.log)
        forger.take_in([to_wire(event.raw, event.leaf_signature)])
        for bad in (forger.receipt_of(event.hash), b"", b"{}", os.urandom(500), forger.receipt_of(event.hash)[:-5]):
            centre.link.publish(RECEIPTS, bad).result(20)
        wait_for(lambda: "ING-005" in spooling.findings())
        assert spooling.receipted() == []
        assert spooling.path("footage", event.blobs[0].digest).exists()
        centre.silent = False
        wait_for(all_receipted(spooling))


def test_a_refused_event_is_shown_kept_and_lifted_when_the_cause_is_mended(place: Place) -> None:
    home, centre, spooling = place
    nobody = first_trust(SITE, home.log, (CENTRE, home.centre))
    centre.home = Home(home.paths, home.config, nobody, home.station, home.centre, home.log)
    event = spooling.pull(b"kept")
    with ingesting(home):
        wait_for(lambda: "ING-006" in spooling.findings())
        assert spooling.path("footage", event.blobs[0].digest).exists()
    centre.home = home
    with ingesting(home):
        wait_for(all_receipted(spooling))
        wait_for(lambda: spooling.findings() == [])


def test_missing_bytes_are_shown_and_everything_else_goes_on(place: Place) -> None:
    home, _, spooling = place
    lost = spooling.pull(b"lost", name="LOST.MP4")
    spooling.path("footage", lost.blobs[0].digest).unlink()
    with ingesting(home):
        after = spooling.pull(b"fine", name="FINE.MP4")
        wait_for(lambda: after.seq in spooling.receipted())
        wait_for(lambda: spooling.findings() == ["ING-012"])
    spooling.place("footage", b"lost")
    with ingesting(home):
        wait_for(all_receipted(spooling))
        wait_for(lambda: spooling.findings() == [])


def test_a_name_that_cannot_be_given_keeps_no_other_footage_back(place: Place) -> None:
    home, _, spooling = place
    stuck = spooling.pull(b"stuck", name="STUCK.MP4")
    in_the_way = home.paths.vault / "incoming" / f"{stuck.blobs[0].digest.hex}.handed" / "folder"
    in_the_way.mkdir(parents=True)
    after = [spooling.pull(b"fine %d" % number, name=f"{number}.MP4") for number in range(3)]
    with ingesting(home):
        wait_for(lambda: {event.seq for event in after} <= set(spooling.receipted()))
        in_the_way.rmdir()
        in_the_way.parent.rmdir()
        wait_for(all_receipted(spooling))


def test_a_damaged_copy_that_was_replaced_is_handed_over_again(place: Place) -> None:
    home, _, spooling = place
    event = spooling.pull(b"right bytes")
    copy = spooling.path("footage", event.blobs[0].digest)
    copy.write_bytes(b"wrong bytes")
    with ingesting(home, pace=Pace(first_wait_seconds=0.2, longest_wait_seconds=0.5)):
        handed = home.paths.vault / "incoming" / f"{event.blobs[0].digest.hex}.handed"
        wait_for(
            lambda: (
                not handed.exists()
                and spooling.db.execute("select 1 from hand_over where handed_over_unix_ms is not null").fetchone()
            )
        )
        copy.unlink()
        spooling.place("footage", b"right bytes")
        with sqlite.transaction(spooling.db):
            spooling.db.execute("update spool_blob set made_unix_ms = (select max(handed_over_unix_ms) from hand_over)")
    with ingesting(home):
        wait_for(all_receipted(spooling))
    assert b"right bytes" in vault_content(home)


def test_thousands_of_events_go_through_in_order(place: Place) -> None:
    home, centre, spooling = place
    spooling.note(3000)
    with ingesting(home, pace=Pace(window=500, first_wait_seconds=2.0)):
        wait_for(all_receipted(spooling), seconds=60)
    assert centre.size == 3000
    assert [row["log_index"] for row in spooling.db.execute("select log_index from envelope order by seq")] == list(
        range(3000)
    )


def test_presence_and_state_are_told(place: Place) -> None:
    home, _, spooling = place
    said: list[bytes] = []
    watcher = MqttLink(
        address=lambda: broker_address(home.paths, home.config.broker),
        account=centre_account(home.paths),
        client_id="watcher",
        subscriptions=[every_station(SITE, Channel.STATUS)],
        on_message=lambda _topic, payload: said.append(payload),
    )
    with watcher:
        assert watcher.wait_connected(20)
        with ingesting(home):
            wait_for(lambda: said == [b"online"])
            spooling.note()
            wait_for(lambda: json.loads((home.paths.run / "ingest.json").read_text())["link"] == "up")
        wait_for(lambda: said == [b"online", b"offline"])


def test_a_wrong_broker_password_is_a_finding_not_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest_daemon.service._SILENCE_SECONDS", 0.0)
    home = make_home(tmp_path / "home")
    secret = home.paths.keys / f"mqtt-station-{STATION}.secret"
    right = secret.read_bytes()
    with make_broker(home), Spooling(home) as spooling:
        secret.write_bytes(b"wrong\n")
        with ingesting(home):
            wait_for(lambda: spooling.findings() == ["ING-002"])
        secret.write_bytes(right)
        with ingesting(home):
            wait_for(lambda: spooling.findings() == [])


# A station of its own: bytes by upload


@pytest.fixture
def far_centre(tmp_path: Path) -> Iterator[tuple[Home, FakeCentre, Spooling, FakeTusServer]]:
    """A station whose centre is reached by HTTP only; what it uploads whole is put before the centre's vault."""
    with FakeTusServer() as server:
        home = make_home(tmp_path / "home", extra_toml=f'[station]\ncentre_url = "{server.url}"\n')
        secret = home.paths.keys / f"upload-station-{STATION}.secret"
        secret.write_text(TOKEN)
        with make_broker(home) as broker, make_centre(home, broker) as centre, Spooling(home) as spooling:
            assert centre.link.wait_connected(20)
            yield home, centre, spooling, server


def take_uploads(home: Home, server: FakeTusServer) -> bool:
    """Do what a store does with finished uploads; always true."""
    for upload in list(server.uploads.values()):
        name = upload.metadata["sha256"]
        final = home.paths.vault / "sha256" / name[:2] / name[2:4] / name
        if upload.offset == upload.length and not final.exists():
            part = home.paths.vault / "incoming" / f".{name}.part"
            part.write_bytes(upload.data)
            part.rename(part.with_name(f"{name}.handed"))
    return True


def test_bytes_are_uploaded_where_the_centre_is_elsewhere(
    far_centre: tuple[Home, FakeCentre, Spooling, FakeTusServer],
) -> None:
    home, _, spooling, server = far_centre
    with ingesting(home):
        event = spooling.pull(os.urandom(100_000))
        spooling.reread(event)
        wait_for(lambda: take_uploads(home, server) and spooling.waiting_count() == 0)
        wait_for(lambda: spool_is_empty(home))
    assert server.wrong_tokens == 0


def test_a_cut_upload_goes_on_and_small_blobs_do_not_wait_for_large_ones(
    far_centre: tuple[Home, FakeCentre, Spooling, FakeTusServer],
) -> None:
    home, _, spooling, server = far_centre
    large = os.urandom(17 << 20)
    server.faults.append(Cut(after_bytes=2_000_000))
    with ingesting(home):
        spooling.pull(large, name="LARGE.MP4")
        wait_for(lambda: take_uploads(home, server) and spooling.waiting_count() == 0, seconds=60)
    assert server.taken_bytes + 2_000_000 == len(large)
    assert large in vault_content(home)


@pytest.mark.root
def test_a_copy_that_the_disk_does_not_give_back_is_shown_and_the_others_are_uploaded(
    far_centre: tuple[Home, FakeCentre, Spooling, FakeTusServer], tmp_path: Path
) -> None:
    home, _, spooling, server = far_centre
    bad = FuseFile(b"not to be read", fail_from=0)
    lost = spooling.pull(bad.content, name="LOST.MP4")
    copy = spooling.path("footage", lost.blobs[0].digest)
    with fuse_recorder(tmp_path / "bad-disk", {b"copy": bad}) as disk:
        copy.unlink()
        copy.symlink_to(disk.folder / "copy")
        with ingesting(home):
            after = spooling.pull(b"fine", name="FINE.MP4")
            wait_for(lambda: take_uploads(home, server) and after.seq in spooling.receipted())
            wait_for(lambda: spooling.findings() == ["ING-018"])
    copy.unlink()
    spooling.place("footage", bad.content)
    with ingesting(home):
        wait_for(lambda: take_uploads(home, server) and spooling.waiting_count() == 0)
        wait_for(lambda: spooling.findings() == [])


def test_a_store_that_refuses_or_is_full_is_a_finding_and_mends_itself(
    far_centre: tuple[Home, FakeCentre, Spooling, FakeTusServer],
) -> None:
    home, _, spooling, server = far_centre
    server.faults.extend([Say(507, "POST"), Say(401, "POST")])
    with ingesting(home):
        spooling.pull(b"patience")
        wait_for(lambda: "ING-011" in spooling.findings() or "ING-010" in spooling.findings())
        wait_for(lambda: take_uploads(home, server) and spooling.waiting_count() == 0)
        wait_for(lambda: spooling.findings() == [])


def test_a_stop_is_clean_and_quick_even_while_the_store_hangs(
    far_centre: tuple[Home, FakeCentre, Spooling, FakeTusServer],
) -> None:
    home, _, spooling, server = far_centre
    server.faults.append(Hang())
    spooling.pull(b"on its way")
    daemon = start_daemon(home)
    try:
        wait_for(lambda: server.count("PATCH") == 1)
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0


# The program


def test_it_starts_stops_cleanly_and_lets_no_second_one_in(place: Place) -> None:
    home, _, spooling = place
    daemon = start_daemon(home)
    try:
        spooling.note(3)
        wait_for(all_receipted(spooling))
        second = start_daemon(home)
        assert second.wait(20) == 4
        assert "ING-015" in (home.paths.run / "ingest.log").read_text()
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0


@pytest.mark.parametrize(
    ("spoil", "status"),
    [
        (lambda home: home.paths.config.unlink(), 4),
        (lambda home: home.paths.config.write_text('[home]\nrole = "centre"\n'), 2),
        (lambda home: home.paths.trust.unlink(), 4),
        (lambda home: home.paths.trust.write_bytes(b"{}"), 5),
        (lambda home: (home.paths.keys / f"mqtt-station-{STATION}.secret").chmod(0o644), 3),
        (lambda home: home.paths.station_db.write_bytes(b"no database" * 500), 5),
    ],
)
def test_what_is_wrong_at_the_start_is_one_code_and_one_exit_status(
    tmp_path: Path,
    spoil: Callable[[Home], object],
    status: int,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # `main` sends the process's log lines to what is standard error now: another test's threads would find it closed.
    monkeypatch.setattr(logging.root, "handlers", list(logging.root.handlers))
    home = make_home(tmp_path / "home")
    assert stat.S_IMODE(home.paths.keys.stat().st_mode) == 0o700
    spoil(home)
    assert main(["--home", str(home.paths.root)]) == status
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert lines[-1]["event"] == "ingest.ended"
    assert lines[-1]["code"]


def test_a_station_unknown_to_trust_does_not_start(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", extra_toml='[station]\nid = "station-9"\n')
    (home.paths.keys / "mqtt-station-station-9.secret").write_bytes(b"x")
    (home.paths.keys / "mqtt-station-station-9.secret").chmod(0o600)
    with pytest.raises(NotTrustedError), ingesting(home) as service:
        wait_for(lambda: service.ended)
