"""Which programs a home needs, in the order in which they are started (broker, store, ingest, agent)."""

from collections.abc import Collection, Mapping
from enum import Enum

from host_io import trust
from host_io.broker import Broker
from host_io.config import BrokerKind, HomeConfig, HomePaths
from operator_cli.children import BrokerChild, Child, ProgramChild
from operator_cli.invocation import HOME_VARIABLE


class Program(Enum):
    """A program by the name of its log and pid file; the order is the order of starting."""

    BROKER = "broker"
    STORE = "store"
    INGEST = "ingest"
    AGENT = "agent"


_MODULES = {Program.STORE: "evidence_store", Program.INGEST: "ingest_daemon", Program.AGENT: "edge_agent"}

LOCKS = {Program.STORE: "store.lock", Program.INGEST: "ingest.lock", Program.AGENT: "agent.lock"}
"""What each program holds in `run/` while it is at work, whoever started it."""


def programs_of(config: HomeConfig) -> tuple[Program, ...]:
    """Return what this home runs by its role; a broker only where nobody else runs one."""
    wanted = {Program.BROKER: config.role.stores and config.broker.kind is BrokerKind.EMBEDDED}
    wanted |= {Program.STORE: config.role.stores, Program.INGEST: config.role.pulls, Program.AGENT: config.role.pulls}
    return tuple(program for program in Program if wanted[program])


def children_of(
    paths: HomePaths,
    config: HomeConfig,
    *,
    only: Collection[Program],
    environment: Mapping[str, str],
    pass_words: bool = False,
) -> list[Child]:
    """Return the children of this home, not started; `only` leaves out all others."""
    children: list[Child] = []
    for program in programs_of(config):
        if program not in only:
            continue
        if program is Program.BROKER:
            children.append(BrokerChild(lambda: _broker(paths, config), paths))
        else:
            children.append(
                ProgramChild(
                    program.value,
                    [_MODULES[program], "--home", str(paths.root)],
                    paths=paths,
                    environment={**environment, HOME_VARIABLE: str(paths.root), "PYTHONUNBUFFERED": "1"},
                    pass_words=pass_words,
                    lock=paths.run / LOCKS[program],
                )
            )
    return children


def _broker(paths: HomePaths, config: HomeConfig) -> Broker:
    """Return the broker with a door for each station that this home's trust file knows."""
    stations = [station.id for station in trust.read_trust(paths.trust).stations]
    return Broker(paths, site=config.site, stations=stations, port=config.broker.port)
