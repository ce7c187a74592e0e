"""`evidock witness`: whose cosignatures a checkpoint needs, and this station's own."""

from pathlib import Path

from chain_of_custody.checkpoint import Checkpoint
from chain_of_custody.errors import WitnessPolicyRejectedError
from chain_of_custody.trust_document import check_document
from chain_of_custody.trust_draft import next_document, with_policy
from chain_of_custody.witness_policy import WitnessPolicy, parse_policy
from host_io import trust
from host_io.config import HomeConfig
from host_io.keys import KeyMissingError, read_signing_key
from host_io.witness_state import WitnessStateLostError, forget_witness, make_witness, witness_state
from operator_cli.errors import AgentAtWorkError, WitnessInOrderError, WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import PATH, argument, group, subcommand
from operator_cli.home_programs import Program
from operator_cli.invocation import Invocation
from operator_cli.running import look
from operator_cli.trust_changes import Change, change_trust, log_size

witness = group("witness")


@subcommand(witness, "show")
def show(invocation: Invocation) -> int:
    """Show the policy, and what this station is as a witness."""
    config = invocation.config()
    known = trust.read_trust(invocation.paths.trust)
    policy = known.policy()
    document: dict[str, object] = {
        "quorum": policy.quorum,
        "policy": policy.text(),
        "witnesses": [
            {"id": each.name, "key": str(each.key_id), "vkey": each.key.vkey, "url": each.url or None}
            for each in policy.witnesses
        ],
        "own": None,
    }
    people = policy.text().splitlines()
    if config.role.pulls:
        own, line = _own(invocation, config, known)
        document["own"] = own
        people += ["", line]
    invocation.answer(document, people)
    return Exit.DONE if not config.role.pulls or document["own"] else Exit.FINDING


@subcommand(witness, "set")
@argument("file", type=PATH)
def set_policy(invocation: Invocation, *, file: Path) -> int:
    """Put a policy file's witnesses, groups and quorum in place of those that are there."""
    config = invocation.config()
    if not config.role.stores:
        raise WrongUsageError(invocation.texts("store.none_here"))
    known = trust.read_trust(invocation.paths.trust)
    try:
        policy = parse_policy(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise WitnessPolicyRejectedError(f"{file}: not UTF-8") from error
    if policy.logs and policy.logs != known.policy().logs:
        raise WrongUsageError(invocation.texts("witness.other_log", file=file))
    policy = WitnessPolicy(witnesses=policy.witnesses, groups=policy.groups, quorum=policy.quorum)
    change = _replace(invocation, known, policy)
    document = {"quorum": policy.quorum, "number": str(change.number), "draft": change.draft and str(change.draft)}
    people = _said(invocation, change, invocation.texts("witness.set", quorum=policy.quorum))
    invocation.answer(document, people)
    return Exit.DONE


@subcommand(witness, "renew")
def renew(invocation: Invocation) -> int:
    """Give this station another witness key, because what the old one cosigned last is lost."""
    config, paths = invocation.config(), invocation.paths
    if not config.role.pulls:
        raise WrongUsageError(invocation.texts("witness.no_station"))
    if look(paths).keeps(Program.INGEST):
        raise AgentAtWorkError(str(paths.root))
    station = config.station.id
    known = trust.read_trust(paths.trust)
    try:
        read_signing_key(trust.witness_key_path(paths, station))
        witness_state(paths, station).last(log_key=known.log_key, before=known.logs[:-1])
    except (WitnessStateLostError, KeyMissingError):
        forget_witness(paths, station)
    else:
        raise WitnessInOrderError(invocation.texts("witness.in_order", station=station))
    made = trust.station_witness(known.site, station, make_witness(paths, station).public_key)
    line = f"witness {made.name} {made.key.vkey}"
    if config.role.stores:
        seats = tuple(made if each.name == station else each for each in known.witnesses.witnesses)
        policy = WitnessPolicy(witnesses=seats, groups=known.witnesses.groups, quorum=known.witnesses.quorum)
        change = _replace(invocation, known, policy)
        people = [line, *_said(invocation, change, invocation.texts("witness.renewed_here"))]
    else:
        people = [line, invocation.texts("witness.renewed")]
    invocation.answer({"id": made.name, "vkey": made.key.vkey}, people)
    return Exit.DONE


def _replace(invocation: Invocation, known: trust.Trust, policy: WitnessPolicy) -> Change:
    size = log_size(invocation.paths, known)
    changed = with_policy(next_document(known, size=size), policy)
    check_document(changed)  # keys that stand twice
    return change_trust(invocation.paths, changed)


def _said(invocation: Invocation, change: Change, said: str) -> list[str]:
    """Return what is true now, or what is to be done with the draft."""
    if change.draft is None:
        return [said]
    return [invocation.texts("keys.drafted", number=change.number, draft=change.draft, program=invocation.program)]


def _own(invocation: Invocation, config: HomeConfig, known: trust.Trust) -> tuple[dict[str, object] | None, str]:
    """Return what this station is as a witness, None if it cannot cosign (any more), and the same for people."""
    station, texts = config.station.id, invocation.texts
    try:
        key = read_signing_key(trust.witness_key_path(invocation.paths, station)).public_key
        state = witness_state(invocation.paths, station)
        last: Checkpoint | None = state.last(log_key=known.log_key, before=known.logs[:-1])
    except (WitnessStateLostError, KeyMissingError):
        return None, texts("witness.lost", program=invocation.program)
    made = trust.station_witness(known.site, station, key)
    is_named = any(each.key.public_key == key for each in known.witnesses.witnesses)
    size = last.size if last is not None else 0
    document: dict[str, object] = {
        "id": made.name,
        "vkey": made.key.vkey,
        "in_policy": is_named,
        "cosigned_size": str(size) if last is not None else None,
    }
    text = texts("witness.own" if is_named else "witness.own_unnamed", size=size)
    return document, f"witness {made.name} {made.key.vkey}\n{text}"
