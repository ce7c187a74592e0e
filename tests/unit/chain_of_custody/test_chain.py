"""Where an event stands in its chain."""

from chain_of_custody.chain import GENESIS, GENESIS_PREV, ChainHead, LinkPlace, place

A, B = b"a" * 32, b"b" * 32


def test_the_first_event_has_number_one_and_names_nothing() -> None:
    assert place(GENESIS, seq=1, prev=GENESIS_PREV) is LinkPlace.NEXT
    assert place(GENESIS, seq=1, prev=A) is LinkPlace.BROKEN
    assert place(GENESIS, seq=2, prev=A) is LinkPlace.AHEAD


def test_the_next_event_names_the_head() -> None:
    head = ChainHead(7, A)
    assert place(head, seq=8, prev=A) is LinkPlace.NEXT
    assert place(head, seq=8, prev=B) is LinkPlace.BROKEN
    assert place(head, seq=9, prev=A) is LinkPlace.AHEAD
    assert place(head, seq=7, prev=A) is LinkPlace.BEHIND
    assert place(head, seq=1, prev=GENESIS_PREV) is LinkPlace.BEHIND
