"""What matters most stands first in `evidock status`, however much else there is to say."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from host_io.config import HomePaths
from host_io.station_db import open_station_db
from tests.unit.operator_cli.cli import evidock


@pytest.mark.parametrize(("severity", "code"), [("damage", 5), ("fault", 1)])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_number_of_notes_hides_what_is_wrong(severity: str, code: int, language: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    evidock("--home", str(home), "init", "--role", "workstation")
    with contextlib.closing(open_station_db(HomePaths(home))) as db:
        for number in range(31):
            found = ("EDGE-105", severity, "the-one") if number == 15 else ("EDGE-251", "note", f"note-{number}")
            db.execute(
                "insert into station_finding (code, severity, subject, details, found_unix_ms)"
                " values (?, ?, ?, '{}', 1)",
                found,
            )
        db.commit()
    called = evidock("--lang", language, "--home", str(home), "status")
    assert called.code == code
    listed = [line for line in called.out.splitlines() if "EDGE-" in line]
    assert "the-one" in listed[0]
    assert "note-30" in listed[1], "and of the rest the newest"
    assert "21" in called.out.splitlines()[-1]
