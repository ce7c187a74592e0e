"""Was what people decided about the items decided by people who may? PKG-070 to PKG-078 (docs/spec/decisions.md)."""

from __future__ import annotations

from .decision_forms import FORMS
from .decisions import GRANT, HELD, TOMBSTONE, UNGRANTED, History, Spoken, read_history
from .examination import Examination
from .findings import Severity
from .layout import SIGNED
from .trust import Trust

_LOSS = (HELD, TOMBSTONE)  # footage went that had to stay; every other is an act without leave


def check_decisions(exam: Examination, trust: Trust) -> None:
    """Check each decision in the package, and the approval on which the package itself rests."""
    spoken = [
        Spoken(each.index, each.hash.hex(), each.event, each.signed_by)
        for each in sorted(exam.events.values(), key=lambda logged: logged.index)
        if each.is_proved
    ]
    history = read_history(spoken, trust.people, trust.centres, {item["id"] for item in exam.items})
    for told in history.told:
        severity = Severity.DAMAGE if told.code in _LOSS else Severity.FAULT
        path = f"data/events/{told.index}.dsse.json"
        exam.result.add(told.code, path, f"decision.{told.why}", severity=severity, of=told.of)
    exam.tombstones, exam.erased = history.tombstones, history.erased
    _check_own_approval(exam, history)
    acted = (each for each in spoken if each.event.kind in FORMS and each.event.actor.kind == "person")
    exam.result.decisions = [
        {
            "index": str(each.index),
            "kind": each.event.kind,
            "person": each.event.actor.id,
            "level": each.event.actor.level,
        }
        for each in acted
    ]


def _check_own_approval(exam: Examination, history: History) -> None:
    """Check the package against the grant on which it was made, if it says so: a copy, these items, this recipient."""
    signed = exam.signed
    if signed is None or signed["approval"] is None:
        return
    grant = history.lawful(signed["approval"], "access.approved")
    if grant is None:
        exam.result.add(UNGRANTED, SIGNED, "decision.reference", severity=Severity.FAULT, of=signed["approval"])
        return
    asked = history.acts[grant.decision.answers].decision.body
    wrong = {
        "items": not {item["id"] for item in exam.items} <= grant.decision.assets,
        "purpose": asked["purpose"] != "copy",
        "recipient": asked["recipient"] != signed["recipient"],
    }
    for why in (why for why, is_wrong in wrong.items() if is_wrong):
        exam.result.add(GRANT, SIGNED, f"decision.{why}", severity=Severity.FAULT, of=grant.decision.matter)
    if not grant.decision.body["from"] <= signed["created_at"] < grant.decision.body["until"]:
        exam.result.add(UNGRANTED, SIGNED, "decision.period", severity=Severity.FAULT, of=grant.decision.matter)
