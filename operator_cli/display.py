"""Text on a terminal: columns that Chinese characters do not push askew, and nothing a hostile name could command."""

import json
import unicodedata
from collections.abc import Iterable, Sequence

_WIDE = frozenset("WF")
_JOINERS = frozenset("\u200c\u200d")  # some scripts are written with them


def width_of(text: str) -> int:
    """Return how many columns the text takes on a terminal."""
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in _WIDE else 1 for sign in text
    )


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill the text up with blanks to `width` columns, on its left side if `right`."""
    blanks = " " * max(0, width - width_of(text))
    return blanks + text if right else text + blanks


def shorten(text: str, width: int) -> str:
    """Cut the text to `width` columns, an ellipsis marking the cut; the end is kept, since names differ there."""
    if width_of(text) <= width:
        return text
    kept = ""
    for sign in reversed(text):
        if width_of(kept) + width_of(sign) > width - 1:
            break
        kept = sign + kept
    return "…" + kept


def wrap(text: str, width: int) -> list[str]:
    """Break the text into lines of at most `width` columns: between words, or between any two Chinese characters."""
    lines = [""]
    for piece in _pieces(text):
        if width_of(lines[-1]) + width_of(piece.rstrip()) > width and lines[-1].strip():
            lines[-1] = lines[-1].rstrip()
            lines.append("")
            piece = piece.lstrip()  # noqa: PLW2901 - the same piece on a new line
        lines[-1] += piece
    lines[-1] = lines[-1].rstrip()
    return lines


def safe(text: str) -> str:
    """Return one line without control, escape or direction-changing characters; they show by their numbers."""
    if text.isprintable():
        return text
    return "".join(sign if _harmless(sign) else _escaped(sign) for sign in text)


def safe_json(text: str) -> str:
    """Return the same document with such characters in its texts written as JSON writes them, by their numbers."""
    if text.isprintable():
        return text
    return "".join(sign if _harmless(sign) else json.dumps(sign)[1:-1] for sign in text)


def table(rows: Iterable[Sequence[str]], *, heads: Sequence[str] = (), right: Iterable[int] = ()) -> list[str]:
    """Return the rows as lines with aligned columns two blanks apart; columns numbered in `right` stand right."""
    right_columns = frozenset(right)
    cells = [[safe(cell) for cell in row] for row in ([heads, *rows] if heads else rows)]
    if not cells:
        return []
    widths = [max(width_of(row[column]) for row in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(pad(cell, widths[at], right=at in right_columns) for at, cell in enumerate(row)).rstrip()
        for row in cells
    ]


def definitions(rows: Sequence[tuple[str, str]], *, width: int, indent: int = 2, most: int = 30) -> list[str]:
    """Return terms with their explanations beside them, wrapped, as `--help` has them."""
    column = min(max((width_of(term) for term, _ in rows), default=0), most) + indent + 2
    lines = []
    for term, explanation in rows:
        wrapped = wrap(explanation, max(20, width - column)) if explanation else [""]
        head = " " * indent + term
        if width_of(head) + 2 > column:
            lines.append(head)
            head = ""
        lines.append((pad(head, column) + wrapped[0]).rstrip())
        lines += [" " * column + line for line in wrapped[1:]]
    return lines


def _pieces(text: str) -> Iterable[str]:
    """Yield what must not be broken: a word with the blanks after it, or one wide character with closing signs."""
    piece = ""
    for sign in text:
        wide = unicodedata.east_asian_width(sign) in _WIDE
        closing = sign in "，。；：、）」』】！？…"
        if (
            piece
            and not closing
            and (wide or piece[-1] == " " or unicodedata.east_asian_width(piece[-1]) in _WIDE)
            and sign != " "
        ):
            yield piece
            piece = ""
        piece += sign
    if piece:
        yield piece


def first_unfit(text: str) -> int | None:
    """Return where the first sign stands that nobody writes and that hides or moves others; None if there is none."""
    return next((at for at, sign in enumerate(text) if _unfit(sign)), None)


def _unfit(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and sign not in _JOINERS


def _harmless(sign: str) -> bool:
    return unicodedata.category(sign) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two hex digits reach that far
