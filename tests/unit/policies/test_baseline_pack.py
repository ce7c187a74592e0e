"""Every value of the baseline pack is what its article says, or is marked as our own default."""

from datetime import timedelta
from importlib import resources

import pytest

from policies.model import Basis, Explanation
from policies.reader import PackError, read_pack

TEXT = (resources.files("policies") / "packs" / "baseline.toml").read_text(encoding="utf-8")
PACK = read_pack(TEXT, name="baseline.toml")


def test_footage_is_pulled_within_24_hours_ms_d9_xm_d9_dl_18_ms_r32() -> None:
    assert PACK.pull_deadline.value == timedelta(hours=24)
    assert set(PACK.pull_deadline.source.rules) == {"MS-D9", "XM-D9", "DL-18", "MS-R32"}
    assert "24小时" in PACK.pull_deadline.source.article
    assert PACK.pull_deadline.source.basis is Basis.RULE


def test_wuhans_two_days_are_named_beside_the_stricter_value_wh_r25() -> None:
    assert "WH-R25" in PACK.pull_deadline.source.note_zh
    assert "2" in PACK.pull_deadline.source.note_en


def test_after_return_from_the_field_24_hours_hold_dl_18_ms_r32_wh_r25() -> None:
    assert PACK.pull_deadline_after_return.value == timedelta(hours=24)


def test_preflight_figures_are_marked_as_ours_because_ms_d4_gives_none() -> None:
    assert PACK.preflight.source.basis is Basis.OURS
    assert {"MS-D4", "XM-D4"} <= set(PACK.preflight.source.rules)


def test_required_tags_are_case_party_and_handler_wh_r25() -> None:
    assert PACK.required_tags.value == ("case", "party", "handler")
    assert PACK.required_tags.source.rules == ("WH-R25",)


def test_retention_is_six_months_ms_d11_xm_d11_wh_r26() -> None:
    assert PACK.retention_months.value == 6


def test_interruption_reasons_are_those_of_wh_r18_and_ms_d16() -> None:
    spoken = {reason.id for reason in PACK.interruption_reasons.values() if reason.explanation is Explanation.SPOKEN}
    written = {
        reason.id for reason in PACK.interruption_reasons.values() if reason.explanation is Explanation.WORK_RECORD
    }
    assert spoken == {"device_fault", "bad_weather", "battery_exhausted", "storage_exhausted", "other_objective"}
    assert written == {"privacy_or_secrets", "natural_causes", "obstruction", "force_majeure"}
    assert all("WH-R18" in PACK.interruption_reasons[reason].source.rules for reason in spoken)
    assert all("MS-D16" in PACK.interruption_reasons[reason].source.rules for reason in written)


def test_every_value_can_be_explained_with_rule_and_article() -> None:
    for setting, source in PACK.explain().items():
        assert source.rules, setting
        assert source.article, setting


def test_every_mistake_is_reported_at_once_with_its_line() -> None:
    broken = (
        TEXT.replace('value = "24 h"', 'value = "one day"', 1)
        .replace("months = 6", "months = 0")
        .replace('id = "bad_weather"', 'id = "device_fault"')
        .replace("fail_below_percent = 20", "fail_below_percent = 99")
        .replace('value = ["case", "party", "handler"]', 'value = ["case", "colour"]')
        .replace('rules = ["WH-R25"]', 'rules = ["ROUMOUR"]')
        + "\n[extra]\nx = 1\n"
    )
    lines = broken.splitlines()
    with pytest.raises(PackError) as caught:
        read_pack(broken, name="mine.toml")
    named = {
        (mistake.what.split(":")[0], lines[mistake.line - 1].split("=")[0].strip()) for mistake in caught.value.mistakes
    }
    assert {
        ("pull.deadline.value", "value"), ("retention.default.months", "months"), ("interruption_reasons.1.id", "id"),
        ("preflight.battery.fail_below_percent", "fail_below_percent"), ("tags.required.value", "value"),
        ("tags.required.rules", "rules"), ("extra", "[extra]"),
    } == named  # fmt: skip


def test_a_value_of_ours_without_a_note_is_refused() -> None:
    with pytest.raises(PackError, match="says in a note why"):
        read_pack(TEXT.replace('basis = "rule"\nrules = ["WH-R25"]', 'basis = "ours"\nrules = ["WH-R25"]'), name="x")


def test_a_text_that_is_no_toml_is_one_mistake() -> None:
    with pytest.raises(PackError) as caught:
        read_pack("= nonsense", name="x")
    assert len(caught.value.mistakes) == 1


def test_an_empty_pack_lacks_everything_and_says_all_of_it() -> None:
    with pytest.raises(PackError) as caught:
        read_pack("", name="x")
    text = str(caught.value)
    assert all(part in text for part in ("title", "pull", "preflight", "interruption_reasons", "tags", "retention"))
