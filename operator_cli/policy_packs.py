"""The policy packs that come with this version, by name."""

from collections.abc import Mapping
from importlib import resources

from operator_cli.errors import NotThereError
from operator_cli.texts import Language
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
        raise NotThereError(f"{name} ({' '.join(pack_names())})")
    return resources.files("policies").joinpath("packs", f"{name}.toml").read_text(encoding="utf-8")


def shipped_pack(name: str) -> Pack:
    """Read a shipped pack."""
    return read_pack(pack_text(name), name=f"{name}.toml")


def reason_words(pack: Pack, language: Language) -> Mapping[str, str]:
    """Return id → words of the reasons for which recording may stop (WH-R18, MS-D16)."""
    return {one.id: one.zh if language is Language.ZH else one.en for one in pack.interruption_reasons.values()}
