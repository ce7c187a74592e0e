"""What `Broker` promises of the embedded nats-server: private, alone, back on its port, and never an orphan."""

import contextlib
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence_model.ids import SourceId
from evidence_model.topics import Channel, station_topic
from host_io import broker as broker_module
from host_io.broker import Broker, BrokerFailedError, BrokerMissingError, find_nats_server
from host_io.broker_access import (
    Account,
    BrokerAddress,
    BrokerUnreachableError,
    broker_address,
    centre_account,
    client_id,
    station_account,
)
from host_io.broker_config import permissions
from host_io.config import BrokerConfig, BrokerKind, HomePaths
from host_io.mqtt import LinkState, MqttLink
from tests.brokers import OTHER_STATION, SITE, STATION, free_port, wait_for


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(tmp_path / "home")


@pytest.fixture
def broker(paths: HomePaths) -> Iterator[Broker]:
    with Broker(paths, site=SITE, stations=(STATION, OTHER_STATION)) as started:
        yield started


def test_it_says_where_it_listens_and_its_address_is_found_there(paths: HomePaths, broker: Broker) -> None:
    assert broker_address(paths, BrokerConfig()) == broker.address


def test_before_it_runs_its_address_is_unknown_and_not_guessed(paths: HomePaths) -> None:
    with pytest.raises(BrokerUnreachableError):
        broker_address(paths, BrokerConfig())


def test_an_external_broker_is_taken_from_the_configuration(paths: HomePaths) -> None:
    config = BrokerConfig(kind=BrokerKind.EXTERNAL, host="mq.example", tls_ca="ca.pem", mqtt5=True)
    address = broker_address(paths, config)
    assert (address.host, address.port, address.mqtt5) == ("mq.example", 8883, True)
    assert address.tls is not None
    assert address.tls.ca == paths.root / "ca.pem"


def test_no_password_stands_in_a_command_line_or_in_a_file_others_can_read(paths: HomePaths, broker: Broker) -> None:
    secret = centre_account(paths).password
    assert secret not in Path(f"/proc/{broker.pid}/cmdline").read_text()
    assert secret not in Path(f"/proc/{broker.pid}/environ").read_text()
    assert secret in (paths.run / "nats-server.conf").read_text()
    assert stat.S_IMODE((paths.run / "nats-server.conf").stat().st_mode) == 0o600
    assert secret not in repr(centre_account(paths))


def test_it_listens_on_loopback_only(broker: Broker) -> None:
    listening = set()
    inodes = {str(fd.readlink()) for fd in Path(f"/proc/{broker.pid}/fd").iterdir() if fd.is_symlink()}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{broker.pid}/net/{table}").read_text().splitlines()[1:]:
            parts = line.split()
            if parts[3] == "0A" and f"socket:[{parts[9]}]" in inodes:
                listening.add(parts[1].split(":")[0])
    assert listening == {"0100007F"}


def test_it_comes_back_on_the_same_port_with_what_it_had(paths: HomePaths) -> None:
    with Broker(paths, site=SITE, stations=(STATION,)) as broker:
        first = broker.address
    with Broker(paths, site=SITE, stations=(STATION,)) as broker:
        assert broker.address == first


def test_it_takes_another_port_when_somebody_took_its_own(paths: HomePaths) -> None:
    with Broker(paths, site=SITE, stations=(STATION,)) as broker:
        port = broker.address.port
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        with Broker(paths, site=SITE, stations=(STATION,)) as broker:
            assert broker.address.port != port


def test_a_port_of_its_own_is_kept_to(paths: HomePaths) -> None:
    port = free_port()
    with Broker(paths, site=SITE, stations=(STATION,), port=port) as broker:
        assert broker.address.port == port
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        taken = Broker(paths, site=SITE, stations=(STATION,), port=port)
        with pytest.raises(BrokerFailedError, match="address already in use"):
            taken.start()
    assert taken.pid is None


def test_poll_tells_when_it_has_ended_and_start_brings_it_back(broker: Broker) -> None:
    assert broker.poll() is None
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    wait_for(lambda: broker.poll() == -signal.SIGKILL)
    broker.start()
    assert broker.poll() is None


