"""Real MQTT brokers for tests, each in a folder of its own on free loopback ports: nats-server and mosquitto."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest

from evidence_model.ids import SourceId
from host_io.broker import Broker
from host_io.broker_access import Account, BrokerAddress, centre_account, centre_user, station_account, station_user
from host_io.broker_config import permissions
from host_io.config import HomePaths

SITE = SourceId("site-1")
STATION = SourceId("station-1")
OTHER_STATION = SourceId("station-2")


class BrokerUnderTest(Protocol):
    """What the contract suite needs of a broker."""

    says_no_to_publishers: bool

    def address(self) -> BrokerAddress: ...
    def centre(self) -> Account: ...
    def station(self, station: SourceId = STATION) -> Account: ...
    def start(self) -> None: ...
    def send(self, number: signal.Signals) -> None: ...
    def stop(self) -> None: ...


class NatsBroker:
    """The embedded broker, as the product starts it."""

    says_no_to_publishers = False  # MQTT 3.1.1 has no word for it

    def __init__(self, folder: Path) -> None:
        self.paths = HomePaths(folder)
        self.broker = Broker(self.paths, site=SITE, stations=(STATION, OTHER_STATION))

    def address(self) -> BrokerAddress:
        return self.broker.address

    def centre(self) -> Account:
        return centre_account(self.paths)

    def station(self, station: SourceId = STATION) -> Account:
        return station_account(self.paths, station)

    def start(self) -> None:
        self.broker.start()

    def send(self, number: signal.Signals) -> None:
        assert self.broker.pid is not None
        os.kill(self.broker.pid, number)
        if number is signal.SIGKILL:
            wait_for(lambda: self.broker.poll() is not None)

    def stop(self) -> None:
        self.broker.stop()


class MosquittoBroker:
    """mosquitto with users, topic permissions and persistence, as a customer might run it."""

    def __init__(self, folder: Path, *, mqtt5: bool) -> None:
        self.says_no_to_publishers = mqtt5
        self._mqtt5 = mqtt5
        self._folder = folder
        self._port = free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self._passwords = {user: f"secret-of-{user}" for user in _users()}

    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self._port, mqtt5=self._mqtt5)

    def centre(self) -> Account:
        return Account(centre_user(), self._passwords[centre_user()])

    def station(self, station: SourceId = STATION) -> Account:
        return Account(station_user(station), self._passwords[station_user(station)])

    def start(self) -> None:
        config = self._write_config()
        with (self._folder / "mosquitto.log").open("ab") as log:
            self._child = subprocess.Popen(
                [_mosquitto(), "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        wait_for(self._listens)

    def send(self, number: signal.Signals) -> None:
        assert self._child is not None
        self._child.send_signal(number)
        if number is signal.SIGKILL:
            self._child.wait()

    def stop(self) -> None:
        if self._child is not None:
            self._child.send_signal(signal.SIGCONT)
            self._child.terminate()
            self._child.wait(10)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1):
            return True
        return False

    def _write_config(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "db").mkdir(exist_ok=True)
        passwords = self._folder / "passwords"
        passwords.write_text("".join(f"{user}:{password}\n" for user, password in self._passwords.items()))
        subprocess.run([shutil.which("mosquitto_passwd") or "mosquitto_passwd", "-U", str(passwords)], check=True)
        acl = self._folder / "acl"
        acl.write_text(_acl())
        config = self._folder / "mosquitto.conf"
        config.write_text(
            f"listener {self._port} 127.0.0.1\n"
            f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"
            "allow_anonymous false\n"
            f"password_file {passwords}\n"
            f"acl_file {acl}\n"
            "persistence true\n"
            f"persistence_location {self._folder}/db/\n"
            "autosave_interval 1\n"
            "max_queued_messages 1000000\n"  # 0 (no limit) makes 2.0.11 hang up on whoever publishes where it may not
            "max_inflight_messages 0\n"
        )
        return config


def _users() -> list[str]:
    return list(permissions(SITE, (STATION, OTHER_STATION)))


def _acl() -> str:
    lines = []
    for user, allowed in permissions(SITE, (STATION, OTHER_STATION)).items():
        lines.append(f"user {user}")
        lines += [f"topic write {_topic(subject)}" for subject in allowed["publish"]]
        lines += [f"topic read {_topic(subject)}" for subject in allowed["subscribe"]]
        lines.append("")
    return "\n".join(lines)


def _topic(subject: str) -> str:
    return subject.replace(".", "/").replace("*", "+")


def _mosquitto() -> str:
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip("mosquitto is not installed")
    return found


BROKERS: dict[str, Callable[[Path], BrokerUnderTest]] = {
    "nats-3.1.1": NatsBroker,
    "mosquitto-3.1.1": lambda folder: MosquittoBroker(folder, mqtt5=False),
    "mosquitto-5": lambda folder: MosquittoBroker(folder, mqtt5=True),
}


@contextlib.contextmanager
def running(broker: BrokerUnderTest) -> Iterator[BrokerUnderTest]:
    """Start a broker and end it after the block, whatever happened to it in between."""
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], *, seconds: float = 20.0, what: str = "") -> None:
    """Wait until `condition` is true; the test fails if it is not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what or f"not in {seconds} s: {condition}"
        time.sleep(0.01)
