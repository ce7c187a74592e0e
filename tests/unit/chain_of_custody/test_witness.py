"""What a witness may cosign: growth that was proved, and nothing else; the statuses are those of C2SP tlog-witness."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.checkpoint import Checkpoint, log_note_key, origin_of, sign_checkpoint
from chain_of_custody.errors import WitnessReplyRejectedError, WitnessRequestRejectedError
from chain_of_custody.notes import Note, NoteSignature, encode_note
from chain_of_custody.tree import TreeHead
from chain_of_custody.witness import Consistent, Refusal, examine
from chain_of_custody.witness_wire import (
    AddCheckpoint,
    Answer,
    WitnessReply,
    cosignature_lines_of,
    last_size_of,
    parse_add_checkpoint,
    parse_reply,
)
from tests.fakes.log_on_disc import test_key as key_of
from tests.fakes.small_tree import SmallTree

LOG = key_of("log")
ORIGIN = origin_of(LOG.public_key)
TREE = SmallTree([b"leaf %d" % number for number in range(40)])
FORK = SmallTree([b"leaf %d" % number for number in range(20)] + [b"other %d" % number for number in range(20)])


def _note(tree: SmallTree, size: int) -> bytes:
    return sign_checkpoint(Checkpoint(ORIGIN, size, tree.root(size)), LOG)


def _request(old: int, size: int, *, tree: SmallTree = TREE, proof: tuple[bytes, ...] | None = None) -> bytes:
    if proof is None:
        proof = tree.consistency(old, size) if 0 < old <= size else ()
    return AddCheckpoint(old, proof, _note(tree, size)).to_bytes()


def _ask(data: bytes, last: int, *, tree: SmallTree = TREE) -> Consistent | Refusal:
    head = TreeHead(last, tree.root(last)) if last else None
    return examine(data, log_keys={ORIGIN: LOG.public_key}, last_of={ORIGIN: head}.get)


@pytest.mark.parametrize(
    ("last", "new"), [(0, 0), (0, 1), (0, 37), (1, 2), (1, 40), (8, 8), (8, 13), (31, 32), (32, 40)]
)
def test_growth_that_is_proved_is_cosigned(last: int, new: int) -> None:
    data = _request(last, new)
    assert _ask(data, last) == Consistent(Checkpoint(ORIGIN, new, TREE.root(new)), _note(TREE, new))


def _no(answer: Consistent | Refusal) -> tuple[Answer, int, bool]:
    assert isinstance(answer, Refusal)
    return answer.why, answer.last_size, answer.is_suspect


def test_attack_08_a_truncated_log_gets_no_cosignature() -> None:
    assert _no(_ask(_request(30, 30), 40)) == (Answer.OTHER_OLD_SIZE, 40, False)
    assert _no(_ask(AddCheckpoint(40, (), _note(TREE, 30)).to_bytes(), 40)) == (Answer.MALFORMED, 40, False)


def test_attacks_05_to_07_and_09_a_rewritten_log_gets_no_cosignature() -> None:
    assert _no(_ask(_request(30, 40, tree=FORK), 30)) == (Answer.INCONSISTENT, 30, True)
    assert _no(_ask(_request(25, 40, tree=FORK, proof=TREE.consistency(25, 40)), 25)) == (Answer.INCONSISTENT, 25, True)


def test_attack_10_the_other_side_of_a_fork_gets_no_cosignature_and_is_kept() -> None:
    assert _no(_ask(_request(30, 30, tree=FORK), 30)) == (Answer.INCONSISTENT, 30, True)
    assert _no(_ask(_request(10, 30, tree=FORK), 30)) == (Answer.OTHER_OLD_SIZE, 30, True)


def test_the_honest_twin_of_the_fork_is_cosigned() -> None:
    assert isinstance(_ask(_request(30, 40, tree=FORK), 30, tree=FORK), Consistent)


@pytest.mark.parametrize("last", [0, 7, 30])
def test_an_old_size_that_is_not_ours_is_answered_with_ours(last: int) -> None:
    assert _no(_ask(_request(12, 40), last)) == (Answer.OTHER_OLD_SIZE, last, False)


@pytest.mark.parametrize("proof", [(), TREE.consistency(12, 39), TREE.consistency(12, 40)[:-1], (bytes(32),)])
def test_a_wrong_proof_is_refused(proof: tuple[bytes, ...]) -> None:
    assert _no(_ask(_request(12, 40, proof=proof), 12)) == (Answer.INCONSISTENT, 12, True)
    assert _no(_ask(_request(0, 40, proof=(bytes(32),)), 0)) == (Answer.INCONSISTENT, 0, True)


def test_an_unknown_log_and_a_thief_without_the_key_are_refused() -> None:
    other = key_of("other log")
    foreign = sign_checkpoint(Checkpoint(origin_of(other.public_key), 3, TREE.root(3)), other)
    assert _no(_ask(AddCheckpoint(0, (), foreign).to_bytes(), 0)) == (Answer.UNKNOWN_LOG, 0, False)
    checkpoint = Checkpoint(ORIGIN, 3, TREE.root(3))
    ours = log_note_key(LOG.public_key)
    forged = encode_note(Note(checkpoint.body(), (NoteSignature(ours.name, ours.key_hash, bytes(64)),)))
    assert _no(_ask(AddCheckpoint(0, (), forged).to_bytes(), 0)) == (Answer.NOT_SIGNED_BY_THE_LOG, 0, False)


def test_what_the_log_signs_and_is_no_checkpoint_is_kept() -> None:
    ours = log_note_key(LOG.public_key)
    for text in (f"{ORIGIN}\n0\n{'A' * 43}=\n", f"{ORIGIN}\n1\n{'A' * 43}=\nextension\n", f"{ORIGIN}\n"):
        note = encode_note(Note(text, (NoteSignature(ours.name, ours.key_hash, LOG.sign(text.encode())),)))
        assert _no(_ask(AddCheckpoint(0, (), note).to_bytes(), 0)) == (Answer.INCONSISTENT, 0, True)


def test_the_example_of_the_specification_is_read() -> None:
    """C2SP tlog-witness, add-checkpoint: the request's form (its log is not ours, so it is not cosigned)."""
    proof = (
        "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=",
        "jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=",
        "5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=",
        "/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=",
    )
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    sofa = "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8="
    body = "\n".join(("old 20852014", *proof, "", text, f"— example.com/behind-the-sofa {sofa}", "")).encode()
    request = parse_add_checkpoint(body)
    assert request.old_size == 20852014
    assert len(request.proof) == 4
    assert request.to_bytes() == body
    assert _no(_ask(body, 0)) == (Answer.UNKNOWN_LOG, 0, False)


