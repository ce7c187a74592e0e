"""Signed events to durable receipts at the centre, against the bare broker carrying the same messages, in one run.

The publisher is a process of its own and keeps a window of events without a receipt, as the ingest daemon does. Each
event is signed beforehand, so what is measured is the way broker → store (verify, sequence, fsync, checkpoint, sign the
receipt) → broker → station. The bare broker's rate is the same publisher, messages and QoS with a subscriber that does
nothing.
"""

import contextlib
import json
import multiprocessing
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from bench.bench_home import evidock, scratch, wait_until
from bench.figure import Figure
from chain_of_custody.envelope import to_wire
from chain_of_custody.event import Actor, Subject
from chain_of_custody.trust_draft import next_document, with_policy
from chain_of_custody.witness_policy import NO_WITNESSES, Group, WitnessPolicy
from evidence_model.events import ActorKind, ActorLevel, EventKind
from evidence_model.ids import SourceId, source_id
from evidence_model.topics import Channel, every_station, station_topic
from host_io import sqlite
from host_io.broker import Broker
from host_io.broker_access import broker_address, centre_account, secret_path, station_account, station_user
from host_io.clock import SystemClock
from host_io.config import HomeConfig, HomePaths, read_config
from host_io.keys import make_secret, read_signing_key
from host_io.mqtt import MqttLink
from host_io.signed_journal import NewFact, SignedJournal, journal_schema
from host_io.trust import read_trust, station_key_path, station_witness
from host_io.witness_state import make_witness
from operator_cli.trust_changes import change_trust

EVENTS = 30_000
WINDOW = 700
GOAL_PER_SECOND = 1_500
GOAL_SHARE = 0.4
GOAL_P99_SECONDS = 1.0
WITNESSES, QUORUM = 7, 5
GOAL_WITNESSED = 0.5


def figures() -> list[Figure]:
    """Measure the bare broker, then the centre behind it, then the centre with witnesses on the same machine."""
    with scratch() as folder:
        bare, _ = _run(folder / "bare", with_store=False)
        ours, p99 = _run(folder / "home", with_store=True)
        witnessed, _ = _run(folder / "witnessed", with_store=True, witness_count=WITNESSES)
    return [
        Figure(
            name="centre: signed events to durable receipts",
            ours=f"{ours:,.0f} events/s",
            rival=f"bare broker {bare:,.0f} messages/s",
            ratio=ours / bare,
            goal=f"≥ {GOAL_PER_SECOND:,}/s and ≥ {GOAL_SHARE:.0%} of the broker",
            met=ours >= GOAL_PER_SECOND and ours >= GOAL_SHARE * bare,
        ),
        Figure(
            name="centre: p99 from publishing to receipt, at full load",
            ours=f"{p99 * 1000:.0f} ms",
            rival=f"goal {GOAL_P99_SECONDS:.0f} s",
            ratio=p99 / GOAL_P99_SECONDS,
            goal="< 1 s",
            met=p99 < GOAL_P99_SECONDS,
            note=f"{WINDOW} events without a receipt at any time",
        ),
        Figure(
            name=f"centre: receipts with {WITNESSES} witnesses on the same machine, {QUORUM} of whom must cosign",
            ours=f"{witnessed:,.0f} events/s",
            rival=f"without witnesses {ours:,.0f} events/s",
            ratio=witnessed / ours,
            goal=f"≥ {GOAL_WITNESSED:.0%}",
            met=witnessed >= GOAL_WITNESSED * ours,
        ),
    ]


def _run(home: Path, *, with_store: bool, witness_count: int = 0) -> tuple[float, float]:
    """Return events a second and the 99th percentile of the seconds each waited."""
    evidock(home, "init", "--role", "workstation")
    paths = HomePaths(home)
    config = read_config(paths)
    witnesses = _name_witnesses(paths, config, witness_count)
    messages = _signed(paths, config)
    with (
        Broker(paths, site=config.site, stations=[config.station.id, *witnesses]),
        _cosigning(paths, witnesses),
        _counterpart(paths, with_store),
    ):
        context = multiprocessing.get_context("spawn")
        results: multiprocessing.Queue[tuple[float, list[float]]] = context.Queue()
        publisher = context.Process(target=_publish, args=(home, messages, with_store, results))
        publisher.start()
        took, waits = results.get(timeout=600)
        publisher.join()
    return EVENTS / took, statistics.quantiles(waits, n=100)[98] if waits else 0.0


def _name_witnesses(paths: HomePaths, config: HomeConfig, count: int) -> list[SourceId]:
    """Let the site need the cosignatures of most of so many stations; of nobody if there are none."""
    names = [source_id(f"w{number}") for number in range(count)]
    seats = tuple(station_witness(config.site, name, make_witness(paths, name).public_key) for name in names)
    policy = NO_WITNESSES
    if names:
        policy = WitnessPolicy(witnesses=seats, groups=(Group("most", QUORUM, tuple(names)),), quorum="most")
    for name in names:
        make_secret(secret_path(paths, station_user(name)))
    change_trust(paths, with_policy(next_document(read_trust(paths.trust), size=0), policy))
    return names


