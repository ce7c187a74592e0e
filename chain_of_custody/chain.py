"""Where an event stands in its chain: each signer, and each item of one, counts 1, 2, 3 … and names the one before.

A gap, a doubled number or another predecessor shows that something was left out, repeated or written again.
"""

from dataclasses import dataclass
from enum import Enum

GENESIS_PREV = bytes(32)
"""`prev` of the first event: 32 zero bytes (64 zeros on the wire)."""


class LinkPlace(Enum):
    """What an event is to the chain known so far."""

    NEXT = "next"  # the number after the head, and it names the head
    BEHIND = "behind"  # a number that was seen already: a repetition, or another history
    AHEAD = "ahead"  # numbers between are missing: wait for them
    BROKEN = "broken"  # the right number, but it names another predecessor


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The last accepted event of a chain."""

    seq: int
    envelope_hash: bytes


GENESIS = ChainHead(0, GENESIS_PREV)


def place(head: ChainHead, *, seq: int, prev: bytes) -> LinkPlace:
    """Say how the event with this number and predecessor follows `head` (`GENESIS` if there is none)."""
    if seq <= head.seq:
        return LinkPlace.BEHIND
    if seq > head.seq + 1:
        return LinkPlace.AHEAD
    return LinkPlace.NEXT if prev == head.envelope_hash else LinkPlace.BROKEN
