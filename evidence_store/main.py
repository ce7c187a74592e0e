"""`python -m evidence_store --home H`: the centre of a home, until it is told to stop."""

import argparse
import contextlib
import json
import logging
import os
import signal
import sqlite3
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from chain_of_custody.signatures import Signer
from evidence_model.errors import EvidockError
from evidence_model.instants import Clock
from evidence_model.topics import Channel, every_station
from evidence_store.catalogue import Catalogue
from evidence_store.centre_book import CentreBook, open_centre_db
from evidence_store.errors import KeysDifferError
from evidence_store.fixity_worker import FixityWorker
from evidence_store.housekeeping import Housekeeper
from evidence_store.http_server import UPLOADS, HttpServer, health_route, log_routes
from evidence_store.ledger import Ledger
from evidence_store.log_folder import LogFolder
from evidence_store.log_reader import LogReader
from evidence_store.outside_witnesses import OutsideWitnesses
from evidence_store.rebuild import open_catalogue_of_log, set_aside_if_damaged, store_lock
from evidence_store.sequencer import Sequencer, SequencerParts
from evidence_store.service import Inbox, Outlet, StoreService
from evidence_store.time_desk import TimeDesk, TimeSettings
from evidence_store.tokens import TokenBook
from evidence_store.trust_reloader import TrustReloader
from evidence_store.upload_app import UploadApp
from evidence_store.uploads import Uploads
from evidence_store.vault import Vault
from host_io import durable, logs
from host_io.broker_access import broker_address, centre_account, client_id
from host_io.clock import SystemClock
from host_io.config import HomeConfig, HomePaths, read_config
from host_io.keys import read_signing_key
from host_io.mqtt import LinkState, MqttLink
from host_io.notify import Notifier
from host_io.signed_journal import SignedJournal
from host_io.sqlite import DatabaseDamagedError
from host_io.trust import Trust, centre_key_path, check_home_roots, log_key_path, read_trust, take_over_log_key

