"""`evidock custody keys`: which keys count, and how that is changed by people who sign it (docs/guide/…/keys.md)."""

from collections.abc import Sequence
from pathlib import Path

import click

from chain_of_custody.enrolment import fingerprint, make_enrolment, read_enrolment
from chain_of_custody.errors import WitnessPolicyRejectedError
from chain_of_custody.signatures import KeyId, public_key_pem
from chain_of_custody.trust_document import check_document
from chain_of_custody.trust_draft import Draft, next_document, read_draft, with_policy
from chain_of_custody.trust_entries import PersonRole, TrustedLog, TrustedSource, read_mirror
from chain_of_custody.witness_policy import WitnessPolicy, parse_policy
from evidence_store.rebuild import store_lock
from host_io import durable, trust
from host_io import keys as key_files
from host_io.sm2 import sm2_key_path, sm2_point
from host_io.trust import Trust
from operator_cli import trust_proposals as proposals
from operator_cli.display import table
from operator_cli.errors import ProposalError, RootsMissingError, WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, argument, group, option, subcommand
from operator_cli.invocation import Invocation
from operator_cli.trust_changes import change_trust, is_signed_enough, log_at_rest, log_size
from operator_cli.trust_changes import publish as put_in_force
from operator_cli.trust_words import changes, signatures


def _list(invocation: Invocation) -> int:
    """List the public keys that this home trusts or trusted, each with its range, for an outsider to compare."""
    invocation.config()
    known = trust.read_trust(invocation.paths.trust)
    texts = invocation.texts
    entries: list[tuple[str, str, bytes, TrustedLog | TrustedSource]] = [
        *(("log", str(known.site), log.key, log) for log in known.logs),
        *((source.role.value, str(source.id), source.key, source) for source in known.sources),
    ]
    document = [
        {
            "id": str(KeyId.of(key)),
            "role": role,
            "source": name,
            "public_key": key.hex(),
            "pem": public_key_pem(key).decode("ascii"),
            "from": str(entry.start),
            "until": None if (end := _end(entry)) is None else str(end),
        }
        for role, name, key, entry in entries
    ]
    rows = [
        (texts(f"custody.role_{role}"), name, str(KeyId.of(key)), _range(invocation, entry))
        for role, name, key, entry in entries
    ]
    count = len(known.roots.keys)
    decides = "keys.decides_one" if count == 1 else "keys.decides"
    head = texts(decides, number=known.number, threshold=known.roots.threshold, count=count)
    invocation.answer(document, [*table(rows), head])
    return Exit.DONE


keys = group("keys", bare=_list)


@subcommand(keys, "new")
@argument("file", type=PATH)
def new(invocation: Invocation, *, file: Path) -> int:
    """Make a private key for a root holder or a person, and show its public half."""
    if file.exists():
        raise ProposalError(invocation.texts("keys.file_there", file=file))
    signer = key_files.make_signing_key(file)
    document = {"file": str(file), "public_key": signer.public_key.hex(), "id": str(signer.key_id)}
    people = [
        invocation.texts("keys.made", file=file),
        invocation.texts("keys.public", key=signer.public_key.hex()),
        invocation.texts("keys.fingerprint", fingerprint=fingerprint(signer.public_key)),
    ]
    invocation.answer({**document, "fingerprint": fingerprint(signer.public_key)}, people)
    return Exit.DONE


