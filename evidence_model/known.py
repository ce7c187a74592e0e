"""`Unknown` is a value that people see; it is never guessed and never turned into 0 or OK (design.md, promise 5)."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """A fact that was read, with its value."""

    value: T


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact that could not be read, with the reason in English for logs and events."""

    why: str


def text_of(fact: "Known[T] | Unknown") -> str:
    """Return the value as text, or `unknown: <why>`; for events, logs and tables."""
    match fact:
        case Known(value):
            return str(value)
        case Unknown(why):
            return f"unknown: {why}"
