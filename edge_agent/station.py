"""The parts that every docking of one station shares, put together once by `main` or by a docking by hand."""

from dataclasses import dataclass, field
from importlib import resources

from edge_agent.codes import NO_SM3
from edge_agent.fair import FairTurns
from edge_agent.inspection import Inspect, inspect
from edge_agent.journal import AgentJournal, Desk
from edge_agent.one_docking import OneDockingEach
from edge_agent.profile_reader import ProfileSet, read_profiles, shipped_profiles
from edge_agent.pull import PullSettings
from edge_agent.reread import Rereader
from edge_agent.spool import Spool
from evidence_model.digests import new_sm3
from evidence_model.findings import Finding, Severity
from evidence_model.instants import Clock
from host_io.config import HomeConfig, HomePaths
from host_io.keys import read_signing_key
from host_io.sm2 import open_sm2
from host_io.trust import station_key_path
from policies.model import Pack
from policies.reader import read_pack


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How dockings are done; the defaults are the product's, tests are less patient."""

    pull: PullSettings = field(default_factory=PullSettings)
    reread_seconds: float = 6 * 3600.0  # how long a session waits at most for its copies to be read again
    anew_rounds: int = 2  # how often a file whose copy reads differently is pulled anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """What dockings share."""

    paths: HomePaths
    config: HomeConfig
    clock: Clock
    journal: AgentJournal
    spool: Spool
    profiles: ProfileSet
    opted_in: frozenset[str]
    pack: Pack
    turns: FairTurns
    rereader: Rereader
    dockings: OneDockingEach = field(default_factory=OneDockingEach)
    settings: SessionSettings = field(default_factory=SessionSettings)

    def makes_sm3(self, desk: Desk) -> bool:
        """Say whether footage gets an SM3 digest; one that cannot be made here is a finding and no obstacle."""
        is_wanted = self.config.station.sm3 or self.pack.sm3.value
        if is_wanted and new_sm3() is None:
            desk.find(Finding(NO_SM3, Severity.FAULT, self.config.station.id))
        else:
            desk.cure(NO_SM3, self.config.station.id)
        return is_wanted


def open_station(
    paths: HomePaths,
    config: HomeConfig,
    *,
    clock: Clock,
    settings: SessionSettings | None = None,
    look_into: Inspect = inspect,
) -> Station:
    """Read key, profiles and policy, and make the spool's folders; no thread is started.

    Raises:
        KeyMissingError, KeyOpenToOthersError: the station's key cannot be used.
        ProfileError, UnknownProfileError, PackError: a site's own profile or policy pack has mistakes.
    """
    signer = read_signing_key(station_key_path(paths, config.station.id))
    sm2 = open_sm2(paths, config.station.id, clock)
    journal = AgentJournal(paths=paths, signer=signer, station=config.station.id, clock=clock, sm2=sm2)
    spool = Spool(paths.spool, reserve_bytes=config.station.spool_reserve_bytes)
    spool.prepare()
    (paths.run / "progress").mkdir(mode=0o700, parents=True, exist_ok=True)
    profiles, opted_in = _profiles(paths, config)
    turns = FairTurns(config.station.concurrent_pulls, clock=clock)
    return Station(
        paths=paths,
        config=config,
        clock=clock,
        journal=journal,
        spool=spool,
        profiles=profiles,
        opted_in=opted_in,
        pack=_pack(config),
        turns=turns,
        rereader=Rereader(journal, spool, profiles, turns, inspect=look_into),
        settings=settings or SessionSettings(),
    )


def _profiles(paths: HomePaths, config: HomeConfig) -> tuple[ProfileSet, frozenset[str]]:
    """Return the models this station knows, and those that are recognised only because the site says it uses them.

    An entry of `station.site_profiles` that ends in `.toml` is a profile of the site's own, below the home; any other
    is the id of a shipped one.
    """
    own = [paths.root / entry for entry in config.station.site_profiles if entry.endswith(".toml")]
    opted = frozenset(entry for entry in config.station.site_profiles if not entry.endswith(".toml"))
    if not own:
        profiles = shipped_profiles()
    else:
        folder = resources.files("edge_agent") / "profiles"
        texts = {
            entry.name.removesuffix(".toml"): entry.read_text(encoding="utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        }
        profiles = read_profiles(texts | {path.stem: path.read_text(encoding="utf-8") for path in own})
    for profile_id in opted:
        profiles.get(profile_id)
    return profiles, opted | {path.stem for path in own}


def _pack(config: HomeConfig) -> Pack:
    name = f"{config.policy}.toml"
    return read_pack(resources.files("policies").joinpath("packs", name).read_text(encoding="utf-8"), name=name)
