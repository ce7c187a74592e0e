"""One connection to an MQTT broker, from CONNECT to its end; `mqtt.MqttLink` makes the next one.

Each has a paho client of its own, thrown away with it, so that no half-sent state survives a broken connection.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from evidence_model.errors import EvidockError, RefusedError, UnavailableError
from host_io.broker_access import Account, BrokerAddress

MessageHandler = Callable[[str, bytes], None]

_CONNECT_SECONDS = 10.0
_SETTLE_SECONDS = 20.0  # for CONNACK and SUBACK; a TLS broker that wants a certificate just goes silent
_KEEP_ALIVE_SECONDS = 30
_SESSION_SECONDS = 0xFFFFFFFF  # MQTT 5: the session never expires, as in 3.1.1


class LinkDownError(UnavailableError):
    """The link is down, or went down before the broker acknowledged; whether the message arrived is unknown."""

    code = "HOST-031"


class LinkBusyError(UnavailableError):
    """More messages wait for the broker's acknowledgement than were agreed; try again when some have it."""

    code = "HOST-034"


class PublishRefusedError(RefusedError):
    """The broker says (MQTT 5 only) that this user may not publish there."""

    code = "HOST-035"


class NotLetInError(UnavailableError):
    """The broker answered the connection with a refusal."""

    code = "HOST-036"


class MqttConnection:
    """One TCP connection to the broker, from CONNECT to its end."""

    def __init__(
        self,
        *,
        address: BrokerAddress,
        account: Account,
        client_id: str,
        subscriptions: tuple[str, ...],
        on_message: MessageHandler,
        presence_topic: str | None,
        in_flight: int,
    ) -> None:
        self._address = address
        self._subscriptions = subscriptions
        self._handle = on_message
        self._presence_topic = presence_topic
        self._in_flight = in_flight
        self._lock = threading.Lock()  # never held while paho is called: paho holds its own while it calls us
        self._pending: dict[int, Future[None]] = {}
        self._early: dict[int, ReasonCode] = {}
        self._is_closed = False
        self._settled = threading.Event()
        self._closed = threading.Event()
        self._refusal = ""
        self.is_accepted = False
        """The broker has let us in, so that messages may be published."""
        self.denied = ""
        self.why_closed = ""
        self._client = self._make_client(account, client_id)

    @property
    def room(self) -> int:
        """Return how many more messages may wait for an acknowledgement."""
        return max(0, self._in_flight - len(self._pending))

    def open(self) -> None:
        """Connect and subscribe."""
        # clean_start is paho's word for MQTT 5, clean_session for 3.1.1; both mean: keep our queue while we are away.
        properties = Properties(PacketTypes.CONNECT) if self._address.mqtt5 else None  # type: ignore[no-untyped-call]
        if properties is not None:
            properties.SessionExpiryInterval = _SESSION_SECONDS
            self._client.connect(
                self._address.host,
                self._address.port,
                keepalive=_KEEP_ALIVE_SECONDS,
                clean_start=False,
                properties=properties,
            )
        else:
            self._client.connect(self._address.host, self._address.port, keepalive=_KEEP_ALIVE_SECONDS)
        self._client.loop_start()
        in_time = self._settled.wait(_SETTLE_SECONDS)
        if self._refusal:
            raise NotLetInError(f"{self._where}: {self._refusal}")
        if not in_time or self._closed.is_set():
            raise LinkDownError(f"{self._where}: {self.why_closed or 'no answer to CONNECT'}")

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> "Future[None]":
        """Send with QoS 1; see MqttLink.publish."""
        if self.room == 0:
            return failed(LinkBusyError(f"{self._in_flight} messages wait for the broker's acknowledgement"))
        future: Future[None] = Future()
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return failed(LinkDownError(f"{self._where}: the connection is gone"))
        with self._lock:
            if info.mid not in self._early and not self._is_closed:
                self._pending[info.mid] = future
                return future
            reason = self._early.pop(info.mid, None)
        if reason is None:
            return failed(LinkDownError(f"{self._where}: the connection broke"))
        _settle(future, reason)
        return future

    def say_goodbye(self) -> None:
        """Say `offline` ourselves (a clean disconnect sends no last will) and disconnect."""
        if self._presence_topic is not None:
            self.publish(self._presence_topic, b"offline", retain=True)
        self._client.disconnect()

    def wait_closed(self, steady_seconds: float) -> bool:
        """Wait for the end; True if it came only after `steady_seconds`."""
        steady = not self._closed.wait(steady_seconds)
        self._closed.wait()
        return steady

    def abort(self) -> None:
        """Cut the connection without a word, as a network does."""
        channel = self._client.socket()
        if channel is not None:
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # paho's protocol type leaves it out

    def discard(self) -> None:
        """End the threads of this connection, and tell every waiting sender that the outcome is unknown."""
        self.abort()
        self._client.loop_stop()
        self._close("the connection was ended")

    @property
    def _where(self) -> str:
        return f"{self._address.host}:{self._address.port}"

    def _make_client(self, account: Account, client_id: str) -> Client:
        five = self._address.mqtt5
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if five else False,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_SECONDS
        client.username_pw_set(account.user, account.password)
        client.max_inflight_messages_set(self._in_flight)
        client.max_queued_messages_set(0)
        if (tls := self._address.tls) is not None:
            client.tls_set(
                str(tls.ca), str(tls.certificate) if tls.certificate else None, str(tls.key) if tls.key else None
            )
        if self._presence_topic is not None:
            client.will_set(self._presence_topic, b"offline", qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        return client

    # Called by paho on its network thread. None of them raises: `handle` is MqttLink._deliver, futures swallow what
    # their callbacks raise.

    def _on_connect(
        self, client: Client, _data: object, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._refusal = f"the broker refuses the connection: {reason}"
            self._settled.set()
            return
        self.is_accepted = True
        if self._presence_topic is not None:
            self.publish(self._presence_topic, b"online", retain=True)
        if self._subscriptions:
            client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._settled.set()

    def _on_subscribe(
        self,
        _client: Client,
        _data: object,
        _mid: int,
        reasons: Sequence[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        denied = [topic for topic, reason in zip(self._subscriptions, reasons, strict=False) if reason.is_failure]
        if denied:
            self.denied = f"{self._where}: the broker does not let us subscribe to {', '.join(denied)}"
        self._settled.set()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._handle(message.topic, bytes(message.payload))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            future = self._pending.pop(mid, None)
            if future is None:  # `publish` has not come back from paho yet
                self._early[mid] = reason
        if future is not None:
            _settle(future, reason)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._close(str(reason))

    def _close(self, why: str) -> None:
        with self._lock:
            self.why_closed = self.why_closed or f"{self._where}: {why}"
            self._is_closed = True
            self.is_accepted = False
            left, self._pending = list(self._pending.values()), {}
        self._closed.set()
        self._settled.set()
        for future in left:
            future.set_exception(LinkDownError(f"{self.why_closed}; whether the message arrived is unknown"))


def _settle(future: "Future[None]", reason: ReasonCode) -> None:
    if reason.is_failure:
        future.set_exception(PublishRefusedError(f"the broker refuses the message: {reason}"))
    else:
        future.set_result(None)


def failed(error: EvidockError) -> "Future[None]":
    """Return a future that has failed."""
    future: Future[None] = Future()
    future.set_exception(error)
    return future