@subcommand(keys, "request")
@option("--out", type=PATH, metavar="FILE", required=True)
def request(invocation: Invocation, *, out: Path) -> int:
    """Write what this station asks for to be enrolled; its fingerprint is compared on both screens."""
    config, paths = invocation.config(), invocation.paths
    if not config.role.pulls:
        raise WrongUsageError(invocation.texts("witness.no_station"))
    station = config.station.id
    sm2 = sm2_key_path(paths, station)
    raw = make_enrolment(
        config.site,
        station,
        key_files.read_signing_key(trust.station_key_path(paths, station)),
        key_files.read_signing_key(trust.witness_key_path(paths, station)),
        sm2_point(sm2) if sm2.exists() else None,
    )
    durable.write_file(out, raw, mode=0o644)
    document = {"file": str(out), "station": station, "fingerprint": fingerprint(raw)}
    people = [
        invocation.texts("keys.requested", name=station, file=out),
        invocation.texts("keys.fingerprint", fingerprint=fingerprint(raw)),
    ]
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(keys, "propose")
@option("--out", type=PATH, metavar="DRAFT", required=True)
@option("--enrol", "requests", type=PATH, metavar="REQUEST", multiple=True)
@option("--replace", "replaces", is_flag=True)
@option("--revoke", "revoked", metavar="KEYID", multiple=True)
@option("--at", metavar="N", default="now")
@option("--suspect-from", type=click.IntRange(min=0), metavar="N", default=None)
@option("--retire-witness", "retired", metavar="NAME", multiple=True)
@option("--witness-policy", "policy_file", type=PATH, metavar="FILE", default=None)
@option("--person", metavar="ID", default=None)
@option("--role", "roles", type=click.Choice([each.value for each in PersonRole]), multiple=True)
@option("--key", metavar="HEX", default="")
@option("--root", "roots", metavar="ID=HEX", multiple=True)
@option("--threshold", type=click.IntRange(1, 16), metavar="K", default=1)
@option("--authority", metavar="NAME", default=None)
@option("--certificate", "certificates", type=PATH, metavar="PEM", multiple=True)
@option("--root-certificate", "root_certificates", type=PATH, metavar="PEM", multiple=True)
@option("--mirror", "mirrors", metavar="VKEY", multiple=True)
def propose(
    invocation: Invocation,
    *,
    out: Path,
    requests: Sequence[Path],
    replaces: bool,
    revoked: Sequence[str],
    at: str,
    suspect_from: int | None,
    retired: Sequence[str],
    policy_file: Path | None,
    person: str | None,
    roles: Sequence[str],
    key: str,
    roots: Sequence[str],
    threshold: int,
    authority: str | None,
    certificates: Sequence[Path],
    root_certificates: Sequence[Path],
    mirrors: Sequence[str],
) -> int:
    """Write a draft of the next trust document, for root holders to review and sign."""
    texts, paths = invocation.texts, invocation.paths
    if not invocation.config().role.stores:
        raise WrongUsageError(texts("store.none_here"))
    known = trust.read_trust(paths.trust)
    start = proposed = next_document(known, size=log_size(paths, known))
    place = None if at == "now" else _place(invocation, at)
    for each in revoked:
        proposed = proposals.revoke(proposed, each, texts, at=place, suspect_from=suspect_from)
    prints = []
    for path in requests:
        raw = path.read_bytes()
        proposed = proposals.enrol(proposed, read_enrolment(raw), texts, replaces=replaces)
        prints.append(texts("keys.compare", name=proposed.sources[-1].id, fingerprint=fingerprint(raw)))
    if policy_file is not None:
        proposed = with_policy(proposed, _policy(policy_file))
    for name in retired:
        proposed = proposals.retire_witness(proposed, name, texts)
    if person is not None:
        proposed = proposals.add_person(proposed, person, roles, key, texts)
    if roots:
        proposed = proposals.set_roots(proposed, roots, threshold, texts)
    if authority is not None:
        proposed = proposals.set_authority(proposed, authority, certificates, root_certificates, texts)
    for mirror in mirrors:
        proposed = proposals.add_mirror(proposed, read_mirror(mirror))
    if proposed == start:
        raise WrongUsageError(texts("keys.nothing"))
    check_document(proposed)
    durable.write_file(out, Draft(proposed, {}).to_bytes(), mode=0o644)
    said = list(changes(known, proposed, texts))
    people = [*said, *prints, texts("keys.draft_there", number=proposed.number, draft=out, program=invocation.program)]
    document = {"draft": str(out), "number": str(proposed.number), "changes": said, "sha256": proposed.hash.hex()}
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(keys, "sign")
@argument("draft", type=PATH)
@option("--key", "key_file", type=PATH, metavar="FILE", required=True)
def sign(invocation: Invocation, *, draft: Path, key_file: Path) -> int:
    """Add a root holder's signature to a draft; needs no home."""
    signer = key_files.read_signing_key(key_file)
    signed = read_draft(draft.read_bytes()).signed(signer)
    durable.write_file(draft, signed.to_bytes(), mode=0o644)
    is_own = any(each.key_id == signer.key_id for each in signed.trust.roots.keys)
    words = {"number": signed.trust.number, "site": signed.trust.site, "key": str(signer.key_id)[:16]}
    people = [
        invocation.texts("keys.signed" if is_own else "keys.signed_as_old", **words),
        invocation.texts("keys.fingerprint", fingerprint=_print_of(signed.trust)),
    ]
    document = {"number": str(signed.trust.number), "key": str(signer.key_id), "fingerprint": _print_of(signed.trust)}
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(keys, "review")
@argument("draft", type=PATH)
def review(invocation: Invocation, *, draft: Path) -> int:
    """Say what a draft would change, who signed it and who is missing: 0 enough signed, 1 not yet."""
    found = read_draft(draft.read_bytes())
    before = trust.read_trust(invocation.paths.trust) if invocation.paths.trust.exists() else None
    said = list(changes(before, found.trust, invocation.texts))
    who = list(signatures(before, found, invocation.texts))
    is_enough = is_signed_enough(found, before)
    people = [
        invocation.texts("keys.review", number=found.trust.number, site=found.trust.site, size=found.trust.since),
        *said,
        *who,
        invocation.texts("keys.fingerprint", fingerprint=_print_of(found.trust)),
    ]
    document = {
        "number": str(found.trust.number),
        "changes": said,
        "signed": [each.id for each in found.trust.roots.keys if found.has_of(each)],
        "enough": is_enough,
        "fingerprint": _print_of(found.trust),
    }
    invocation.answer(document, people)
    return Exit.DONE if is_enough else Exit.FINDING


