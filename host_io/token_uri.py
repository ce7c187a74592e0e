"""Which key of which PKCS#11 token a key file means: a URI (RFC 7512) in place of the key.

Such a file reads `pkcs11:token=evidock;object=log?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=token.pin`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from evidence_model.errors import RefusedError

SCHEME: Final = "pkcs11:"
_OF_TOKEN: Final = frozenset({"token", "serial", "model", "manufacturer"})
_PATH: Final = _OF_TOKEN | {"object", "id", "type"}
_QUERY: Final = frozenset({"module-path", "pin-source"})


class TokenUriError(RefusedError):
    """A key file's PKCS#11 URI is malformed, or holds a PIN."""

    code = "HOST-051"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """A private key in a token; what is empty may be anything."""

    token: tuple[tuple[str, str], ...]  # what it must say of itself, by RFC 7512's names
    label: str
    id: bytes = b""
    module: str
    pin_path: Path

    def __str__(self) -> str:
        token = ", ".join(value for _, value in self.token)
        return f"token {token}, key {self.label or self.id.hex()}"


def parse_token_uri(text: str, *, where: Path) -> TokenUri:
    """Read the URI in the key file `where`; a PIN file without a folder lies beside it. No part of it is ever quoted.

    Raises:
        TokenUriError: not such a URI; attributes that we do not follow are refused, not overlooked.
    """
    path, _, query = text.removeprefix(SCHEME).partition("?")
    if "pin-value" in query:
        raise TokenUriError(f"{where}: a PIN does not stand in the URI; put it into a file of 0600 named by pin-source")
    try:
        attributes, more = _attributes(path, ";", _PATH), _attributes(query, "&", _QUERY)
        key_id = attributes.pop("id", b"")
        said = {name: value.decode("utf-8") for name, value in (attributes | more).items()}
    except ValueError:
        allowed = ", ".join(sorted(_PATH | _QUERY))
        raise TokenUriError(f"{where}: not a PKCS#11 URI (RFC 7512) of {allowed}, each at most once") from None
    token = tuple((name, value) for name, value in sorted(said.items()) if name in _OF_TOKEN)
    label, module, pin = (said.get(name, "") for name in ("object", "module-path", "pin-source"))
    if said.get("type", "private") != "private" or not token or not (label or key_id):
        raise TokenUriError(f"{where}: the URI must name a token and the object or id of a private key in it")
    if not Path(module).is_absolute() or not pin or pin.startswith("|"):
        raise TokenUriError(f"{where}: the URI must end with ?module-path=/…/module.so&pin-source=FILE")
    pin_path = where.parent / pin.removeprefix("file:")
    return TokenUri(token=token, label=label, id=key_id, module=module, pin_path=pin_path)


def _attributes(text: str, separator: str, known: frozenset[str]) -> dict[str, bytes]:
    """Return name → value, percent-decoded; ValueError for what is unknown, empty or there twice."""
    found: dict[str, bytes] = {}
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name not in known or name in found or not value:
            raise ValueError(name)
        found[name] = unquote_to_bytes(value)
    return found
