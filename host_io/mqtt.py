"""A link to an MQTT broker that keeps itself up: MQTT 3.1.1 (or 5), QoS 1 both ways, persistent session.

What may be relied on, whichever broker it is (tests/contract/test_mqtt_link.py runs over nats-server and mosquitto):
a message is delivered at least once or its sender learns nothing; the same message may come several times; order is
usual and never promised; an acknowledgement of the broker is a hint, never a receipt, because brokers lose what they
acknowledged and acknowledge what they drop (research: 794 of 794 lost by one after `kill -9`). Whoever needs more keeps
an outbox and waits for an answer from the other end. So nothing is queued here while the broker is away.

Each connection is a paho client of its own that is thrown away when it breaks: no half-sent state survives it.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from enum import Enum
from typing import Self

from evidence_model.errors import EvidockError, UnavailableError
from host_io.broker_access import Account, BrokerAddress
from host_io.logs import event
from host_io.mqtt_connection import (
    LinkBusyError,
    LinkDownError,
    MessageHandler,
    MqttConnection,
    NotLetInError,
    PublishRefusedError,
    failed,
)

__all__ = ["LinkBusyError", "LinkDownError", "LinkState", "MessageHandler", "MqttLink", "PublishRefusedError"]

_LOG = logging.getLogger(__name__)

_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 30.0
_REFUSED_WAIT_SECONDS = 5.0
_STEADY_SECONDS = 10.0


class LinkState(Enum):
    """How the link is now."""

    DOWN = "down"  # not connected; it tries again by itself
    UP = "up"  # connected, and every subscription answered
    REFUSED = "refused"  # the broker does not let us in; it tries again, slowly, and people must act
    STOPPED = "stopped"


class MqttLink:
    """One user's link: start, publish, get messages, stop. All methods may be called from any thread.

    `on_message` gets topic and payload on the network thread and should put them into a queue; our acknowledgement
    goes out after it returned, so a handler that blocks holds the broker back (not longer than the keep-alive, 30 s).
    If it raises, that is logged and counted, and the message counts as delivered.
    """

    def __init__(
        self,
        *,
        address: Callable[[], BrokerAddress],
        account: Account,
        client_id: str,
        subscriptions: Sequence[str] = (),
        on_message: MessageHandler | None = None,
        on_state: Callable[[LinkState], None] | None = None,
        presence_topic: str | None = None,
        in_flight: int = 1000,
    ) -> None:
        self._address = address
        self._account = account
        self._client_id = client_id
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_state = on_state
        self._presence_topic = presence_topic
        self._in_flight = in_flight
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._state = LinkState.DOWN
        self._problem = ""
        self._connection: MqttConnection | None = None
        self.handler_failures = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def state(self) -> LinkState:
        """Return how the link is."""
        return self._state

    @property
    def connected(self) -> bool:
        """Say whether messages can go both ways now."""
        return self._state is LinkState.UP

    @property
    def problem(self) -> str:
        """Return why the link is not up, or which subscription was denied; empty if all is well."""
        return self._problem

    @property
    def room(self) -> int:
        """Return how many messages may be published now without waiting for acknowledgements; 0 while down."""
        connection = self._connection
        return connection.room if connection is not None and connection.is_accepted else 0

    def start(self) -> None:
        """Begin to connect, and go on reconnecting until `stop`; returns at once."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._keep_up, name="mqtt-link", daemon=True)
            self._thread.start()

    def stop(self, *, timeout_seconds: float = 5.0) -> None:
        """Say `offline`, disconnect and end the threads; may be called twice."""
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            connection.say_goodbye()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
            if self._thread.is_alive() and connection is not None:  # the other end takes no bytes, not even a goodbye
                connection.abort()
                self._thread.join(1.0)
        self._turn(LinkState.STOPPED, "")

    def publish(self, topic: str, payload: bytes) -> "Future[None]":
        """Send a message with QoS 1; never blocks. The future is done when the broker acknowledged, a hint only.

        It holds LinkDownError, LinkBusyError or PublishRefusedError otherwise; nothing is kept and sent later. Its
        callbacks may run on the network thread and must neither block nor publish.
        """
        connection = self._connection
        if connection is None or not connection.is_accepted:
            return failed(LinkDownError(self._problem or "the link to the broker is down"))
        return connection.publish(topic, payload)

    def wait_connected(self, timeout_seconds: float) -> bool:
        """Wait until the link is up; False if it is not in time."""
        return self.wait_state(LinkState.UP, timeout_seconds)

    def wait_state(self, state: LinkState, timeout_seconds: float) -> bool:
        """Wait until the link is in `state`; False if it is not in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._state is state, timeout_seconds)

    def _keep_up(self) -> None:
        wait_seconds = _FIRST_WAIT_SECONDS
        while not self._stopping.is_set():
            steady = self._connect_once()
            wait_seconds = _FIRST_WAIT_SECONDS if steady else min(wait_seconds * 2, _LONGEST_WAIT_SECONDS)
            least = _REFUSED_WAIT_SECONDS if self._state is LinkState.REFUSED else 0.0
            # Jitter: after a broker's restart a hundred stations do not come back in the same moment.
            self._stopping.wait(max(wait_seconds, least) * secrets.SystemRandom().uniform(0.5, 1.0))

    def _connect_once(self) -> bool:
        """Live through one connection; True if it held for a while."""
        try:
            connection = MqttConnection(
                address=self._address(),
                account=self._account,
                client_id=self._client_id,
                subscriptions=self._subscriptions,
                on_message=self._deliver,
                presence_topic=self._presence_topic,
                in_flight=self._in_flight,
            )
        except (EvidockError, OSError, ValueError) as error:  # no address yet, no such certificate file
            self._turn(LinkState.DOWN, str(error))
            return False
        try:
            self._connection = connection  # what waited for us comes before the link counts as up, and may be answered
            connection.open()
            self._turn(LinkState.UP, connection.denied)
            if self._stopping.is_set():  # `stop` came before it could see this connection
                connection.say_goodbye()
            return connection.wait_closed(_STEADY_SECONDS)
        except NotLetInError as error:
            self._turn(LinkState.REFUSED, str(error))
            return False
        except (UnavailableError, OSError, ValueError) as error:
            self._turn(LinkState.DOWN, str(error))
            return False
        finally:
            self._connection = None
            if self._state is LinkState.UP:
                self._turn(LinkState.DOWN, connection.why_closed)
            connection.discard()

    def _turn(self, state: LinkState, problem: str) -> None:
        with self._changed:
            news = state is not self._state
            if self._state is LinkState.STOPPED:
                return
            self._state, self._problem = state, problem
            self._changed.notify_all()
        if not news:
            return
        event(_LOG, f"mqtt.{state.value}", user=self._account.user, problem=problem)
        if self._on_state is not None:
            try:
                self._on_state(state)
            except Exception:  # noqa: BLE001 - whatever our user raises, the link goes on
                self.handler_failures += 1
                _LOG.exception("mqtt.state_handler_failed")

    def _deliver(self, topic: str, payload: bytes) -> None:
        if self._on_message is None:
            return
        try:
            self._on_message(topic, payload)
        except Exception:  # noqa: BLE001 - reaching paho, it would end its thread and deafen us
            self.handler_failures += 1
            _LOG.exception("mqtt.handler_failed", extra={"fields": {"topic": topic, "size_bytes": len(payload)}})