@subcommand(keys, "publish")
@argument("draft", type=PATH)
def publish(invocation: Invocation, *, draft: Path) -> int:
    """Let a signed draft be what this home goes by."""
    paths, texts = invocation.paths, invocation.texts
    invocation.config()
    found = read_draft(draft.read_bytes())
    before = trust.read_trust(paths.trust) if paths.trust.exists() else None
    said = list(changes(before, found.trust, texts))
    is_new = before != found.trust
    if is_new:
        if before is not None and found.trust.number == before.number + 1 and not is_signed_enough(found, before):
            raise RootsMissingError("; ".join(signatures(before, found, texts)))
        with log_at_rest(paths, before, found.trust, texts):
            put_in_force(paths, found)
    said = said if is_new else []
    done = texts("keys.published" if is_new else "keys.in_force", number=found.trust.number)
    document = {"number": str(found.trust.number), "changes": said, "fingerprint": _print_of(found.trust)}
    people = [*said, done, texts("keys.fingerprint", fingerprint=_print_of(found.trust))]
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(keys, "hand-over")
def hand_over(invocation: Invocation) -> int:
    """Let another key sign the log from now on; the store is stopped, and the tree goes on as it is."""
    paths, texts = invocation.paths, invocation.texts
    if not invocation.config().role.stores:
        raise WrongUsageError(texts("store.none_here"))
    with store_lock(paths):
        known = trust.read_trust(paths.trust)
        proposed = proposals.hand_over(paths, known, texts)
        check_document(proposed)
        change = change_trust(paths, proposed)
    said = list(changes(known, proposed, texts))
    told = "keys.published" if change.draft is None else "keys.draft_there"
    words = {"number": change.number, "draft": change.draft, "program": invocation.program}
    document = {
        "number": str(change.number),
        "draft": None if change.draft is None else str(change.draft),
        "changes": said,
    }
    invocation.answer(document, [*said, texts(told, **words)])
    return Exit.DONE


def _end(entry: TrustedLog | TrustedSource) -> int | None:
    if isinstance(entry, TrustedSource):
        return entry.until
    return entry.final.size if entry.final is not None else None


def _range(invocation: Invocation, entry: TrustedLog | TrustedSource) -> str:
    end = _end(entry)
    name = "keys.range" if end is not None else "keys.range_open"
    return invocation.texts(name, start=entry.start, end=end)


def _place(invocation: Invocation, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise WrongUsageError(invocation.texts("keys.no_place", text=text))
    return int(text)


def _policy(file: Path) -> WitnessPolicy:
    try:
        policy = parse_policy(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise WitnessPolicyRejectedError(f"{file}: not UTF-8") from error
    return WitnessPolicy(witnesses=policy.witnesses, groups=policy.groups, quorum=policy.quorum)


def _print_of(document: Trust) -> str:
    return fingerprint(trust.trust_bytes(document)[:-1])
