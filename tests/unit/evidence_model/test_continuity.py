"""Two dockings of one recorder id: what shows that it is another device, and what only looks so."""

import pytest

from evidence_model.continuity import Break, Counter, Shown, breaks, is_worthless_serial

EARLY, LATE = "2026-11-20T08:00:00", "2026-11-22T08:00:00"


def shown(serial: str = "YZ0012345", *, number: int = 500, stamp: str = LATE, **facts: str) -> Shown:
    known = {"usb_serial": serial, "usb_id": "0bda:0129", "fs_uuid": "1A2B-3C4D", **facts}
    return Shown(facts={name: value for name, value in known.items() if value}, counter=Counter(number, 4, stamp))


BEFORE = shown(number=480, stamp=EARLY)


def test_attack_51_another_serial_number_under_one_id() -> None:
    assert breaks(BEFORE, shown("YZ0099999")) == (Break.SERIAL,)


def test_another_product_under_one_id() -> None:
    assert breaks(BEFORE, shown(usb_id="4255:0001")) == (Break.PRODUCT,)


def test_a_newer_file_with_a_lower_number() -> None:
    assert breaks(BEFORE, shown(number=12)) == (Break.COUNTER,)


def test_another_card_counts_only_where_no_serial_number_vouches() -> None:
    assert breaks(shown("", number=480, stamp=EARLY), shown("", fs_uuid="9999-0001")) == (Break.CARD,)
    assert breaks(BEFORE, shown(fs_uuid="9999-0001")) == ()


@pytest.mark.parametrize(
    ("before", "now"),
    [
        pytest.param(Shown(), BEFORE, id="a first docking"),
        pytest.param(BEFORE, shown(), id="it goes on"),
        pytest.param(BEFORE, BEFORE, id="docked twice"),
        pytest.param(BEFORE, shown(fs_uuid="9999-0001", number=1), id="formatted, and its counter begins anew"),
        pytest.param(BEFORE, shown(fs_uuid="9999-0001"), id="formatted, and its counter goes on"),
        pytest.param(shown(number=9998, stamp=EARLY), shown(number=3), id="the counter starts again after 9999"),
        pytest.param(BEFORE, shown(port="1-1.1"), id="another socket"),
        pytest.param(BEFORE, shown(""), id="docked as a folder, which shows no serial number"),
        pytest.param(shown("", stamp=EARLY, number=480), shown(""), id="a recorder without a serial number"),
        pytest.param(shown("000000000000"), shown("0123456789ABCDEF"), id="placeholders of the maker"),
        pytest.param(BEFORE, shown(number=470, stamp="2026-11-19T08:00:00"), id="the newest files were freed"),
        pytest.param(BEFORE, shown(number=12, stamp="2000-01-01T00:00:00"), id="its clock was reset"),
        pytest.param(BEFORE, Shown(facts=BEFORE.facts), id="nothing on it"),
        pytest.param(BEFORE, shown(usb_id="0BDA:0129"), id="written in capitals"),
    ],
)
def test_an_honest_recorder_breaks_nothing(before: Shown, now: Shown) -> None:
    assert breaks(before, now) == ()


def test_a_docking_that_shows_less_hides_nothing_from_the_next() -> None:
    folder = Shown(facts={})
    assert breaks(BEFORE.then(folder), shown("YZ0099999")) == (Break.SERIAL,)
    assert breaks(BEFORE.then(folder), shown(number=12)) == (Break.COUNTER,)
    assert BEFORE.then(shown("YZ0099999")).facts["usb_serial"] == "YZ0099999"


@pytest.mark.parametrize("number", [8999, 9000, 9999])
def test_only_a_counter_near_its_end_starts_again(number: int) -> None:
    expected = () if number >= 9000 else (Break.COUNTER,)
    assert breaks(shown(number=number, stamp=EARLY), shown(number=1000)) == expected
    assert breaks(shown(number=number, stamp=EARLY), shown(number=1001)) == (Break.COUNTER,)


def test_what_was_written_is_read_and_what_makes_no_sense_was_not_shown() -> None:
    assert Shown.from_body(BEFORE.as_body()) == BEFORE
    for body in ({}, {"facts": [], "counter": "x"}, {"facts": {"usb_serial": ["x"]}, "counter": {"number": "-1"}}):
        assert Shown.from_body(body) == Shown()  # type: ignore[arg-type]
    told = {"counter": {"number": "1", "digits": "99", "stamp": LATE}}
    assert Shown.from_body(told).counter is None


@pytest.mark.parametrize("serial", ["", "0", "000000000000", "0123456789ABCDEF", "None", "serial-1"])
def test_a_placeholder_identifies_nothing(serial: str) -> None:
    assert is_worthless_serial(serial)
    assert not is_worthless_serial("YZ0012345")
