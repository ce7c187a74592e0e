"""`evidock policy`: which rules hold here, and by which article."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from operator_cli.display import table, wrap
from operator_cli.errors import NotThereError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, argument, group, option, subcommand
from operator_cli.invocation import Invocation
from operator_cli.policy_packs import pack_names, shipped_pack
from operator_cli.texts import Language
from policies.model import Basis, Pack, Source
from policies.reader import PackError, read_pack

policy = group("policy")


@subcommand(policy, "list")
def list_(invocation: Invocation) -> int:
    """List the packs that come with this version."""
    active = invocation.config().policy if invocation.paths.config.exists() else None
    packs = [shipped_pack(name) for name in pack_names()]
    rows = [
        {
            "id": pack.id,
            "title": _title(pack, invocation),
            "valid_from": pack.valid_from_on.isoformat(),
            "zone": pack.zone,
            "active": pack.id == active,
        }
        for pack in packs
    ]
    people = table(
        [
            (pack.id, _title(pack, invocation), pack.valid_from_on.isoformat(), "←" if pack.id == active else "")
            for pack in packs
        ]
    )
    invocation.answer(rows, people)
    return Exit.DONE


@subcommand(policy, "show")
@argument("pack", required=False)
def show(invocation: Invocation, *, pack: str | None) -> int:
    """Show every value of a pack with its rules."""
    chosen = _chosen(invocation, pack)
    settings = list(_settings(chosen, invocation))
    document = {
        "id": chosen.id,
        "title": _title(chosen, invocation),
        "valid_from": chosen.valid_from_on.isoformat(),
        "zone": chosen.zone,
        "rules": [_as_json(setting, value, source) for setting, value, source in settings],
    }
    rows = [(setting, invocation.texts.listed(source.rules), value) for setting, value, source in settings]
    invocation.answer(document, [f"{_title(chosen, invocation)} ({chosen.id})", *table(rows)])
    return Exit.DONE


@subcommand(policy, "explain")
@argument("rule")
@option("--pack", default=None, metavar="PACK")
def explain(invocation: Invocation, *, rule: str, pack: str | None) -> int:
    """Answer with the values that a setting (`pull.deadline`) or a rule (`MS-D9`) stands for, and the article."""
    chosen = _chosen(invocation, pack)
    found = [
        (setting, value, source)
        for setting, value, source in _settings(chosen, invocation)
        if rule == setting or rule.upper() in source.rules
    ]
    if not found:
        known = invocation.texts.listed(setting for setting, _, _ in _settings(chosen, invocation))
        raise NotThereError(invocation.texts("policy.no_rule", rule=rule, known=known))
    people: list[str] = []
    for setting, value, source in found:
        people.append(f"{setting} = {value}")
        lines = wrap(source.article, 90)
        head = invocation.texts.headed(invocation.texts.listed(source.rules), lines[0])
        people += [f"  {line}" for line in (head, *lines[1:])]
        note = source.note_zh if invocation.language is Language.ZH else source.note_en
        if source.basis is Basis.OURS:
            people.append("  " + invocation.texts("policy.ours"))
        if note:
            people.append(f"  {note}")
    invocation.answer([_as_json(setting, value, source) for setting, value, source in found], people)
    return Exit.DONE


@subcommand(policy, "check")
@argument("file", type=PATH)
def check(invocation: Invocation, *, file: Path) -> int:
    """Read a pack file and name every mistake in it; exit 1 if there is one."""
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
        raise NotThereError(str(file)) from None
    try:
        pack = read_pack(text, name=file.name)
    except PackError as error:
        mistakes = [{"id": f"{one.name}:{one.line}", "line": one.line, "what": one.what} for one in error.mistakes]
        document: dict[str, object] = {"ok": False, "file": str(file), "mistakes": mistakes}
        invocation.answer(document, [str(mistake) for mistake in error.mistakes])
        return Exit.FINDING
    invocation.answer(
        {"ok": True, "file": str(file), "id": pack.id, "mistakes": []},
        [invocation.texts("policy.sound", file=file.name, title=_title(pack, invocation))],
    )
    return Exit.DONE


def _chosen(invocation: Invocation, name: str | None) -> Pack:
    if name is None:
        name = invocation.config().policy if invocation.paths.config.exists() else "baseline"
    return shipped_pack(name)


def _title(pack: Pack, invocation: Invocation) -> str:
    return pack.title_zh if invocation.language is Language.ZH else pack.title_en


def _settings(pack: Pack, invocation: Invocation) -> Iterable[tuple[str, str, Source]]:
    """Yield each setting of the pack with its value as people read it."""
    texts = invocation.texts
    yield "pull.deadline", span_text(pack.pull_deadline.value), pack.pull_deadline.source
    yield "pull.after_return", span_text(pack.pull_deadline_after_return.value), pack.pull_deadline_after_return.source
    limits = pack.preflight
    yield (
        "preflight",
        texts(
            "policy.preflight",
            battery_warn=limits.battery_warn_below_percent,
            battery_fail=limits.battery_fail_below_percent,
            minutes_warn=limits.storage_warn_below_minutes,
            minutes_fail=limits.storage_fail_below_minutes,
            clock_warn=span_text(limits.clock_warn_from),
            clock_fail=span_text(limits.clock_fail_from),
        ),
        limits.source,
    )
    yield "tags.required", texts.listed(pack.required_tags.value), pack.required_tags.source
    months = texts("policy.months", count=pack.retention_months.value)
    yield "retention.default", months, pack.retention_months.source
    yield "digests.sm3", texts("policy.yes" if pack.sm3.value else "policy.no"), pack.sm3.source
    for reason in pack.interruption_reasons.values():
        text = reason.zh if invocation.language is Language.ZH else reason.en
        yield f"interruption_reasons.{reason.id}", text, reason.source


def span_text(span: timedelta) -> str:
    """Return `24 h`, `5 min` or `30 s`."""
    seconds = round(span.total_seconds())
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _as_json(setting: str, value: str, source: Source) -> dict[str, object]:
    return {
        "id": setting,
        "value": value,
        "basis": source.basis.value,
        "rules": list(source.rules),
        "article": source.article,
        "note_zh": source.note_zh,
        "note_en": source.note_en,
    }
