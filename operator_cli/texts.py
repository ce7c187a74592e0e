"""What people read, in Chinese and English: message id → text (`texts.toml`), finding code → text (`findings.toml`)."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import resources

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


class Language(Enum):
    """Languages in which every text is there."""

    ZH = "zh"
    EN = "en"

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> "Language":
        """Return what LC_ALL, LC_MESSAGES or LANG asks for; English where they say nothing."""
        for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
            if value := environment.get(name):
                return cls.ZH if value.lower().startswith("zh") else cls.EN
        return cls.EN


@cache
def message_catalogue() -> Mapping[str, Mapping[str, str]]:
    """Return message id → {zh, en}."""
    text = resources.files("operator_cli").joinpath("texts.toml").read_text(encoding="utf-8")
    loaded: Mapping[str, Mapping[str, str]] = tomllib.loads(text)
    return loaded


def placeholders(text: str) -> frozenset[str]:
    """Return the names of the values that a text wants."""
    return frozenset(_PLACEHOLDER.findall(text))


@dataclass(frozen=True, slots=True)
class FindingText:
    """What people read for a finding or error code."""

    title: str
    fix: str


@dataclass(frozen=True, slots=True)
class Texts:
    """All texts in one language."""

    language: Language

    def __call__(self, message_id: str, /, **values: object) -> str:
        """Return the message; an id that has no text, or a value that was not given, shows itself and is no error."""
        texts = message_catalogue().get(message_id)
        if texts is None:
            return message_id + "".join(f" {name}={value}" for name, value in values.items())
        return _PLACEHOLDER.sub(
            lambda match: str(values.get(match.group(1), match.group(0))), texts[self.language.value]
        )

    def listed(self, names: Iterable[str]) -> str:
        """Return the names as the language lists them."""
        return self("list.between").join(names)

    def headed(self, title: str, what: str) -> str:
        """Return what it is, and then what of it if that is said."""
        return self("list.head", title=title, what=what) if what else title

    def has(self, message_id: str) -> bool:
        """Say whether the message is in the catalogue."""
        return message_id in message_catalogue()

    def finding(self, code: str) -> FindingText:
        """Return title and mending of a finding or error code."""
        from evidence_model.findings import catalogue  # noqa: PLC0415 - `--help` needs none of it

        texts = catalogue().get(code, {})
        return FindingText(texts.get(self.language.value, code), texts.get(f"fix_{self.language.value}", ""))
