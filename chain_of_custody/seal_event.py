"""What the events of a log put into its sealed index, and what `log.sealed` says of it.

An item is what a station's `footage.pulled` is about, once for each recorder that it is said to come from; where no
recorder is named, or what is no name of one, it stands under the empty name: nothing that was said is left out.
"""

from chain_of_custody.errors import SealRejectedError
from chain_of_custody.event import EventView
from chain_of_custody.sealed_index import Seal
from chain_of_custody.strict_text import decode_hex
from evidence_model.canonical import JsonObject, decimal
from evidence_model.errors import RefusedError
from evidence_model.events import EventKind
from evidence_model.ids import recorder_id

_MEMBERS = {"count", "day", "root", "size"}


def pulled_from(view: EventView) -> str | None:
    """Return the recorder that an item is said to come from, None if the event brings none into the index.

    The caller leaves out what the centre said: it pulls nothing.
    """
    if view.kind != EventKind.FOOTAGE_PULLED.value or view.asset is None:
        return None
    name = view.body.get("recorder")
    try:
        return recorder_id(name) if isinstance(name, str) else ""
    except RefusedError:
        return ""


def seal_body(seal: Seal, *, day: str) -> JsonObject:
    """Return the body of `log.sealed`."""
    return {"count": str(seal.count), "day": day, "root": seal.root.hex(), "size": str(seal.size)}


def parse_seal(view: EventView, *, index: int) -> Seal:
    """Return what the `log.sealed` at `index` of the log seals.

    Raises:
        SealRejectedError: it is not of the one form, or covers what was logged after it.
    """
    body = view.body
    try:
        if set(body) != _MEMBERS or not isinstance(body["day"], str):
            raise SealRejectedError(f"log.sealed has the members {', '.join(sorted(_MEMBERS))}")
        size, count = decimal(body["size"], what="size"), decimal(body["count"], what="count")
        root = decode_hex(body["root"])
    except RefusedError as error:
        raise SealRejectedError(str(error)) from error
    if size > index or view.subject.sha256 != root:
        raise SealRejectedError(f"entry {index} seals {size} entries, or its subject is not the root")
    return Seal(size, count, root)
