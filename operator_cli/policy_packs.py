"""The policy packs that come with this version, by name."""

from importlib import resources

from operator_cli.errors import NotThereError
from policies.model import Pack
from policies.reader import read_pack


def pack_names() -> list[str]:
    """Return the names of the shipped packs."""
    folder = resources.files("policies").joinpath("packs")
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def pack_text(name: str) -> str:
    """Return a shipped pack as it is written.

    Raises:
        NotThereError: there is none of this name.
    """
    if name not in pack_names():
        raise NotThereError(f"{name}: no such pack; there are {', '.join(pack_names())}")
    return resources.files("policies").joinpath("packs", f"{name}.toml").read_text(encoding="utf-8")


def shipped_pack(name: str) -> Pack:
    """Read a shipped pack."""
    return read_pack(pack_text(name), name=f"{name}.toml")
