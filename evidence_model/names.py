"""Names that a recorder gave are kept as raw bytes; people see a decoding, our own disk gets a safe name.

The raw bytes are the evidence (they go into events as hexadecimal digits); neither the decoding nor the safe name is
ever used to find a file again.
"""

import hashlib
import re
import unicodedata
from collections.abc import Container
from dataclasses import dataclass
from enum import Enum

from evidence_model.errors import RefusedError

MAX_LOCAL_BYTES = 120
_MAX_EXTENSION_BYTES = 16
_HASH_DIGITS = 8
_RESERVED = re.compile(
    r"(?:con|prn|aux|nul|clock\$|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])\s*(?:\..*)?",
    re.IGNORECASE | re.DOTALL,
)
_FORBIDDEN = frozenset('<>:"/\\|?*')
# characters that move the cursor, reorder the line, hide themselves, or have no agreed look
_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_PLAIN_BLANKS = frozenset(" \u3000")


class MalformedNameError(RefusedError):
    """The text is not a raw name written as hexadecimal digits."""

    code = "EM-030"


class NameEncoding(Enum):
    """How the raw bytes were read for people."""

    UTF8 = "utf-8"
    GB18030 = "gb18030"
    ESCAPED = "escaped"  # no encoding fits: bytes that are not UTF-8 are shown as \\xNN


@dataclass(frozen=True, slots=True, order=True)
class RawName:
    """A name or a relative path exactly as the recorder's file system gave it."""

    raw: bytes

    @classmethod
    def from_hex(cls, text: str) -> "RawName":
        """Read the form that events carry.

        Raises:
            MalformedNameError: it is not an even number of lowercase hexadecimal digits.
        """
        if not re.fullmatch(r"(?:[0-9a-f]{2})*", text):
            raise MalformedNameError(f"a raw name in hexadecimal digits was expected, not {text[:60]!r}")
        return cls(bytes.fromhex(text))

    @property
    def hex(self) -> str:
        """Return the lossless form for events."""
        return self.raw.hex()

    @property
    def display(self) -> str:
        """Return what people see; safe to print on a terminal and in a log."""
        return display_name(self.raw)

    @property
    def encoding(self) -> NameEncoding:
        """Return how `display` was read."""
        return decode_name(self.raw)[1]


def decode_name(raw: bytes) -> tuple[str, NameEncoding]:
    r"""Return the best reading of `raw`: UTF-8, else GB18030 where plausible, else UTF-8 with `\xNN` for bad bytes.

    The result may hold control characters; use it for matching patterns, `display_name` for showing.
    """
    try:
        return raw.decode("utf-8"), NameEncoding.UTF8
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode("gb18030")
    except UnicodeDecodeError:
        text = ""
    if text and all(char.isascii() or _is_common_chinese(char) for char in text):
        return text, NameEncoding.GB18030
    return raw.decode("utf-8", errors="backslashreplace"), NameEncoding.ESCAPED


def display_name(raw: bytes) -> str:
    """Return one line of text without anything a terminal would obey: no controls, escapes, bidi or hidden marks."""
    text, encoding = decode_name(raw)
    if encoding is not NameEncoding.ESCAPED:  # there the backslashes are our own
        text = text.replace("\\", "\\\\")
    return "".join(char if _shows_as_itself(char) else f"\\u{{{ord(char):x}}}" for char in text)


def safe_local_name(raw: bytes, *, taken: Container[str] = ()) -> str:
    """Return a file name for our own disk, at most 120 bytes of UTF-8, that no common system misreads.

    The same bytes give the same name. Where anything had to be changed, or the name is in `taken`, eight digits of
    the raw name's SHA-256 are added, so different raw names stay apart.

    Args:
        raw: one name (slashes in it are replaced like any forbidden character).
        taken: names in use in that folder, each as `fold_name` gives it.
    """
    decoded, encoding = decode_name(raw)
    if encoding is NameEncoding.ESCAPED:
        decoded = raw.decode("utf-8", errors="replace").replace("\ufffd", "_")
    text = unicodedata.normalize("NFC", decoded)
    text = "".join("_" if char in _FORBIDDEN or not _shows_as_itself(char) else char for char in text)
    text = text.strip(" \u3000").rstrip(". \u3000")
    if text[:1] in {".", "-", "~"}:  # hidden files, options, home folders
        text = "_" + text[1:]
    if not text:
        text = "unnamed"
    if _RESERVED.fullmatch(text):
        text = "_" + text
    stem, dot, extension = text.rpartition(".")
    if not stem or len(extension.encode()) > _MAX_EXTENSION_BYTES:
        stem, dot, extension = text, "", ""
    ending = dot + extension
    if text.encode() == raw and len(raw) <= MAX_LOCAL_BYTES and fold_name(text) not in taken:
        return text
    mark = "~" + hashlib.sha256(raw).hexdigest()[:_HASH_DIGITS]
    name = _shorten(stem, MAX_LOCAL_BYTES - len((mark + ending).encode())) + mark + ending
    count = 2
    while fold_name(name) in taken:  # the same raw name twice in one folder of ours
        numbered = f"{mark}-{count}"
        name = _shorten(stem, MAX_LOCAL_BYTES - len((numbered + ending).encode())) + numbered + ending
        count += 1
    return name


def fold_name(name: str) -> str:
    """Return `name` as a file system that ignores case and composition compares it."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", name).casefold())


def _shorten(text: str, limit_bytes: int) -> str:
    cut = text.encode()[:limit_bytes].decode("utf-8", errors="ignore").rstrip(". ")
    return cut or "_"


def _shows_as_itself(char: str) -> bool:
    category = unicodedata.category(char)
    if category in _HIDDEN_CATEGORIES:
        return False
    return category != "Zs" or char in _PLAIN_BLANKS


def _is_common_chinese(char: str) -> bool:
    """Return whether `char` is in GB 2312, as names typed on a recorder or a Chinese PC are; rare signs are noise."""
    try:
        char.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return unicodedata.category(char) in {"Lo", "Po", "Ps", "Pe", "Nd", "Lu", "Ll", "Sm", "Pd", "Pc", "Zs", "Pi", "Pf"}
