"""People are told that nothing moves: after a while as a note, after hours as a fault, and never because of a clock."""

from datetime import UTC, datetime, timedelta

import pytest

from evidence_model.findings import Severity
from ingest_daemon.alerts import waiting_finding
from ingest_daemon.ledger import Backlog
from tests.homes import STATION

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("waited", "severity"),
    [
        (timedelta(minutes=14, seconds=59), None),
        (timedelta(minutes=15), Severity.NOTE),
        (timedelta(hours=3, minutes=59), Severity.NOTE),
        (timedelta(hours=4), Severity.FAULT),
        (timedelta(days=9), Severity.FAULT),
        (timedelta(hours=-1), None),
    ],
)
def test_how_long_the_oldest_waited_decides(waited: timedelta, severity: Severity | None) -> None:
    finding = waiting_finding(Backlog(3, NOW - waited), station=STATION, now=NOW)
    assert (finding.severity if finding else None) is severity


def test_nothing_waiting_is_nothing_to_tell() -> None:
    assert waiting_finding(Backlog(0, None), station=STATION, now=NOW) is None
