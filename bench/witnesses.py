"""`python -m bench.witnesses HOME NAME …`: stations that do nothing but cosign, all in one process of their own."""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from evidence_model.ids import SourceId, source_id
from evidence_model.topics import Channel, station_topic
from host_io.broker_access import broker_address, station_account
from host_io.clock import SystemClock
from host_io.config import HomePaths, read_config
from host_io.mqtt import MqttLink
from host_io.trust import read_trust
from ingest_daemon.witnessing import Witness, open_witness


def main(home: Path, names: list[SourceId]) -> None:
    """Cosign until terminated."""
    paths = HomePaths(home)
    config, trust = read_config(paths), read_trust(paths.trust)
    with contextlib.ExitStack() as stack:
        for name in names:
            witness = open_witness(paths, trust, name, clock=SystemClock())
            if witness is None:
                raise ValueError(f"{name} is no witness of {paths.trust}")
            requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
            link = MqttLink(
                address=partial(broker_address, paths, config.broker),
                account=station_account(paths, name),
                client_id=f"bench-{name}",
                subscriptions=[station_topic(config.site, name, Channel.WITNESS)],
                on_message=partial(_put, requests),
            )
            answers = station_topic(config.site, name, Channel.COSIGNATURES)
            stack.enter_context(link)
            threading.Thread(
                target=_answer, args=(witness, requests, partial(link.publish, answers)), daemon=True
            ).start()
            if not link.wait_connected(30):
                raise TimeoutError(link.problem)
        (paths.run / "witnesses.json").write_text("{}", encoding="ascii")
        threading.Event().wait()


def _put(requests: "queue.SimpleQueue[bytes]", _topic: str, request: bytes) -> None:
    requests.put(request)


def _answer(witness: Witness, requests: "queue.SimpleQueue[bytes]", send: Callable[[bytes], object]) -> None:
    while True:
        send(witness.answer(requests.get()).to_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]), [source_id(name) for name in sys.argv[2:]])
