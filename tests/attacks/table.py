"""The table of attacks: `python -m tests.attacks.table` runs them and prints it, `--write` makes docs/attacks.md.

An attack counts as built when it has tests; each test stands beside its honest twin in the same file. A test that the
table names and that is not there fails a test of the repository.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "attacks.md"
_HEAD = """# Attacks

What the proofs must withstand, who or what notices, and the tests that do it for real; `script/attacks` runs them and
prints this table. The numbers are kept for ever. *Codes* are findings (`evidock verify`, the packed verifier,
`status`), or the status with which a witness refuses.

防什么、由谁发现、由哪些测试真做一遍；`script/attacks` 运行这些测试并打印此表。

"""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack as the table has it."""

    number: str
    en: str
    zh: str
    codes: tuple[str, ...]
    tests: tuple[str, ...]


@dataclass(slots=True, eq=False)  # pytest keeps plug-ins in sets
class Outcomes:
    """A plug-in that notes what became of each test, its parameters left out."""

    failed: set[str] = field(default_factory=set)
    passed: set[str] = field(default_factory=set)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's report."""
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.failed.add(name)
        elif report.when == "call" and report.passed:
            self.passed.add(name)

    def of(self, attack: Attack) -> str:
        """Return a sign for an attack: caught, FAILED, left out (a test did not run), or not built."""
        if not attack.tests:
            return "not built"
        if self.failed.intersection(attack.tests):
            return "FAILED"
        return "caught" if self.passed.issuperset(attack.tests) else "left out"


def attacks() -> Iterator[Attack]:
    """Yield all attacks in their order."""
    data: Mapping[str, Mapping[str, object]] = tomllib.loads(
        (Path(__file__).parent / "attacks.toml").read_text(encoding="utf-8")
    )
    for number, entry in data.items():
        codes, tests = entry["codes"], entry["tests"]
        assert isinstance(codes, list)
        assert isinstance(tests, list)
        yield Attack(number, str(entry["en"]), str(entry["zh"]), tuple(codes), tuple(tests))


def page() -> str:
    """Return docs/attacks.md."""
    rows = ["| no. | attack | 攻击 | codes | tests |", "|---|---|---|---|---|"]
    for attack in attacks():
        tests = "<br>".join(f"`{test.rpartition('::')[2]}`" for test in attack.tests) or "not built yet"
        rows.append(f"| {attack.number} | {attack.en} | {attack.zh} | {', '.join(attack.codes)} | {tests} |")
    return _HEAD + "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or run the attacks; 1 if one gets through."""
    if arguments == ["--write"]:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    every = list(attacks())
    outcomes = Outcomes()
    tests = dict.fromkeys(test for attack in every for test in attack.tests)
    code = pytest.main(["-q", "-n0", "--no-header", "--no-summary", *tests], plugins=[outcomes])
    for attack in every:
        sys.stdout.write(f"{attack.number}  {outcomes.of(attack):9}  {attack.en}  ({', '.join(attack.codes) or '-'})\n")
    signs = [outcomes.of(attack) for attack in every]
    caught, missing = signs.count("caught"), signs.count("not built")
    sys.stdout.write(f"\n{caught} of {len(every)} attacks are caught, {missing} are not built yet.\n")
    return int(code != 0 or "FAILED" in signs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
