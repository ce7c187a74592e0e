"""Witness policies: one form, nobody counts twice, and a quorum means what a count by hand says."""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain_of_custody.checkpoint import log_note_key
from chain_of_custody.errors import WitnessPolicyRejectedError
from chain_of_custody.notes import NoteAlgorithm, NoteKey
from chain_of_custody.signatures import KeyId
from chain_of_custody.witness_policy import Group, Witness, WitnessPolicy, parse_policy
from tests.fakes.log_on_disc import test_key as key_of

NAMES = ("X1", "X2", "X3", "Y1", "Y2", "Y3")
KEYS = {name: NoteKey(f"{name}.example", NoteAlgorithm.COSIGNATURE_V1, key_of(name).public_key) for name in NAMES}
LOG = log_note_key(key_of("log").public_key)
DEFINED = f"log {LOG.vkey}\n" + "".join(f"witness {name} {key.vkey}\n" for name, key in KEYS.items())
TWO_LEVELS = (
    DEFINED + "group X 2 X1 X2 X3\ngroup Y any Y1 Y2 Y3\ngroup both all X Y\nquorum both\n"
)  # the shape of the example in C2SP tlog-policy


def _ids(names: Collection[str]) -> set[KeyId]:
    return {KeyId.of(KEYS[name].public_key) for name in names}


def test_every_set_of_cosigners_counts_as_a_count_by_hand_says() -> None:
    policy = parse_policy(TWO_LEVELS)
    for size in range(len(NAMES) + 1):
        for names in combinations(NAMES, size):
            by_hand = sum(name[0] == "X" for name in names) >= 2 and any(name[0] == "Y" for name in names)
            assert policy.is_met_by(_ids(names)) is by_hand, names


@pytest.mark.parametrize(("word", "needed"), [("any", 1), ("1", 1), ("2", 2), ("3", 3), ("all", 3)])
def test_a_threshold_is_a_word_or_a_number(word: str, needed: int) -> None:
    policy = parse_policy(DEFINED + f"group g {word} X1 X2 X3\nquorum g\n")
    for size in range(4):
        assert policy.is_met_by(_ids(NAMES[:size])) is (size >= needed)


def test_a_single_witness_may_be_the_quorum_and_none_needs_nobody() -> None:
    one = parse_policy(DEFINED + "quorum Y2\n")
    assert one.is_met_by(_ids(["Y2", "X1"]))
    assert not one.is_met_by(_ids(["Y1", "Y3", "X1", "X2", "X3"]))
    none = parse_policy(DEFINED + "quorum none\n")
    assert none.is_met_by(())
    assert not none.needs_witnesses


def test_blanks_comments_and_urls_are_read_and_the_text_reads_back() -> None:
    text = f"# ours\n\n \t log\t{LOG.vkey}  https://log.example/ \nwitness X1 {KEYS['X1'].vkey} https://x1.example/w\n"
    text += "quorum X1\n"
    policy = parse_policy(text)
    assert policy.logs == (LOG,)
    assert policy.witnesses == (Witness("X1", KEYS["X1"], "https://x1.example/w"),)
    assert parse_policy(policy.text()) == policy
    assert parse_policy(parse_policy(TWO_LEVELS).text()) == parse_policy(TWO_LEVELS)


def test_sigsum_s_tools_get_bare_keys() -> None:
    lines = parse_policy(TWO_LEVELS).sigsum_text().splitlines()
    assert lines[0] == f"log {key_of('log').public_key.hex()}"
    assert lines[1] == f"witness X1 {key_of('X1').public_key.hex()}"
    assert lines[-2:] == ["group both 2 X Y", "quorum both"]


SAME_KEY = NoteKey("other.example", NoteAlgorithm.COSIGNATURE_V1, key_of("X1").public_key).vkey


@pytest.mark.parametrize(
    "text",
    [
        "",
        DEFINED,
        DEFINED + "quorum X1\nquorum X2\n",
        DEFINED + "quorum X9\n",
        DEFINED + "quorum x1\n",
        DEFINED + "group g 4 X1 X2 X3\nquorum g\n",
        DEFINED + "group g 0 X1\nquorum g\n",
        DEFINED + "group g 01 X1\nquorum g\n",
        DEFINED + "group g +1 X1\nquorum g\n",
        DEFINED + "group g ١ X1\nquorum g\n",
        DEFINED + "group g all\nquorum g\n",
        DEFINED + "group g 2 X1 X1\nquorum g\n",
        DEFINED + "group g any g\nquorum g\n",
        DEFINED + "group g any h\ngroup h any X1\nquorum g\n",
        DEFINED + "group g any none\nquorum g\n",
        DEFINED + "group none any X1\nquorum none\n",
        DEFINED + "group X1 any X2\nquorum X1\n",
        DEFINED + f"witness X4 {SAME_KEY}\nquorum X4\n",
        DEFINED + f"witness X1 {SAME_KEY}\nquorum X1\n",
        DEFINED + f"log {LOG.vkey}\nquorum X1\n",
        DEFINED + f"witness L {LOG.vkey}\nquorum L\n",
        DEFINED + f"log {KEYS['X1'].vkey}\nquorum X2\n",
        DEFINED + "witness Z not-a-key\nquorum Z\n",
        DEFINED + "quorum X1 X2\n",
        DEFINED + "quorum\u00a0X1\n",
        DEFINED + "require X1\nquorum X1\n",
        "quorum none\n" + "#" * 70_000,
    ],
)
def test_a_malformed_policy_is_refused(text: str) -> None:
    with pytest.raises(WitnessPolicyRejectedError):
        parse_policy(text)


def test_the_line_of_a_mistake_is_named() -> None:
    with pytest.raises(WitnessPolicyRejectedError, match=r"line 8: group g"):
        parse_policy(DEFINED + "group g 4 X1 X2 X3\nquorum g\n")


def test_a_policy_built_in_code_is_held_to_the_same_rules() -> None:
    witness = Witness("X1", KEYS["X1"])
    with pytest.raises(WitnessPolicyRejectedError):
        WitnessPolicy(
            witnesses=(witness, Witness("X2", NoteKey("a", NoteAlgorithm.COSIGNATURE_V1, witness.key.public_key)))
        )
    with pytest.raises(WitnessPolicyRejectedError):
        WitnessPolicy(witnesses=(witness,), groups=(Group("g", 2, ("X1",)),), quorum="g")


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        policy = parse_policy(text)
    except WitnessPolicyRejectedError:
        return
    assert parse_policy(policy.text()) == policy
