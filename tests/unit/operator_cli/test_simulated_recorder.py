"""The simulated recorder holds real footage, and the real parts find in it exactly what was put there."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge_agent.boxes import MediaFlag
from edge_agent.identify import identify
from edge_agent.listing import list_volume
from edge_agent.media_facts import probe
from edge_agent.profile_reader import shipped_profiles
from edge_agent.time_witnesses import witnesses
from edge_agent.volume import VolumeRoot
from edge_agent.volume_facts import gather_facts
from evidence_model.digests import Digest
from evidence_model.ids import asset_id_of
from evidence_model.known import Known
from evidence_model.timeline import Irregularity, Recording, Segment, group
from operator_cli.simulated_recorder import GAP, NoSuchSimulationError, families, make_recorder

NOW = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PROFILES = shipped_profiles()


def recordings_of(card: Path) -> tuple[Recording, ...]:
    """Take a card through listing, probing, witnesses and grouping, as the agent and the store do."""
    segments = []
    with VolumeRoot.open(card) as volume:
        facts = gather_facts(volume, PROFILES)
        identity = identify(facts, PROFILES)
        for file in list_volume(volume, identity.profile).files:
            media = probe(card / file.raw_path.decode())
            times = witnesses(file, media, identity.profile, stamp_meaning=facts.stamp_meaning, docked_at=NOW)
            length = media.duration_ms
            segments.append(
                Segment(
                    asset_id=asset_id_of(
                        recorder=identity.recorder_id,
                        raw_path=file.raw_path,
                        size_bytes=file.size_bytes,
                        digest=Digest(hashlib.sha256((card / file.raw_path.decode()).read_bytes()).digest()),
                    ),
                    recorder_id=identity.recorder_id,
                    raw_path=file.raw_path,
                    start_at=times.start_at,
                    duration=Known(timedelta(milliseconds=length.value)) if isinstance(length, Known) else length,
                    fields=file.fields,
                    rule=identity.profile.segment,
                    locked=file.locked,
                    is_footage=file.is_footage,
                )
            )
    return group(segments)


@pytest.mark.parametrize("family", ["cn_oem_menu", "novatek_dcim", "hisi_dtcf", "tecsar_msc"])
def test_four_segments_with_a_gap_a_locked_one_and_a_stump_come_out(tmp_path: Path, family: str) -> None:
    make_recorder(tmp_path / "r", profile=family, now=NOW)
    activity, locked, stump = recordings_of(tmp_path / "r")
    assert [len(recording.segments) for recording in (activity, locked, stump)] == [4, 1, 1]
    (gap,) = activity.findings
    assert gap.kind is Irregularity.GAP
    assert abs(gap.length - GAP) < timedelta(seconds=1)
    assert locked.findings == stump.findings == ()
    assert activity.start_at == Known(NOW - timedelta(hours=2))


def test_a_havis_recorder_is_joined_by_its_plus(tmp_path: Path) -> None:
    make_recorder(tmp_path / "r", profile="havis_mdvr", now=NOW)
    assert [len(recording.segments) for recording in recordings_of(tmp_path / "r")] == [4, 1, 1]


def test_a_gopro_is_joined_by_its_chapters(tmp_path: Path) -> None:
    make_recorder(tmp_path / "r", profile="gopro_files", now=NOW)
    lengths = sorted(len(recording.segments) for recording in recordings_of(tmp_path / "r"))
    assert lengths == [1, 1, 4]


def test_one_stump_one_empty_file_and_the_rest_whole(tmp_path: Path) -> None:
    made = make_recorder(tmp_path / "r", now=NOW)
    flags = [probe(path).flags for path in made if path.suffix in {".mp4", ".wav"}]
    assert flags.count(frozenset()) == 6
    assert sum(MediaFlag.NO_INDEX in one for one in flags) == 1
    assert sum(MediaFlag.EMPTY in one for one in flags) == 1


@pytest.mark.parametrize("family", families())
def test_two_seeds_share_no_footage(tmp_path: Path, family: str) -> None:
    digests: list[set[str]] = []
    for seed in (1, 2):
        made = make_recorder(tmp_path / f"{seed}", profile=family, seed=seed, now=NOW)
        media = [path for path in made if path.stat().st_size > 10_000]
        assert len(media) == 8
        digests.append({hashlib.sha256(path.read_bytes()).hexdigest() for path in media})
    assert all(len(one) == 8 for one in digests)
    assert not digests[0] & digests[1]


def test_nothing_is_written_into_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "keep").write_text("mine")
    with pytest.raises(NoSuchSimulationError, match="not empty"):
        make_recorder(tmp_path, now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


def test_an_unknown_model_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NoSuchSimulationError, match="nonsense"):
        make_recorder(tmp_path / "r", profile="nonsense", now=NOW)
