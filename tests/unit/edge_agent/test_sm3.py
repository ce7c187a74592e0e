"""A site that asks for it gets an SM3 of footage beside SHA-256; what cannot be made holds nothing back."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.docking import OLD_NS, DockHome, dock_home, noise, put
from tests.fakes.faulty_volume import Faults

MIB = 1 << 20


@pytest.fixture
def dock(tmp_path: Path) -> DockHome:
    return dock_home(tmp_path / "home")


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "card"
    put(folder, "1.mp4", noise(2 * MIB + 1, seed=1), mtime_ns=OLD_NS + 10**9)  # the newest goes first
    put(folder, "2.mp4", noise(12 * MIB, seed=2))
    put(folder, "3.mp4", b"")
    return folder


def said(dock: DockHome) -> dict[str, str | None]:
    return {
        str(view.body["path"]): view.subject.sm3.hex() if view.subject.sm3 is not None else None
        for view in dock.events("footage.pulled")
    }


def openssl_says(path: Path) -> str:
    done = subprocess.run(["openssl", "dgst", "-sm3", "-r", path], capture_output=True, text=True, check=True)
    return done.stdout.split()[0]


def test_each_pulled_file_has_the_sm3_that_openssl_gives_it(dock: DockHome, card: Path) -> None:
    assert dock.dock(card, sm3=True).ok
    assert said(dock) == {path.name: openssl_says(path) for path in card.iterdir()}
    dock.check_sound()
    dock.check_all_reread()


def test_a_resumed_copy_has_the_sm3_of_the_whole_file(dock: DockHome, card: Path) -> None:
    dock.dock(card, files=Faults(gone_at={b"2.mp4": 7 * MIB}).files, sm3=True)
    assert dock.dock(card, sm3=True).ok
    assert any("resumed" in view.body for view in dock.events("footage.pulled"))
    assert said(dock) == {path.name: openssl_says(path) for path in card.iterdir()}


def test_a_policy_that_asks_is_enough(dock: DockHome, card: Path) -> None:
    with dock.station() as station:
        assert not station.pack.sm3.value
        asking = replace(station.pack, sm3=replace(station.pack.sm3, value=True))
        assert dock.dock_at(replace(station, pack=asking), card).ok
    assert said(dock) == {path.name: openssl_says(path) for path in card.iterdir()}


def test_nobody_gets_an_sm3_who_does_not_ask(dock: DockHome, card: Path) -> None:
    assert dock.dock(card).ok
    assert set(said(dock).values()) == {None}


def test_a_python_without_sm3_pulls_all_the_same_and_says_so(
    dock: DockHome, card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = hashlib.new

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "sm3":
            raise ValueError(f"unsupported hash type {name}")
        return honest(name, *arguments, **more)

    with monkeypatch.context() as broken:
        broken.setattr(hashlib, "new", without)
        assert dock.dock(card, sm3=True).ok
    assert set(said(dock).values()) == {None}
    assert "HOST-057" in dock.findings()
    dock.dock(card, sm3=True)
    assert "HOST-057" not in dock.findings()
