"""`evidock custody`: the log, read only, and evidence packages of it."""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import click

from chain_of_custody.envelope import Envelope, parse_envelope, verify_envelope
from chain_of_custody.errors import SignatureRejectedError
from evidence_model.findings import Severity, worst_first
from evidence_model.ids import RecorderId
from evidence_model.sizes import people_size
from evidence_store import queries
from evidence_store.errors import BytesNotArrivedError, RecordingUnknownError
from evidence_store.mirror import MirrorKey, mirror_log
from evidence_store.package_export import export_package
from host_io import trust
from host_io.clock import SystemClock
from host_io.config import HomeConfig
from host_io.keys import make_signing_key
from operator_cli.commands.custody_keys import keys
from operator_cli.display import table
from operator_cli.errors import NothingRunningError, NotThereError, WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, RECORDER, argument, group, option, subcommand
from operator_cli.home_catalogue import home_catalogue
from operator_cli.home_programs import Program
from operator_cli.invocation import Invocation
from operator_cli.people_time import people_time, zone_of
from operator_cli.progress_line import ProgressLine, copy_progress, duration_text
from operator_cli.running import look
from operator_cli.sealing import seal_now

custody = group("custody")
custody.add_command(keys)


@subcommand(custody, "log")
@option("--asset", metavar="ID", default=None)
@option("--recording", metavar="ID", default=None)
@option("--limit", type=click.IntRange(1, 1_000_000), default=1000, metavar="N")
def log(invocation: Invocation, *, asset: str | None, recording: str | None, limit: int) -> int:
    """List what stands in the log, in its order."""
    config = _of_a_store(invocation)
    zone = zone_of(config.zone)
    with contextlib.closing(queries.open_catalogue(invocation.paths)) as db:
        if recording is not None:
            recording = queries.show_recording(db, recording).summary.id
        found = queries.custody_log(db, asset_id=asset, recording_id=recording, limit=limit + 1)
    invocation.tell_if_cut(len(found), limit)
    entries = found[:limit] if asset or recording else found[-limit:]  # of the whole log the newest
    rows = [
        (
            str(entry.index),
            people_time(entry.at, zone, unknown=invocation.texts("word.unknown")),
            entry.kind,
            entry.station,
            entry.summary,
        )
        for entry in entries
    ]
    people = table(rows, right=(0,)) if rows else [invocation.texts("custody.none")]
    invocation.answer([{"id": entry.event_id, **entry.as_json()} for entry in entries], people)
    return Exit.DONE


@subcommand(custody, "show")
@argument("id_", metavar="EVENT")
def show(invocation: Invocation, *, id_: str) -> int:
    """Show one event by its place in the log, its id, or the hash of its envelope."""
    _of_a_store(invocation)
    with contextlib.closing(queries.open_catalogue(invocation.paths)) as db:
        entry = queries.find_event(db, id_)
    path = queries.envelope_path(invocation.paths, entry.hash)
    envelope = parse_envelope(queries.read_envelope(invocation.paths, entry.hash))
    known = trust.read_trust(invocation.paths.trust)
    signers = [(signature.key_id, known.source_of(signature.key_id)) for signature in envelope.signatures]
    verified = _verifies(envelope, known)
    document = {
        "id": entry.event_id,
        **entry.as_json(),
        "file": str(path),
        "signatures": [{"id": str(key), "source": source} for key, source in signers],
        "verified": verified,
        "statement": json.loads(envelope.payload),
    }
    people = [
        invocation.texts(
            "custody.shown",
            index=entry.index,
            kind=entry.kind,
            source=invocation.texts.listed(source or str(key)[:12] for key, source in signers),
            verdict=invocation.texts("custody.signature_good" if verified else "custody.signature_bad"),
        ),
        str(path),
        *json.dumps(json.loads(envelope.payload), ensure_ascii=False, indent=2).split("\n"),
    ]
    invocation.answer(document, people)
    return Exit.DONE if verified else Exit.DAMAGE


@subcommand(custody, "checkpoint")
def checkpoint(invocation: Invocation) -> int:
    """Show the newest checkpoint, after checking its signature."""
    _of_a_store(invocation)
    path = invocation.paths.log / "checkpoint"
    note = _read(path)
    head = trust.read_trust(invocation.paths.trust).open_checkpoint(note)
    document = {
        "origin": head.origin,
        "size": head.size,
        "root": head.root.hex(),
        "note": note.decode("utf-8"),
        "file": str(path),
    }
    invocation.answer(document, note.decode("utf-8").splitlines())
    return Exit.DONE


