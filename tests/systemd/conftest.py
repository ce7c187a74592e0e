"""A machine with systemd, with Evidock installed as the guide says."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.nspawn import Machine, NoMachineError, bound_python, install_evidock

_OFFLINE = ("wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the project as one installable file, made from the tree under test."""
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "pip", *_OFFLINE, "--wheel-dir", str(folder), str(REPOSITORY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def docks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which tests put recorders; the machine sees it as /srv/docks."""
    folder = tmp_path_factory.mktemp("docks")
    folder.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, wheel: Path, docks: Path) -> Iterator[Machine]:
    """Boot a machine and install Evidock in it; each test module has its own."""
    if lacking := Machine.missing():
        pytest.skip(lacking)
    bound = [*bound_python(), (REPOSITORY / "systemd", "/srv/systemd"), (docks, "/srv/docks")]
    with Machine(
        tmp_path_factory.mktemp("machine"), read_only=bound, allowed_calls="adjtimex clock_adjtime"
    ) as machine:
        try:
            machine.boot()
        except NoMachineError as error:
            # None of our files is in it yet: it is this machine that cannot boot a container.
            pytest.skip(f"systemd-nspawn boots nothing here: {error}")
        install_evidock(machine, wheel)
        machine.run("/srv/systemd/install-units")
        yield machine
