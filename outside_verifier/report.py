"""What is shown and written of a verification: lines for people in either language, one JSON document for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .findings import Finding, Result, Severity
from .keys import LIBRARY
from .words import CODES, LANGUAGES, REASONS, TEXTS, say

_LIMITS = ("limit.before", "limit.time", "limit.log", "limit.person", "limit.words", "limit.end")


def safe(text: str) -> str:
    """Return one line without anything that a terminal would obey or that hides itself."""
    return "".join(char if char.isprintable() else f"\\u{{{ord(char):x}}}" for char in text)


def lines(result: Result, language: str, trust_file: str = "") -> Iterator[str]:
    """Yield what people read; `trust_file` is what was given by `--trust`."""
    for finding in result.findings:
        words = CODES[finding.code]
        why = _why(finding, language)
        mark = "·" if finding.severity is Severity.NOTE else "✗"
        yield safe(f"{mark} {finding.code} {finding.subject}: {words[language]}{f' ({why})' if why else ''}")
        yield safe(f"  → {words[f'fix_{language}']}")
    for code, count in sorted(result.counts.items()):
        kept = sum(finding.code == code for finding in result.findings)
        if count > kept:
            yield say(TEXTS, "more", language, code=code, count=count - kept)
    yield from _shown(result, language)
    yield from _sealed(result, language)
    about = {**dict.fromkeys(("id", "created_at", "recipient", "basis", "site"), "?"), **result.about}
    if "id" in result.about:
        yield safe(say(TEXTS, "package", language, **about))
    if "origin" in about:
        yield safe(say(TEXTS, "log.cosigned" if "cosigned_at" in about else "log", language, **about))
    if "anchor" in about:
        yield safe(say(TEXTS, "anchor", language, **about))
    if result.checked:
        mib = f"{result.checked['bytes'] / (1 << 20):.1f}"
        yield say(TEXTS, "checked", language, mib=mib, **result.checked)
        yield say(TEXTS, "with.library" if LIBRARY else "with.own", language)
        yield safe(say(TEXTS, "rests.known" if trust_file else "rests.own", language, file=trust_file))
        yield from _who_decides(result.about_trust, language)
        for name, key_id in result.keys.items():
            yield say(TEXTS, "key", language, name=name, id=key_id)
        for limit in _limits(result, language):
            yield safe(limit)
    yield say(TEXTS, f"exit.{result.exit_code}", language)


def _shown(result: Result, language: str) -> Iterator[str]:
    """Yield what is in the package: its items, what people decided about them, what was erased."""
    for item in result.items:
        yield safe(say(TEXTS, f"item.{item['proved']}", language, **item))
        if item["pulled_at"]:
            yield safe(_when(item, language))
    for decision in result.decisions:
        yield safe(say(TEXTS, f"decision.{decision['level']}", language, **decision))
    for entry in result.erased:
        yield say(TEXTS, "erased", language, **entry)


def document(result: Result, trust_file: str = "") -> Mapping[str, Any]:
    """Return what programs read: everything, in both languages."""
    return {
        "ok": result.exit_code == 0,
        "exit_code": result.exit_code,
        "findings": [_as_json(finding) for finding in result.findings],
        "counts": dict(sorted(result.counts.items())),
        "checked": result.checked,
        "package": result.about,
        "items": result.items,
        "notices": [_as_json(notice) for notice in result.notices],
        "sealed": result.sealed,
        "decisions": result.decisions,
        "erased": result.erased,
        "ed25519": LIBRARY or "own",
        "keys": result.keys,
        "trust": result.about_trust,
        "keys_from": trust_file or "package",
        "limits": {language: _limits(result, language) for language in LANGUAGES},
    }


def _who_decides(trust: Mapping[str, str], language: str) -> Iterator[str]:
    """Yield how many root holders decide which keys count, or that one machine guards itself."""
    if trust:
        yield say(TEXTS, "roots.one" if trust["roots"] == "1" else "roots", language, **trust)


def _when(item: Mapping[str, str], language: str) -> str:
    """Say when an item was pulled: the proved interval first, then what the station's clock said."""
    bounds = "".join("ab"[at] for at, name in enumerate(("not_before", "not_after")) if item[name])
    error = say(TEXTS, "when.error" if item["error_ms"] else "when.no_error", language, **item)
    return say(TEXTS, f"when.{bounds or 'none'}", language, **{**item, "clock": f"{item['clock']}{error}"})


def _sealed(result: Result, language: str) -> Iterator[str]:
    """Yield what the daily seal shows to be complete, and what it does not show yet."""
    for notice in result.notices:
        yield safe(f"· {notice.code} {notice.subject}: {CODES[notice.code][language]}")
    for item in result.items:
        if "sealed" in item:
            yield safe(say(TEXTS, "sealed.item", language, **item))
    for told in result.sealed:
        yield safe(say(TEXTS, "sealed.none" if told["count"] == "0" else "sealed.recorder", language, **told))
    if "mirrors" in result.about:
        yield safe(say(TEXTS, "mirrors", language, **result.about))


def _limits(result: Result, language: str) -> list[str]:
    """Return what this does not prove, whatever was found."""
    witnesses = result.about.get("witnesses", "")
    texts = {"limit.log": "limit.witnessed"} if witnesses else {}
    if result.items and all("sealed" in item for item in result.items):
        texts["limit.words"] = "limit.sealed"
    return [say(TEXTS, texts.get(limit, limit), language, witnesses=witnesses) for limit in _LIMITS]


def _as_json(finding: Finding) -> Mapping[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.name.lower(),
        "subject": finding.subject,
        "facts": dict(finding.facts),
        **CODES[finding.code],
        "why_zh": _why(finding, "zh"),
        "why_en": _why(finding, "en"),
    }


def _why(finding: Finding, language: str) -> str:
    return say(REASONS, finding.reason, language, **finding.facts)
