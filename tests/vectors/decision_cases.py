"""The package vectors about what people decided: each adds to a lawful history what somebody did without leave."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chain_of_custody.trust_root import sign_root
from tests.decision_story import LEADER, PEOPLE, DecisionStory
from tests.package_story import Original, Package
from tests.trusts import ROOT
from tests.vectors.changes import put_event_in, sealed
from tests.vectors.packages import Base, Case, bad_case

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = [Original("DCIM/0001.mp4", b"one film\n"), Original("DCIM/0002.mp4", b"another film\n")]


class DecidedStory(DecisionStory):
    """A log with a lawful history, which is in the good package, and after it all that is not."""

    def __init__(self) -> None:
        super().__init__(FILES)
        self.trust = replace(self.trust, people=PEOPLE)
        self.roots = [sign_root(self.trust, [ROOT])]
        hold = self.place_hold()
        self.view(self.grant(self.ask()))
        self.release_hold(hold)
        self.link("A-7")
        lawful, ends = list(self.wanted), dict(self.centre.assets)
        first, second = self.assets
        copying = self.ask(purpose="copy", request="r-2")
        copy_grant = self.grant(copying, request="r-2")
        own = self.ask(by=LEADER, request="r-3")
        unsigned = self.propose(level="session")
        unsigned_approval = self.approve(unsigned)
        proposal = self.propose()
        approval = self.approve(proposal)
        self.steps = {
            "no key": [self.view("ab" * 32, signers=[])],
            "copy grant": [copying, copy_grant, self.view(copy_grant, request="r-2")],
            "no grant": [self.view("ab" * 32)],
            "own grant": [own, self.grant(own, by=LEADER, request="r-3")],
            "no key to release": [self.release_hold(hold, level="session")],
            "second case": [self.link("B-8")],
            "one person": [unsigned, unsigned_approval, self.dispose(unsigned, unsigned_approval, asset=first)],
            "hold": [self.place_hold(hold="h-2", assets=[second])],
            "tombstone": [proposal, approval, self.dispose(proposal, approval, asset=second)],
        }
        self.late_ends = {first: self.centre.assets[first], second: self.centre.assets[second]}
        self.wanted, self.centre.assets = lawful, ends


def put_in(*names: str) -> Callable[[Package], None]:
    """Return the change that adds these steps, and tells of the tombstone in them where an item's chain ends."""

    def change(package: Package) -> None:
        story = package.story
        assert isinstance(story, DecidedStory)
        for index in sorted(index for name in names for index in story.steps[name]):
            put_event_in(package, index)
        for name, item in zip(("one person", "tombstone"), story.assets, strict=True):
            if name in names:
                _end_chain(package, item, story.late_ends[item])

    return change


def _end_chain(package: Package, item: str, end: Any) -> None:
    def change(said: Any) -> None:
        [entry] = [each for each in said["items"] if each["id"] == item]
        [chain] = [each for each in entry["chains"] if each["source"] == package.story.centre.name]
        chain.update(last=end.envelope_hash.hex(), seq=str(end.seq))

    package.change_contents(change)


def without_bytes(package: Package) -> None:
    """Take the second item's bytes and chunk list away, and say so in package.json."""
    item = package.story.originals[1]
    package.path(item.file).unlink()
    package.path(f"{item.file}.chunks").unlink()

    def change(said: Any) -> None:
        [entry] = [each for each in said["items"] if each["id"] == item.id]
        entry.update(file=None, chunks=None)

    package.change_contents(change)


def disposed_of(package: Package) -> None:
    put_in("tombstone")(package)
    without_bytes(package)


DECIDED = Base(
    "decided",
    DecidedStory,
    "a package with a hold, an approved viewing and a case, all as the rules have it",
    "一个完好的证据包，其中的留存、审批、查看和案件关联都符合规则",
)

CASES = [
    Case(
        "disposed_of_by_two_persons",
        frozenset(),
        "an item of which only the events are left, because two persons had it disposed of",
        "经两人批准处置、只剩事件的条目",
        sealed(disposed_of),
        base=DECIDED,
    ),
    bad_case(
        "PKG-070_no_key_of_the_person",
        sealed(put_in("no key")),
        "a viewing in a person's name without a signature by that person's key",
        "以某人名义查看，却没有其个人密钥的签名",
        "PKG-072",
        "PKG-073",
        base=DECIDED,
    ),
    bad_case(
        "PKG-071_viewed_on_a_grant_to_copy",
        sealed(put_in("copy grant")),
        "somebody viewed on a grant to copy",
        "凭复制的批准查看",
        base=DECIDED,
    ),
    bad_case(
        "PKG-072_viewed_without_a_grant",
        sealed(put_in("no grant")),
        "somebody viewed without a grant",
        "未经批准查看",
        base=DECIDED,
    ),
    bad_case(
        "PKG-073_granted_to_himself",
        sealed(put_in("own grant")),
        "a leader approved what he had asked for himself",
        "领导批准自己的申请",
        base=DECIDED,
    ),
    bad_case(
        "PKG-074_disposed_of_while_held",
        sealed(put_in("hold", "tombstone")),
        "an item was disposed of while a hold on it was open",
        "留存未解除就处置",
        base=DECIDED,
    ),
    bad_case(
        "PKG-075_released_without_a_key",
        sealed(put_in("no key to release")),
        "a hold was released without the leader's key",
        "解除留存却没有领导的个人密钥签名",
        base=DECIDED,
    ),
    bad_case(
        "PKG-076_disposed_of_by_one_person",
        sealed(put_in("one person")),
        "a tombstone rests on a proposal that nobody's key signed",
        "处置所依据的提议没有任何人的密钥签名",
        base=DECIDED,
    ),
    bad_case(
        "PKG-077_disposed_of_and_here",
        sealed(put_in("tombstone")),
        "an item that was disposed of is here with its bytes",
        "已处置的条目又连同内容出现",
        base=DECIDED,
    ),
    bad_case(
        "PKG-078_moved_to_another_case",
        sealed(put_in("second case")),
        "an item of one case was linked to another",
        "已关联一个案件的条目又关联到另一个案件",
        base=DECIDED,
    ),
    bad_case(
        "PKG-079_gone_without_a_tombstone",
        sealed(without_bytes),
        "an item's bytes are gone, and nobody disposed of them",
        "条目的内容没有了，却没有人处置过",
        base=DECIDED,
    ),
]
