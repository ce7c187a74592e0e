"""What every test run shares: what is left out, a plain word about it, and an environment without surprises."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

FULL_ONLY = "takes long; run it with ./script/test --all"
ROOT_ONLY = "needs root (loop devices, mounts, namespaces); run it with sudo ./script/test"
MARKS_BY_WEIGHT = ("full", "root", "slow")

_left_out = pytest.StashKey[Counter[str]]()

# Two cores and many neighbours: how long one example took says nothing about the code.
hypothesis.settings.register_profile("evidock", deadline=None, print_blob=True)
hypothesis.settings.load_profile("evidock")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="also run the tests marked 'full'")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing of the caller's own installation reaches a test."""
    config.stash[_left_out] = Counter()
    for name in [name for name in os.environ if name.startswith("EVIDOCK_")]:
        del os.environ[name]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("full") and not config.getoption("--all"):
            item.add_marker(pytest.mark.skip(reason=FULL_ONLY))
        elif item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason=ROOT_ONLY))


def pytest_deselected(items: Iterable[pytest.Item]) -> None:
    for item in items:
        mark = next((mark for mark in MARKS_BY_WEIGHT if item.get_closest_marker(mark)), "other")
        item.config.stash[_left_out][mark] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its count to the process that prints the summary."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        counter = session.config.stash[_left_out]
        output["left_out"] = dict(counter)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # noqa: ARG001 -- the hook's own parameter names
    """Every worker collects the same tests, so any worker's count is the whole count."""
    stash: pytest.Stash = node.config.stash
    told: dict[str, int] = getattr(node, "workeroutput", {}).get("left_out", {})
    counter = stash[_left_out]
    counter |= Counter(told)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say plainly what this run does not prove, right before pytest's own last line."""
    terminalreporter.section("left out")
    lines = list(_left_out_lines(terminalreporter.stats.get("skipped", []), config.stash[_left_out]))
    for line in lines or ["nothing"]:
        terminalreporter.write_line(line)


def _left_out_lines(skipped: Iterable[Any], deselected: Counter[str]) -> Iterable[str]:
    reasons: Counter[str] = Counter()
    for report in skipped:
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    for reason, count in sorted(reasons.items()):
        yield f"{count} x {reason}"
    for mark, count in sorted(deselected.items()):
        if mark == "other":
            yield f"{count} not selected by this command line"
        else:
            how = "./script/test --all" if mark == "full" else "./script/test"
            yield f"{count} marked '{mark}', not selected by this command line; {how} runs them"
