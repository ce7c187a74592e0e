"""Centre and witnesses lose power together at any durable step: what is believed afterwards is one history."""

import contextlib
import gc
import shutil
from pathlib import Path

import pytest

from chain_of_custody.envelope import envelope_hash
from evidence_model.findings import Severity
from evidence_store.fsck import verify_home
from tests.crash.steps import PowerCutError, Steps, When
from tests.fakes.centre_home import centre_at
from tests.fakes.council import WitnessedPlace


def _happens(place: WitnessedPlace, raws: list[bytes]) -> dict[bytes, int]:
    """Let a station say two things, with all witnesses at work; return which receipts it believes."""
    believed: dict[bytes, int] = {}
    with centre_at(place.paths, place.trust, clock=place.clock) as centre:
        for raw in raws:
            believed |= place.believed(place.council.sit(centre, centre.take(place.station, [raw])))
            centre.ledger.settle(up_to=centre.sequencer.applied_size)
    return believed


@pytest.mark.slow
@pytest.mark.parametrize("when", When)
def test_power_cut_at_any_step_of_a_witnessed_log(tmp_path: Path, when: When) -> None:
    template = WitnessedPlace(tmp_path / "template")
    first, second = template.station.says(), template.station.says()
    _happens(template, [first])

    def begun(name: str) -> WitnessedPlace:
        shutil.copytree(tmp_path / "template", tmp_path / name)
        place = WitnessedPlace(tmp_path / name)
        place.station = template.station
        return place

    with Steps() as steps:
        _happens(begun("count"), [second])
    assert steps.count > 15
    for at in range(1, steps.count + 1):
        place = begun(f"{at}")
        try:
            with contextlib.suppress(PowerCutError), Steps(at=at, when=when) as stopped:
                _happens(place, [second])
        finally:
            gc.collect()
        place.trust = place.council.trusting(place.trust)  # the witnesses start again, too
        believed = _happens(place, [first, second])
        assert set(believed) == {envelope_hash(first), envelope_hash(second)}, stopped.stopped_at
        assert min(believed.values()) > 0, stopped.stopped_at
        faults = [each for each in verify_home(place.paths) if each.severity is not Severity.NOTE]
        assert faults == [], (stopped.stopped_at, faults)
