"""`evidock init`: makes a home, and says what next."""

import click

from host_io.config import Role
from operator_cli.errors import WrongUsageError
from operator_cli.exit_codes import Exit
from operator_cli.group import command, option
from operator_cli.home_making import HomeMade, HomeWish, make_home
from operator_cli.invocation import Invocation


@command("init")
@option("--role", type=click.Choice([role.value for role in Role]), required=True)
@option("--policy", default="baseline", metavar="PACK")
@option("--unit", default="", metavar="NAME")
@option("--station", default="", metavar="ID")
@option("--site", default="", metavar="ID")
def init(invocation: Invocation, *, role: str, policy: str, unit: str, station: str, site: str) -> int:
    """Make a home here (contract.md, set-up)."""
    from operator_cli.policy_packs import pack_names  # noqa: PLC0415 - reads data only when needed

    if policy not in pack_names():
        known = invocation.texts.listed(pack_names())
        raise WrongUsageError(invocation.texts("init.no_pack", name=policy, known=known))
    wish = HomeWish(role=Role(role), policy=policy, unit=unit, station=station, site=site)
    home = make_home(invocation.paths, wish, invocation.texts)
    invocation.answer(_document(invocation, home), _people(invocation, home))
    return Exit.DONE


def _document(invocation: Invocation, home: HomeMade) -> dict[str, object]:
    config = home.config
    return {
        "ok": True,
        "home": str(invocation.paths.root),
        "role": config.role.value,
        "site": config.site,
        "unit": config.unit,
        "policy": config.policy,
        "station": config.station.id if config.role.pulls else None,
        "station_key": home.station_key or None,
        "made": list(home.made),
        "trusts_a_centre": home.trusts_a_centre,
    }


def _people(invocation: Invocation, home: HomeMade) -> list[str]:
    texts = invocation.texts
    role = home.config.role
    root = invocation.paths.root
    lines = [texts("init.made" if home.made else "init.nothing_missing", home=root, role=texts(f"role.{role.value}"))]
    if not home.trusts_a_centre:
        lines.append(texts("init.no_trust", home=root, station=home.config.station.id, key=home.station_key))
    lines.append(texts("init.next", program=invocation.program, home=root))
    if role.pulls:
        lines.append(texts("init.next_dock", program=invocation.program, home=root))
    lines.append(texts("init.keys", keys=invocation.paths.keys))
    return lines