_LOG = logging.getLogger(__name__)
_EXAMINERS = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the store; 0 after a clean stop, else the exit code of what stood in the way."""
    parser = argparse.ArgumentParser(prog="python -m evidence_store", description="The evidence store of a home.")
    default = os.environ.get("EVIDOCK_HOME")
    parser.add_argument("--home", type=Path, default=default, required=default is None)
    paths = HomePaths(Path(parser.parse_args(argv).home).absolute())
    logs.set_up()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run_store(paths, read_config(paths), SystemClock(), stop)
    except sqlite3.DatabaseError as error:
        what = "catalogue.db: it is made again at the next start" if set_aside_if_damaged(paths) else "centre.db"
        code, problem = DatabaseDamagedError.code, f"{what}: {error}"
        logs.event(_LOG, "store.failed", level=logging.ERROR, code=code, problem=problem)
        print(f"evidence_store: {problem} [{code}]", file=sys.stderr)  # noqa: T201 - one line for people
        return DatabaseDamagedError.exit_code
    except EvidockError as error:
        logs.event(_LOG, "store.failed", level=logging.ERROR, code=error.code, problem=str(error))
        print(f"evidence_store: {error} [{error.code}]", file=sys.stderr)  # noqa: T201 - one line for people
        return error.exit_code
    return 0


def _signers(paths: HomePaths, trust: Trust) -> tuple[Signer, Signer]:
    """Return the hands of log and centre, if roots signed the document that names their keys."""
    check_home_roots(paths, trust)
    take_over_log_key(paths, trust)
    log, centre = read_signing_key(log_key_path(paths)), read_signing_key(centre_key_path(paths))
    if (log.public_key, centre.public_key) != (trust.log_key, trust.centre.key):
        raise KeysDifferError(f"{paths.keys}: log.key or centre.key is not the one of {paths.trust}; restore both")
    return log, centre


def run_store(paths: HomePaths, config: HomeConfig, clock: Clock, stop: threading.Event) -> None:
    """Run the store of a home until `stop`.

    Raises:
        EvidockError: it cannot start, or the log contradicts itself.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(store_lock(paths))
        notifier = Notifier(dict(os.environ))
        trust = read_trust(paths.trust)
        log_signer, signer = _signers(paths, trust)
        vault = Vault(paths.vault, reserve_bytes=config.centre.vault_reserve_bytes, clock=clock)
        vault.make_folders()
        uploads = Uploads(vault, clock)
        uploads.open()
        centre_db = stack.enter_context(contextlib.closing(open_centre_db(paths)))
        journal = SignedJournal(centre_db, signer=signer, source=trust.centre.id, clock=clock)
        folder = LogFolder(paths.log)
        ledger = Ledger(folder, log_signer, trust.log_before)
        ledger.open(given_out=journal.remembered(), awaits_witnesses=trust.witnesses.needs_witnesses)
        reader = LogReader(folder)
        catalogue_db = open_catalogue_of_log(
            paths, reader=reader, size=ledger.size, vault=vault, centre=trust.centre.id
        )
        catalogue = Catalogue(stack.enter_context(contextlib.closing(catalogue_db)), centre=trust.centre.id)
        book = CentreBook(centre_db, clock)
        executor = stack.enter_context(ThreadPoolExecutor(_EXAMINERS, thread_name_prefix="examine"))
        parts = SequencerParts(
            ledger=ledger,
            reader=reader,
            catalogue=catalogue,
            book=book,
            journal=journal,
            vault=vault,
            signer=signer,
            executor=executor,
            mono=clock.mono,
        )
        sequencer = Sequencer(parts, trust)
        sequencer.open()
        inbox = Inbox()
        account = centre_account(paths)
        link = MqttLink(
            address=lambda: broker_address(paths, config.broker),
            account=account,
            client_id=client_id(account, trust.site),
            subscriptions=tuple(every_station(trust.site, each) for each in (Channel.EVENTS, Channel.COSIGNATURES)),
            on_message=inbox.message,
            on_state=lambda state: service.greet() if state is LinkState.UP else None,
        )
        outside = OutsideWitnesses(on_answer=inbox.put)
        stack.callback(outside.stop)
        service = StoreService(
            sequencer=sequencer,
            ledger=ledger,
            catalogue=catalogue,
            book=book,
            vault=vault,
            uploads=uploads,
            inbox=inbox,
            outlet=Outlet(link, trust.site, ask_outside=outside.ask),
            clock=clock,
            notifier=notifier,
            reload_trust=TrustReloader(paths, sequencer, book).look,
        )
        keeper = Housekeeper(
            paths,
            ledger=ledger,
            uploads=uploads,
            clock=clock,
            centre=trust.centre.id,
            applied_size=lambda: sequencer.applied_size,
            seal_every=timedelta(hours=config.centre.seal_every_hours),
            on_reconciled=inbox.put,
            on_sealed=inbox.put,
            on_finding=inbox.put,
        )
        tokens = TokenBook(paths, clock, stations=lambda: [each.id for each in sequencer.trusted.stations])
        app = UploadApp(uploads, vault, station_of=tokens.station_of, on_finished=service.worker.wake)
        server = HttpServer(
            [*app.routes(UPLOADS), *log_routes(folder), health_route(service.report)],
            host=config.centre.listen_host,
            port=config.centre.listen_port,
        )
        server.start()
        stack.callback(server.stop)
        keeper.start()
        stack.callback(keeper.stop)
        stack.enter_context(
            FixityWorker(
                paths,
                vault,
                config.centre,
                site=trust.site,
                centre=trust.centre.id,
                clock=clock,
                is_waiting=lambda: service.worker.is_busy or not inbox.is_empty,
                on_report=inbox.put,
            )
        )
        stack.callback(_start_time_desk(config, folder, sequencer, clock, inbox).stop)
        link.start()
        stack.callback(link.stop)
        _say_ready(paths, server.url, log_size=ledger.size)
        notifier.ready()
        service.run(stop)
        notifier.stopping()
    logs.event(_LOG, "store.stopped")


def _say_ready(paths: HomePaths, url: str, *, log_size: int) -> None:
    durable.write_file(paths.run / "store.json", json.dumps({"pid": os.getpid(), "url": url}).encode())
    logs.event(_LOG, "store.ready", url=url, log_size=log_size)


def _start_time_desk(
    config: HomeConfig, folder: LogFolder, sequencer: Sequencer, clock: Clock, inbox: Inbox
) -> TimeDesk:
    settings = TimeSettings(
        authorities=config.centre.time_authorities,
        every=timedelta(minutes=config.centre.stamp_minutes),
        renew_within=timedelta(days=config.centre.renew_stamps_days),
    )
    desk = TimeDesk(
        settings, folder, trust=lambda: sequencer.trusted, clock=clock, on_stamped=inbox.put, on_finding=inbox.put
    )
    desk.start()
    return desk
