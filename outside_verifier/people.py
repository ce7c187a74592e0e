"""Who may have signed as a person, and what he was then, by the place in the log: `people` of the trust document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .envelope import Envelope
from .keys import Key
from .trust import Person


def roles_at(people: Iterable[Person], person: str, index: int) -> frozenset[str]:
    """Return what a person was at a place in the log; nothing for one who is not listed."""
    return frozenset(role for each in people if each.name == person and _counts_at(each, index) for role in each.roles)


def keys_at(people: Iterable[Person], person: str, index: int) -> frozenset[str]:
    """Return the ids of the keys with which a person could sign there."""
    return frozenset(each.key.id for each in people if each.name == person and _counts_at(each, index))


def signed_by(envelope: Envelope, keys: Mapping[str, Key]) -> Mapping[str, bool]:
    """Return the ids of these keys that signed, and whether that could be checked here; a wrong one did not sign."""
    verdicts = {
        key_id: keys[key_id].verify(envelope.pae, signature)
        for key_id, signature in envelope.signatures.items()
        if key_id in keys
    }
    return {key_id: verdict is not None for key_id, verdict in verdicts.items() if verdict is not False}


def _counts_at(person: Person, index: int) -> bool:
    return person.start <= index and (person.until is None or index < person.until)