@contextlib.contextmanager
def parent_of_a_broker(paths: HomePaths) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    """Run another program that has started a broker; the block gets it and the broker's pid."""
    program = (
        "import sys, time; from pathlib import Path; from host_io.broker import Broker;"
        "from host_io.config import HomePaths\n"
        "broker = Broker(HomePaths(Path(sys.argv[1])), site='site-1', stations=['station-1']); broker.start()\n"
        "print(broker.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(paths.root)], cwd=root, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        try:
            yield parent, int(parent.stdout.readline())
        finally:
            parent.kill()


def test_it_ends_when_its_parent_is_killed(paths: HomePaths) -> None:
    with parent_of_a_broker(paths) as (parent, pid):
        parent.kill()
        wait_for(lambda: not Path(f"/proc/{pid}/exe").exists(), what="the orphan to end")


def test_a_new_one_ends_the_one_that_a_killed_parent_left_behind(paths: HomePaths) -> None:
    with parent_of_a_broker(paths) as (parent, pid):
        os.kill(pid, signal.SIGSTOP)  # so slow to end that the next one meets it
        parent.kill()
        parent.wait()
        os.kill(pid, signal.SIGCONT)
        with Broker(paths, site=SITE, stations=(STATION,)) as broker:
            assert broker.pid != pid
            assert not Path(f"/proc/{pid}/exe").exists()


def test_a_store_that_it_cannot_use_is_set_aside_and_it_runs_all_the_same(paths: HomePaths) -> None:
    paths.broker.mkdir(parents=True)
    (paths.broker / "jetstream").write_text("no folder")
    with Broker(paths, site=SITE, stations=(STATION,)) as broker:
        assert broker.poll() is None
    assert (paths.root / "broker.set-aside" / "jetstream").read_text() == "no folder"


def test_what_cannot_start_is_an_error_with_its_last_words(paths: HomePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "find_nats_server", lambda: Path("/bin/false"))
    with pytest.raises(BrokerFailedError, match="does not start"):
        Broker(paths, site=SITE, stations=(STATION,)).start()


def test_a_machine_without_nats_server_gets_one_line_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert os.access(find_nats_server(), os.X_OK)
    monkeypatch.setattr("importlib.metadata.files", lambda _name: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(BrokerMissingError, match="setup"):
        find_nats_server()


def test_nobody_gets_in_without_a_password(broker: Broker) -> None:
    link = MqttLink(address=lambda: broker.address, account=Account("", ""), client_id="x")
    with link:
        assert link.wait_state(LinkState.REFUSED, 20)


def test_each_user_may_do_what_its_role_needs_and_no_more(paths: HomePaths, broker: Broker) -> None:
    users = permissions(SITE, (STATION, OTHER_STATION))
    assert set(users) == {"centre", "station-station-1", "station-station-2"}
    for allowed in users.values():
        assert all(subject.startswith("evidock.v1.site-1.") for each in allowed.values() for subject in each)
    ours = users["station-station-1"]
    assert all("station-2" not in subject and "*" not in subject for each in ours.values() for subject in each)
    link = MqttLink(
        address=lambda: broker.address,
        account=station_account(paths, STATION),
        client_id="x",
        subscriptions=[station_topic(SITE, OTHER_STATION, Channel.RECEIPTS)],
    )
    with link:
        assert link.wait_connected(20)
        assert "does not let us subscribe" in link.problem


def test_nobody_takes_over_a_session_whose_password_it_does_not_know(
    paths: HomePaths, broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    account = station_account(paths, STATION)
    name = client_id(account, SITE)
    assert name == client_id(station_account(paths, STATION), SITE)  # the broker keeps what came while we were away
    guesses = [
        client_id(Account(account.user, ""), SITE),
        client_id(Account(account.user, station_account(paths, OTHER_STATION).password), SITE),
        client_id(account, SourceId("site-2")),
        f"evidock-{SITE}-{account.user}",
    ]
    states: list[LinkState] = []
    with MqttLink(address=lambda: broker.address, account=account, client_id=name, on_state=states.append) as link:
        assert link.wait_connected(20)
        for guess in guesses:
            other = MqttLink(
                address=lambda: broker.address, account=station_account(paths, OTHER_STATION), client_id=guess
            )
            with other:
                assert other.wait_connected(20)
                link.publish(station_topic(SITE, STATION, Channel.EVENTS), b"still here").result(20)
        assert states == [LinkState.UP]
    assert caplog.records
    assert not [record for record in caplog.records if name in str(vars(record))]


def test_the_address_needs_a_started_broker(paths: HomePaths) -> None:
    with pytest.raises(BrokerFailedError):
        _ = Broker(paths, site=SITE, stations=()).address
    assert BrokerAddress("127.0.0.1", 1).tls is None