@subcommand(custody, "export")
@option("--recording", "recordings", metavar="ID", multiple=True)
@option("--recorder", "recorders", type=RECORDER, metavar="ID", multiple=True)
@option("--out", type=PATH, metavar="DIR", required=True)
@option("--recipient", metavar="NAME", default="")
@option("--basis", metavar="TEXT", default="")
@option("--mirrored", type=PATH, metavar="FILE", default=None)
def export(
    invocation: Invocation,
    *,
    recordings: tuple[str, ...],
    recorders: tuple[RecorderId, ...],
    out: Path,
    recipient: str,
    basis: str,
    mirrored: Path | None,
) -> int:
    """Write an evidence package: 0 it is there, 5 something is not what was signed and nothing was written."""
    if not recordings and not recorders:
        raise WrongUsageError(invocation.texts("export.of_nothing"))
    config = _of_a_store(invocation)
    clock = SystemClock()
    line = ProgressLine(invocation, mono=clock.mono)
    started = clock.mono()
    try:
        result = export_package(
            invocation.paths,
            recordings=recordings,
            out=out,
            recipient=recipient,
            basis=basis,
            zone=zone_of(config.zone),
            recorders=recorders,
            mirrored=_read(mirrored) if mirrored is not None else None,
            clock=clock,
            progress=lambda done, total: line.say(
                copy_progress(done, total, seconds=clock.mono() - started, texts=invocation.texts)
            ),
        )
    except RecordingUnknownError:
        _say_if_it_is_on_its_way(invocation, config, recordings)
        raise
    finally:
        line.done()
    people = [
        f"✗ {finding.subject}: {invocation.texts.finding(finding.code).title} [{finding.code}]"
        for finding in result.findings
    ]
    if result.ok:
        people.append(
            invocation.texts(
                "export.done",
                out=result.out,
                recordings=len(result.recordings),
                files=result.item_count,
                events=result.event_count,
                size=people_size(result.payload_bytes),
                time=duration_text(clock.mono() - started),
            )
        )
        if result.not_sealed:
            people.append(invocation.texts("export.not_sealed", count=len(result.not_sealed)))
        people.append(invocation.texts("export.digest", digest=result.manifest_sha256))
    else:
        people.append(invocation.texts("export.refused", count=len(result.findings)))
    invocation.answer(result.as_json(), people)
    return Exit.DONE if result.ok else Exit.DAMAGE


@subcommand(custody, "seal")
def seal(invocation: Invocation) -> int:
    """Have the running store seal the log now, and wait until that stands in the log."""
    config = _of_a_store(invocation)
    if Program.STORE not in look(invocation.paths).programs:
        raise NothingRunningError(str(invocation.paths.root))
    entry = seal_now(invocation.paths, invocation.texts)
    at = people_time(entry.at, zone_of(config.zone), unknown=invocation.texts("word.unknown"))
    document = {"id": entry.event_id, **entry.as_json()}
    invocation.answer(document, [invocation.texts("seal.done", index=entry.index, at=at)])
    return Exit.DONE


@subcommand(custody, "mirror")
@argument("folder", type=PATH, metavar="DIR")
@option("--from", "from_", type=PATH, metavar="FOLDER", required=True)
@option("--trust", "trust_file", type=PATH, metavar="FILE", required=True)
@option("--key", type=PATH, metavar="FILE", default=None)
@option("--name", metavar="NAME", default=None)
def mirror(
    invocation: Invocation, *, folder: Path, from_: Path, trust_file: Path, key: Path | None, name: str | None
) -> int:
    """Copy and recompute a log: 0 all agrees, 1 a fault, 5 altered, lost or contradictory; needs no home."""
    if (key is None) != (name is None):
        raise WrongUsageError(invocation.texts("mirror.key_and_name"))
    known = trust.read_trust(trust_file)
    mirror_key = MirrorKey(name, make_signing_key(key)) if key is not None and name is not None else None
    clock = SystemClock()
    line = ProgressLine(invocation, mono=clock.mono)
    started = clock.mono()
    try:
        result = mirror_log(
            from_,
            folder,
            known,
            clock=clock,
            key=mirror_key,
            progress=lambda done, total: line.say(invocation.texts("mirror.progress", done=done, total=total)),
        )
    finally:
        line.done()
    people = [
        f"{'·' if each.severity is Severity.NOTE else '✗'} "
        f"{invocation.texts.headed(each.subject, invocation.texts.finding(each.code).title)} [{each.code}]"
        for each in worst_first(result.findings)
    ]
    people.append(
        invocation.texts(
            "mirror.agrees" if result.exit_code == 0 else "mirror.refused",
            folder=folder,
            was=result.was_size,
            size=result.size,
            shown=result.shown_size,
            seals=result.seal_count,
            time=duration_text(clock.mono() - started),
        )
    )
    vkey = mirror_key.vkey if mirror_key is not None else None
    if vkey is not None:
        people.append(invocation.texts("mirror.key", vkey=vkey))
    invocation.answer({**result.as_json(), "vkey": vkey}, people)
    return result.exit_code


def _say_if_it_is_on_its_way(invocation: Invocation, config: HomeConfig, recordings: Sequence[str]) -> None:
    """Tell people who see a recording here why it cannot be exported yet: the store has not logged it.

    Raises:
        BytesNotArrivedError: that is so.
    """
    with home_catalogue(invocation.paths, config) as db:
        for each in recordings:
            queries.show_recording(db, each)
    raise BytesNotArrivedError(", ".join(recordings))


def _verifies(envelope: Envelope, known: trust.Trust) -> bool:
    try:
        return bool(verify_envelope(envelope, known.all_verifiers().values()))
    except SignatureRejectedError:
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NotThereError(str(path)) from None


def _of_a_store(invocation: Invocation) -> HomeConfig:
    config = invocation.config()
    if not config.role.stores:
        raise WrongUsageError(invocation.texts("store.none_here"))
    return config
