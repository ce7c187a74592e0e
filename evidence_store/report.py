"""Makes the reports of an evidence package: one PDF/A a language, the same bytes for the same content."""

import json
from collections.abc import Iterator
from importlib import resources

from evidence_store.report_data import ReportData, ReportFacts
from evidence_store.report_font import ReportFont
from evidence_store.report_words import LANGUAGES, report_words

_MANY_EVENTS = 1000
_DOCUMENTS_KEPT = 10  # typst keeps what it laid out for that many documents more, 130 MB for a thousand events


def report_name(language: str) -> str:
    """Return where a report lies under `data/`."""
    return f"report.{language}.pdf"


def render_reports(facts: ReportFacts, font: ReportFont) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of each report."""
    import typst  # noqa: PLC0415 - nothing else needs it, and `--help` is to be quick

    template = resources.files("evidence_store").joinpath("package_pages", "report.typ").read_bytes()
    folder = str(font.path.parent)
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[folder])
    for language in LANGUAGES:
        data = ReportData(facts, report_words(language), font).as_json()
        pdf = typst.compile(
            template,
            format="pdf",
            sys_inputs={"data": json.dumps(data, ensure_ascii=False)},
            font_paths=fonts,
            pdf_standards="a-2b",
            pdf_tags=False,
            timestamp=int(facts.created_at.timestamp()),
        )
        yield report_name(language), pdf
        if len(facts.contents.events) > _MANY_EVENTS:
            for _ in range(_DOCUMENTS_KEPT + 1):
                typst.compile(b"", format="pdf", font_paths=fonts)
