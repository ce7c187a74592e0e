"""Every code of custody is unique and has its words in both languages."""

from __future__ import annotations

import inspect

import pytest

from chain_of_custody import (
    audit,
    audit_events,
    audit_seals,
    audit_tree,
    breaches,
    errors,
    strict_text,
    time_bounds,
    time_stamp,
)
from evidence_model.errors import EvidockError
from evidence_model.findings import catalogue

ERRORS = {
    each.code: each
    for module in (errors, strict_text, time_stamp)
    for _, each in inspect.getmembers(module, inspect.isclass)
    if issubclass(each, EvidockError) and each.__module__ == module.__name__
}
FINDINGS = {
    value: name
    for module in (audit, audit_tree, audit_events, audit_seals, breaches, time_bounds)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str) and value.startswith("COC-")
}


def test_no_code_is_used_twice() -> None:
    classes = [
        each
        for module in (errors, strict_text, time_stamp)
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, EvidockError) and each.__module__ == module.__name__
    ]
    assert len({each.code for each in classes}) == len(classes)
    names = [
        name
        for module in (audit, audit_tree, audit_events, audit_seals, breaches, time_bounds)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and value.startswith("COC-")
    ]
    assert len(FINDINGS) == len(set(names))
    assert not ERRORS.keys() & FINDINGS.keys()


@pytest.mark.parametrize("code", sorted({**ERRORS, **FINDINGS}))
def test_every_code_says_what_is_the_case_and_what_to_do(code: str) -> None:
    entry = catalogue()[code]
    assert all(entry[key] for key in ("zh", "en", "fix_zh", "fix_en"))


def test_no_code_of_custody_is_listed_that_does_not_exist() -> None:
    listed = {code for code in catalogue() if code.startswith("COC-")}
    assert listed == ERRORS.keys() | FINDINGS.keys()
