"""Whose key it is and what he may do, by the place in the log: what the trust document says of people.

A claimed time never matters. An entry counts for an event at index i if `start` <= i < `until`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chain_of_custody.envelope import Envelope
from chain_of_custody.signatures import KeyId, verifier_for
from chain_of_custody.trust_entries import PersonRole, TrustedPerson


@dataclass(frozen=True, slots=True)
class People:
    """Everybody whom the trust document lists."""

    entries: tuple[TrustedPerson, ...] = ()
    _by_id: dict[str, list[TrustedPerson]] = field(default_factory=dict)
    _keys: dict[KeyId, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Iterable[TrustedPerson]) -> "People":
        """Return the directory of these entries."""
        people = cls(tuple(entries))
        for each in people.entries:
            people._by_id.setdefault(each.id, []).append(each)
            people._keys[each.key_id] = each.key
        return people

    def signed(self, envelope: Envelope) -> frozenset[KeyId]:
        """Return the people's keys that signed an envelope; one whose signature does not verify did not."""
        return frozenset(
            each.key_id
            for each in envelope.signatures
            if (key := self._keys.get(each.key_id)) is not None
            and verifier_for(key).verify(envelope.pae, each.signature)
        )

    def keys_of(self, person: str, index: int) -> frozenset[KeyId]:
        """Return the keys with which somebody could sign an event at this place."""
        return frozenset(each.key_id for each in self._by_id.get(person, ()) if each.holds(index))

    def roles_of(self, person: str, index: int) -> frozenset[PersonRole]:
        """Return what somebody was at this place; nothing for one who is not listed."""
        found = (each.roles for each in self._by_id.get(person, ()) if each.holds(index))
        return frozenset().union(*found)
