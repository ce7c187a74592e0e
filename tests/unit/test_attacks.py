"""The table of attacks names tests and codes that exist, and its page is what it makes."""

import ast
import re

import pytest

from evidence_model.findings import catalogue
from tests.attacks.table import PAGE, ROOT, Attack, Outcomes, attacks, page

EVERY = list(attacks())


def test_the_numbers_are_those_of_the_list() -> None:
    assert [attack.number for attack in EVERY] == [f"{number:02}" for number in range(1, 61)]


def test_the_page_is_what_the_table_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.attacks.table --write"


def test_it_runs_where_tests_have_fixtures_of_their_own() -> None:
    assert len({Outcomes(), Outcomes()}) == 2  # pytest puts plug-ins into a set there


@pytest.mark.parametrize("attack", EVERY, ids=lambda attack: attack.number)
def test_its_tests_and_codes_exist(attack: Attack) -> None:
    for test in attack.tests:
        path, _, name = test.partition("::")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, test
    for code in attack.codes:
        assert code in catalogue() or re.fullmatch(r"4\d\d", code), code
