"""Whatever people decide, rightly or not and in whichever order: both verifiers say the same of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from evidence_model.instants import wire_instant
from tests.decision_story import ADMIN, BEGIN, END, INSPECTOR, LEADER, LEADER_2, OFFICER, DecisionStory, both_say
from tests.fakes.log_on_disc import test_key as key_of
from tests.package_story import Original

FILMS = [Original("DCIM/0001.mp4", b"film 1"), Original("DCIM/0002.mp4", b"film 2")]
RIGHT = {"hold": INSPECTOR, "propose": ADMIN, "ask": OFFICER, "view": OFFICER, "copy": ADMIN}
PLAN = (
    *("link", "hold", "ask", "grant", "view", "copy", "release", "unlink", "link", "propose", "approve", "dispose"),
    *("dispose", "ask", "grant", "hold", "view", "pull", "close"),
)
ANSWERS = {
    "release": "hold",
    "approve": "propose",
    "dispose": "propose",
    "grant": "ask",
    "view": "grant",
    "copy": "grant",
}


def rarely(usual: Any, *others: Any, one_in: int = 14) -> st.SearchStrategy[Any]:
    """Draw what is usual, seldom another."""
    return st.sampled_from([*[usual] * (one_in * len(others)), *others])


def a_step(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "step": rarely(name, "", *sorted(set(PLAN)), one_in=4),
            "by": rarely("right", OFFICER, ADMIN, LEADER, LEADER_2, INSPECTOR, "P777"),
            "level": rarely("person-key", "session"),
            "key": rarely("own", "none", OFFICER),
            "wall": rarely(None, wire_instant(BEGIN - timedelta(days=1)), wire_instant(END)),
            "source": rarely("centre", "st-1", one_in=30),
            "items": rarely(0, 1, 2, one_in=5),
            "back": rarely(0, 1, 5, one_in=10),
            "matter": rarely("1", "2"),
            "purpose": rarely("view", "copy", one_in=5),
            "erases": st.booleans(),
        }
    )


def take(story: DecisionStory, step: dict[str, Any], places: dict[str, int]) -> None:
    """Let one thing happen."""
    name = step["step"]
    signers = None if step["key"] == "own" else [] if step["key"] == "none" else [key_of(step["key"])]
    how: dict[str, Any] = {
        "by": RIGHT.get(name, LEADER) if step["by"] == "right" else step["by"],
        "level": step["level"],
        "signers": signers,
        "wall": step["wall"],
        "source": story.station if step["source"] == "st-1" else None,
    }
    assets = [story.assets, story.assets[:1], story.assets[1:]][step["items"]]
    matter, last = step["matter"], len(story.log_items) - 1
    at = max(0, places.get(ANSWERS.get(name, ""), last) - step["back"])
    erased = [story.hash(2)] if step["erases"] else []
    steps: dict[str, Callable[[], int]] = {
        "hold": lambda: story.place_hold(hold=matter, assets=assets, **how),
        "release": lambda: story.release_hold(at, hold=matter, assets=assets, **how),
        "propose": lambda: story.propose(assets=assets, erased=[story.hash(2)], **how),
        "approve": lambda: story.approve(at, assets=assets, **how),
        "dispose": lambda: story.dispose(at, places.get("approve", last), asset=assets[0], erased=erased, **how),
        "ask": lambda: story.ask(assets=assets, request=matter, purpose=step["purpose"], recipient=INSPECTOR, **how),
        "grant": lambda: story.grant(at, assets=assets, request=matter, **how),
        "view": lambda: story.view(at, assets=assets, request=matter, **how),
        "copy": lambda: story.copy_out(at, assets=assets, request=matter, **how),
        "link": lambda: story.link(matter, digest="" if step["back"] == 0 else "ab" * 32, **how),
        "unlink": lambda: story.link(matter, kind="case.unlinked", **how),
        "close": lambda: story.decide("access.closed", {"request": matter}, **how),
        "pull": lambda: story.say(
            story.station, "footage.pulled", (f"asset/{assets[0]}", "ab" * 32), {}, asset=assets[0]
        ),
    }
    if name:
        places[name] = steps[name]()


@given(st.tuples(*(a_step(name) for name in PLAN)))
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example])
def test_both_verifiers_say_the_same_of_any_story(steps: tuple[dict[str, Any], ...]) -> None:
    story = DecisionStory(FILMS)
    places: dict[str, int] = {}  # where a step of each kind was taken last
    for step in steps:
        take(story, step, places)
    for breach in both_say(story):
        event(f"{breach.rule.name} {breach.why.name}")
    event(f"{len(story.heard()[1].tombstones)} tombstones")
