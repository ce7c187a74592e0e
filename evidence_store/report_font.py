"""The one font of the reports: where it lies, and which characters it can draw.

A PDF/A refuses to be made if one character has no glyph, and people must see every name. So what the font lacks is
written by its number, as what hides or moves other characters is.
"""

import struct
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from evidence_model.names import display_name
from evidence_store.errors import ReportFontError

FONT_FILE = "wqy-microhei.ttc"
INSTALL = "sudo apt-get install fonts-wqy-microhei"
FONT_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
_MOVE_OTHERS = frozenset({"R", "AL", "AN"})
_BLANKS = frozenset(" \u3000")
_FILLER = "\u3164"  # counts as a letter and has no shape
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_UNICODE_FULL = (3, 10)


@dataclass(frozen=True, slots=True)
class ReportFont:
    """A font file that was found and read."""

    path: Path
    drawable: frozenset[str]

    def shown(self, text: str) -> str:
        r"""Return one line in which every character can be seen; others stand as `\u{…}`, a backslash as two."""
        return self._seen(text.replace("\\", "\\\\"))

    def shown_name(self, raw: bytes) -> str:
        """Return a raw name in the same way."""
        return self._seen(display_name(raw))

    def _seen(self, text: str) -> str:
        return "".join(sign if sign in self.drawable else f"\\u{{{ord(sign):x}}}" for sign in text)


def find_report_font(folders: Collection[Path] = ()) -> ReportFont:
    """Find the font where systems keep theirs, or in these folders.

    Raises:
        ReportFontError: it is not there, or not a font that can be read.
    """
    places = folders or FONT_FOLDERS
    for folder in places:
        for path in sorted(folder.rglob(FONT_FILE)):
            return _read(path)
    raise ReportFontError(f"{FONT_FILE} is in none of {', '.join(map(str, places))}: {INSTALL}")


@lru_cache(maxsize=1)
def _read(path: Path) -> ReportFont:
    try:
        signs = frozenset(chr(code) for first, last in _ranges(path.read_bytes()) for code in range(first, last + 1))
    except (OSError, struct.error, ValueError) as error:
        raise ReportFontError(
            f"{path}: cannot be read: {error}; sudo apt-get install --reinstall {INSTALL[21:]}"
        ) from None
    return ReportFont(path, frozenset(sign for sign in signs if _is_plain(sign)))


def _is_plain(sign: str) -> bool:
    return (
        unicodedata.category(sign) not in _HIDDEN
        and (unicodedata.category(sign) != "Zs" or sign in _BLANKS)
        and sign != _FILLER
        and unicodedata.bidirectional(sign) not in _MOVE_OTHERS
    )


def _ranges(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the ranges of characters that the first font of a collection can draw (OpenType, `cmap` format 12)."""
    (font,) = struct.unpack_from(">I", data, 12)
    (count,) = struct.unpack_from(">H", data, font + 4)
    tables = (struct.unpack_from(">4sIII", data, font + 12 + 16 * at) for at in range(count))
    [cmap] = [offset for tag, _, offset, _ in tables if tag == b"cmap"]
    (count,) = struct.unpack_from(">H", data, cmap + 2)
    subtables = (struct.unpack_from(">HHI", data, cmap + 4 + 8 * at) for at in range(count))
    [full] = [cmap + offset for platform, encoding, offset in subtables if (platform, encoding) == _UNICODE_FULL]
    (groups,) = struct.unpack_from(">I", data, full + 12)
    for at in range(groups):
        first, last, _ = struct.unpack_from(">III", data, full + 16 + 12 * at)
        yield first, last
