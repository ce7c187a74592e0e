"""The token that holds a key is pulled out at the worst moment: nothing is lost, nothing half-said, and all goes on."""

import threading
from pathlib import Path

import pytest

from chain_of_custody.envelope import parse_envelope, verify_envelope
from chain_of_custody.signatures import Ed25519Verifier, Signer
from chain_of_custody.witness_wire import Answer, WitnessReply, parse_reply
from evidence_model.states import SessionState
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.stage import LogEntry
from host_io.keys import read_signing_key
from host_io.pkcs11_keys import TokenAbsentError
from host_io.trust import witness_key_path
from host_io.witness_state import witness_state
from ingest_daemon.witnessing import Witness, WitnessDesk
from tests.docking import dock_home, noise, put
from tests.fakes.fake_station import FakeStation
from tests.fakes.manual_clock import ManualClock
from tests.homes import STATION as DOCK_STATION
from tests.tokens import SoftToken
from tests.witnessing import LOG, STATION, request_for, witness_home

pytestmark = pytest.mark.xdist_group("softhsm")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SoftToken:
    soft = SoftToken(tmp_path, monkeypatch)
    soft.make_key("key")
    return soft


class PulledAt:
    """A key in a token that is pulled out right before its n-th signature."""

    def __init__(self, signer: Signer, token: SoftToken, *, at: int) -> None:
        self._signer, self._token, self._left = signer, token, at
        self.key_id, self.public_key = signer.key_id, signer.public_key

    def sign(self, message: bytes) -> bytes:
        self._left -= 1
        if self._left == 0:
            self._token.pull_out()
        return self._signer.sign(message)


def entries(station: FakeStation, count: int) -> list[LogEntry]:
    raws = [station.says() for _ in range(count)]
    return [LogEntry(raw, station.leaf(raw)) for raw in raws]


@pytest.mark.parametrize("at", [2, 3])
def test_a_log_whose_token_goes_at_the_commit_point_has_the_batch_or_has_it_not(
    token: SoftToken, tmp_path: Path, at: int
) -> None:
    signer = read_signing_key(token.key_file(tmp_path / "log.key", "key"))
    folder, station = LogFolder(tmp_path / "log"), FakeStation()
    ledger = Ledger(folder, PulledAt(signer, token, at=at))
    ledger.open()
    batches = [entries(station, 3), entries(station, 4)]
    for batch in batches[: at - 2]:
        ledger.append(batch)
    before = ledger.size
    with pytest.raises(TokenAbsentError):
        ledger.append(batches[at - 2])
    with pytest.raises(TokenAbsentError):
        ledger.append(batches[at - 2])
    assert ledger.size == before
    token.plug_in()
    assert ledger.append(batches[at - 2]).first_index == before
    again = Ledger(folder, signer)
    again.open()
    assert again.size == before + len(batches[at - 2])


def test_a_station_whose_token_is_away_takes_nothing_as_said_and_all_of_it_later(
    token: SoftToken, tmp_path: Path
) -> None:
    keys = tmp_path / "home" / "keys"
    keys.mkdir(parents=True)
    token.key_file(keys / f"station-{DOCK_STATION}.key", "key")
    dock = dock_home(tmp_path / "home")
    card = tmp_path / "card"
    put(card, "1.mp4", noise(1000, seed=1))
    assert dock.dock(card).ok
    put(card, "2.mp4", noise(1000, seed=2))
    with dock.station() as station:
        token.pull_out()
        cut = dock.dock_at(station, card)
        assert (cut.state, cut.problem) == (SessionState.INTERRUPTED, TokenAbsentError.code)
        assert len(dock.events("footage.pulled")) == 1
        token.plug_in()
        assert dock.dock_at(station, card).ok
    dock.check_sound()
    dock.check_has(card)
    key = Ed25519Verifier(dock.home.station.public_key)
    for (raw,) in dock.rows("select raw from envelope"):
        assert verify_envelope(parse_envelope(bytes(raw)), [key])  # type: ignore[call-overload]


def test_a_witness_whose_token_was_away_answers_when_it_is_asked_again(token: SoftToken, tmp_path: Path) -> None:
    paths, _ = witness_home(tmp_path / "home")
    path = witness_key_path(paths, STATION)
    signer = read_signing_key(token.key_file(path, "key"))
    replies: list[WitnessReply] = []
    arrived = threading.Semaphore(0)

    def send(message: bytes) -> None:
        replies.append(parse_reply(message))
        arrived.release()

    witness = Witness(
        name="w", signer=signer, log_key=LOG.public_key, state=witness_state(paths, STATION), clock=ManualClock()
    )
    desk = WitnessDesk(witness, send=send)
    desk.start()
    try:
        token.pull_out()
        desk.put(request_for(0, 20))
        desk.put(b"\xff")
        assert arrived.acquire(timeout=20)
        assert [each.answer for each in replies] == [Answer.MALFORMED]  # the first has no answer, the thread lives
        token.plug_in()
        desk.put(request_for(20, 33))
        assert arrived.acquire(timeout=20)
        assert replies[1].answer is Answer.COSIGNED
    finally:
        desk.stop(timeout_seconds=5)
