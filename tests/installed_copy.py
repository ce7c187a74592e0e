"""A copy of what is installed for running Evidock, to be laid out in a machine that has no network."""

import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
_LOCK = REPOSITORY / "requirements/run.lock"


def locked_names() -> list[str]:
    """Return the distributions that running takes, pip among them."""
    return re.findall(r"(?m)^([A-Za-z0-9._-]+)==", _LOCK.read_text(encoding="utf-8"))


def copy_packages(venv: Path) -> None:
    """Copy each of them, as it is installed here, into the venv: packages, and programs such as nats-server."""
    version = f"python3.{sys.version_info.minor}"
    for name in locked_names():
        for file in metadata.distribution(name).files or ():
            source = Path(str(file.locate()))
            if "__pycache__" in file.parts or not source.is_file():
                continue
            target = (
                venv / "bin" / file.name if file.parts[0] == ".." else venv / "lib" / version / "site-packages" / file
            )
            if target.parent.name == "bin" and _is_script(source):
                continue  # made for the interpreter here
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