GOOD = _request(12, 40)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        GOOD.replace(b"old 12", b"old 012"),
        GOOD.replace(b"old 12", b"old +12"),
        GOOD.replace(b"old 12", b"old  12"),
        GOOD.replace(b"old 12", b"Old 12"),
        GOOD.replace(b"old 12\n", b"old 12\r\n"),
        GOOD.replace(b"=\n", b"\n", 1),
        GOOD.replace(b"old 12\n", b"old 12\n" + b"A" * 43 + b"=\n" * 64),
        GOOD.replace(b"old 12", b"old 99999999999999999999"),
        GOOD + b"x" * 200_000,
    ],
)
def test_a_malformed_request_is_refused(data: bytes) -> None:
    assert _no(_ask(data, 12))[0] is Answer.MALFORMED
    with pytest.raises(WitnessRequestRejectedError):
        parse_add_checkpoint(data)


@given(st.binary(max_size=400))
def test_no_bytes_break_a_witness(data: bytes) -> None:
    assert isinstance(_ask(data, 12), Refusal)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_a_witness_never_goes_back_or_sideways(last: int, old: int, new: int, is_fork: bool) -> None:
    answer = _ask(_request(old, new, tree=FORK if is_fork else TREE), last)
    if isinstance(answer, Consistent):
        assert new >= last == old
        assert not is_fork or last <= 20


def test_an_answer_reads_back() -> None:
    """The signature line is the first of C2SP tlog-witness's example of a response."""
    line = "— witness.example/w1 I7rEps0pvK2UqkS2gSpVUDhrhVtQV9lgF6pRrWAvjJHjyWpW7VcE3SiOlVlbQNt64vWhO+DlkL0+UfzuOBMh9ChdMkP1vi/lCAsmlw==\n"  # noqa: E501
    reply = WitnessReply(bytes(range(32)), Answer.COSIGNED, line)
    assert parse_reply(reply.to_bytes()) == reply
    assert [each.name for each in cosignature_lines_of(reply)] == ["witness.example/w1"]
    assert last_size_of(WitnessReply(bytes(32), Answer.OTHER_OLD_SIZE, "20852014\n")) == 20852014


@pytest.mark.parametrize("body", ["", "x\n", "012\n", "12", "-1\n", "1\n\n", "٥\n"])
def test_a_body_that_is_neither_size_nor_signatures_is_refused(body: str) -> None:
    reply = WitnessReply(bytes(32), Answer.COSIGNED, body)
    with pytest.raises(WitnessReplyRejectedError):
        last_size_of(reply)
    with pytest.raises(WitnessReplyRejectedError):
        cosignature_lines_of(reply)


REPLY = WitnessReply(bytes(32), Answer.OTHER_OLD_SIZE, "5\n").to_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        REPLY + b" ",
        REPLY.replace(b'"409"', b'"299"'),
        REPLY.replace(b'"409"', b"409"),
        REPLY.replace(b'"5\\n"', b"null"),
        REPLY.replace(b"{", b'{"a":"b",'),
        REPLY.replace(b"00", b"0", 1),
        b'{"body":"' + b"x" * 20_000 + REPLY[8:],
    ],
)
def test_a_malformed_answer_is_refused(data: bytes) -> None:
    assert parse_reply(REPLY).body == "5\n"
    with pytest.raises(WitnessReplyRejectedError):
        parse_reply(data)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader_of_answers(data: bytes) -> None:
    with pytest.raises(WitnessReplyRejectedError):
        parse_reply(data)
