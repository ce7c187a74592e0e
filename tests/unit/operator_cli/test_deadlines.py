"""24 hours from the end of a recording (MS-D9, DL-18); seen, never enforced; unknown stays unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from evidence_model.known import Known, Unknown
from operator_cli.deadlines import WaitingFootage, deadlines
from operator_cli.policy_packs import shipped_pack

RULE = shipped_pack("baseline").pull_deadline
END = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def footage(name: str, end_at: datetime | None, *, received: int = 0) -> WaitingFootage:
    end = Known(end_at) if end_at is not None else Unknown("no witness")
    return WaitingFootage(recording_id=name, recorder_id="rec", end_at=end, file_count=2, received_count=received)


def test_ms_d9_due_24_hours_after_the_end_and_not_before() -> None:
    [early] = deadlines([footage("R", END)], RULE, now=END + timedelta(hours=24))
    [late] = deadlines([footage("R", END)], RULE, now=END + timedelta(hours=24, seconds=1))
    assert early.due_at == Known(END + timedelta(hours=24))
    assert (early.overdue, late.overdue) == (False, True)
    assert "MS-D9" in late.rules


def test_a_warning_comes_before_it() -> None:
    [far] = deadlines([footage("R", END)], RULE, now=END + timedelta(hours=19))
    [near] = deadlines([footage("R", END)], RULE, now=END + timedelta(hours=21))
    assert (far.soon, near.soon) == (False, True)


def test_what_is_wholly_received_has_no_deadline() -> None:
    assert deadlines([footage("R", END, received=2)], RULE, now=END + timedelta(days=9)) == []


def test_an_unknown_end_is_never_overdue_and_never_hidden() -> None:
    [one] = deadlines([footage("R", None)], RULE, now=END + timedelta(days=900))
    assert isinstance(one.due_at, Unknown)
    assert not one.overdue
    assert one.as_json()["due_at"] is None


def test_the_most_urgent_stands_first_and_the_unknown_last() -> None:
    found = deadlines(
        [footage("unknown", None), footage("later", END + timedelta(hours=2)), footage("first", END)], RULE, now=END
    )
    assert [one.recording_id for one in found] == ["first", "later", "unknown"]