def _counterpart(paths: HomePaths, with_store: bool) -> "contextlib.AbstractContextManager[None]":
    """Run the store, or for the bare broker a subscriber that answers nothing and only counts."""
    if with_store:
        return _process(paths, "store.json", "evidence_store", "--home", str(paths.root))
    return _process(paths, "sink.json", "bench.sink", str(paths.root))


def _cosigning(paths: HomePaths, names: list[SourceId]) -> "contextlib.AbstractContextManager[None]":
    if not names:
        return contextlib.nullcontext()
    return _process(paths, "witnesses.json", "bench.witnesses", str(paths.root), *names)


@contextlib.contextmanager
def _process(paths: HomePaths, ready: str, module: str, *words: str) -> Iterator[None]:
    """Run a program beside us until the block ends; it says that it is ready by a file in `run/`."""
    log = (paths.root / f"{module}.log").open("wb")
    with log, subprocess.Popen([sys.executable, "-m", module, *words], stdout=log, stderr=log) as process:
        try:
            wait_until((paths.run / ready).exists, 60)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def _signed(paths: HomePaths, config: HomeConfig) -> list[bytes]:
    db = sqlite.connect(
        paths.root / "bench.db", schema=journal_schema(), durability=sqlite.Durability.VIEW_THAT_CAN_BE_REBUILT
    )
    signer = read_signing_key(station_key_path(paths, config.station.id))
    journal = SignedJournal(db, signer=signer, source=config.station.id, clock=SystemClock())
    fact = NewFact(
        kind=EventKind.TAGS_SET,
        subject=Subject("recording/R-0123456789ab", bytes(32)),
        body={"recording": "R-0123456789ab", "assets": ["0" * 32], "tags": {"case": "(2026) 0001", "handler": "0042"}},
        actor=Actor(ActorKind.STATION, config.station.id, ActorLevel.STATION, None),
        rules=("WH-R25",),
    )
    with sqlite.transaction(db):
        return [to_wire(event.raw, event.leaf_signature) for event in (journal.append(fact) for _ in range(EVENTS))]


def _publish(
    home: Path, messages: list[bytes], with_store: bool, results: "multiprocessing.Queue[tuple[float, list[float]]]"
) -> None:
    """Publish everything with a bounded window; report the seconds until the last answer and each event's wait."""
    paths = HomePaths(home)
    config = read_config(paths)
    station: SourceId = config.station.id
    window = threading.Semaphore(WINDOW)
    done = threading.Event()
    published: dict[str, float] = {}
    waits: list[float] = []

    def answered(_topic: str, payload: bytes) -> None:
        if with_store:
            started = published.pop(json.loads(payload)["event"], None)
            if started is None:
                return
            waits.append(time.perf_counter() - started)
            window.release()
            if len(waits) == len(messages):
                done.set()
        else:  # the sink says in steps how many it has seen
            for _ in range(int(payload) - len(waits)):
                waits.append(0.0)
                window.release()
            if len(waits) >= len(messages):
                done.set()

    topic = station_topic(config.site, station, Channel.EVENTS)
    link = MqttLink(
        address=lambda: broker_address(paths, config.broker),
        account=station_account(paths, station),
        client_id="bench-station",
        subscriptions=[station_topic(config.site, station, Channel.RECEIPTS)],
        on_message=answered,
    )
    with link:
        if not link.wait_connected(30):
            raise TimeoutError(link.problem)
        hashes = [_event_hash(message) for message in messages]
        started = time.perf_counter()
        for name, message in zip(hashes, messages, strict=True):
            window.acquire()
            published[name] = time.perf_counter()
            link.publish(topic, message)
        done.wait(300)
        results.put((time.perf_counter() - started, [] if not with_store else waits))


def _event_hash(message: bytes) -> str:
    from chain_of_custody.envelope import envelope_hash, from_wire  # noqa: PLC0415 - in the publisher's process only

    return envelope_hash(from_wire(message)[0]).hex()


def sink(paths: HomePaths) -> None:
    """Receive and count events until terminated; tells the station every 50 how many there were."""
    config = read_config(paths)
    receipts = station_topic(config.site, config.station.id, Channel.RECEIPTS)
    seen = 0

    def count(_topic: str, _payload: bytes) -> None:
        nonlocal seen
        seen += 1
        if seen % 50 == 0 or seen == EVENTS:
            link.publish(receipts, str(seen).encode())

    link = MqttLink(
        address=lambda: broker_address(paths, config.broker),
        account=centre_account(paths),
        client_id="bench-sink",
        subscriptions=[every_station(config.site, Channel.EVENTS)],
        on_message=count,
    )
    with link:
        if link.wait_connected(30):
            (paths.run / "sink.json").write_text("{}", encoding="ascii")
        threading.Event().wait()
