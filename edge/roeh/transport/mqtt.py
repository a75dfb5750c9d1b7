"""MQTT 5 to and from a broker: the product's only user of paho-mqtt.

One `MqttConnection` is one connection, from dialling to its end. It never connects
again and never queues: whoever needs both owns them (a fresh connection starts with
an empty paho). What the broker says is handed over, on paho's thread, to a callback
that must not block.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from roeh.core.errors import BrokerRefused
from roeh.transport.dialling import explain_failed_dial
from roeh.transport.messages import Incoming, Outgoing
from roeh.transport.tls import (
    TlsFiles,
    certificate_ends_us,
    peer_certificate_ends_us,
    tls_context,
)
from roeh.transport.topics import JSON
from roeh.transport.view_messages import ViewMessage

FIRST_FAILURE = 0x80
NO_MATCHING_SUBSCRIBERS = 0x10
PACKET_TOO_LARGE = 0x95
_UTF8_PAYLOAD = 1
#: Fixed header, topic length, packet id, and the properties' own framing, rounded up.
_PUBLISH_OVERHEAD_BYTES = 64
_POLITE_END_S = 2.0

_REMEDIES: dict[int, str] = {
    0x84: "use a broker that speaks MQTT 5",
    0x85: "give this client another name",
    0x86: "check broker.username and broker.password_file",
    0x87: "check broker.username and broker.password_file, and the broker's access list",
    0x88: "wait until the broker is up again",
    0x89: "wait until the broker is less busy",
    0x8A: "ask the broker's operator why this client is banned",
    0x97: "raise the broker's quota for this client",
    0x9C: "set broker.host to the server that the operator names",
    0x9D: "set broker.host to the server that the operator names",
    0x9F: "connect less often, or raise the broker's connection rate",
}


class BrokerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which broker, and as whom.

    Attributes:
        tls: None: no TLS.
        session_expiry_s: how long the broker keeps the session of a lost connection.
        clean_start: forget the session before.
        receive_maximum: how many unacknowledged messages the broker may send.
        max_incoming_bytes: the largest packet that the broker may send; None: any.
        manual_acknowledgement: the broker is answered when the reader says so, by
            `acknowledge`, and not when a message was handed over.
    """

    host: str
    port: int
    client_id: str
    tls: TlsFiles | None = None
    username: str = ""
    password: str = ""
    keepalive_s: int = 30
    session_expiry_s: int = 0
    clean_start: bool = True
    receive_maximum: int = 20
    manual_acknowledgement: bool = False
    max_incoming_bytes: int | None = None
    connect_timeout_s: float = 5.0

    @property
    def address(self) -> str:
        """host:port, for a person."""
        return f"{self.host}:{self.port}"


class Will(msgspec.Struct, frozen=True):
    """What the broker says in our place, `delay_s` after the connection was lost."""

    message: Outgoing
    delay_s: int


class Session(msgspec.Struct, frozen=True):
    """What the broker granted; `max_packet_bytes` None: no limit stated.

    Ends of the certificates of both sides are microseconds of UTC; None without one.
    """

    present: bool
    receive_maximum: int
    max_packet_bytes: int | None
    broker_certificate_ends_us: int | None = None
    own_certificate_ends_us: int | None = None


class Opened(msgspec.Struct, frozen=True):
    """The broker took the client in."""

    session: Session


class NotOpened(msgspec.Struct, frozen=True):
    """The broker did not take the client in; the connection is over."""

    error: BrokerRefused


class Acknowledged(msgspec.Struct, frozen=True):
    """The broker answered a message; reason codes from 0x80 on are refusals."""

    packet_id: int
    reason_code: int


class Disconnected(msgspec.Struct, frozen=True):
    """The connection ended, and why."""

    reason: str


BrokerEvent = Opened | NotOpened | Acknowledged | Incoming | Disconnected


def packet_bytes(message: Outgoing) -> int:
    """The most that this message takes on the wire (MQTT 5.0, section 3.3)."""
    strings = [str(message.topic), message.content_type]
    strings += [text for pair in message.user_properties for text in pair]
    # Each string has a 2-byte length, each property a 1-byte identifier.
    text_bytes = sum(len(text.encode()) + 3 for text in strings)
    return _PUBLISH_OVERHEAD_BYTES + text_bytes + len(message.payload)


class MqttConnection:
    """One connection to a broker."""

    def __init__(
        self,
        options: BrokerOptions,
        hand_over: Callable[[BrokerEvent], None],
        will: Will | None = None,
    ) -> None:
        self._options = options
        self._hand_over = hand_over
        self._opening: queue.SimpleQueue[Session | ReasonCode | str] = queue.SimpleQueue()
        self._own_ends_us: int | None = None
        self._opened = False
        self._abandoned = False
        self._ended = threading.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=options.client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
            manual_ack=options.manual_acknowledgement,
        )
        self._client.connect_timeout = options.connect_timeout_s
        # The window is the caller's: paho must never hold a message back.
        self._client.max_inflight_messages = 0
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._client.on_message = self._on_message
        if options.username:
            self._client.username_pw_set(options.username, options.password)
        if options.tls is not None:
            self._client.tls_set_context(tls_context(options.tls))
            # Of the file as it is used here; it may be replaced meanwhile.
            self._own_ends_us = certificate_ends_us(options.tls)
        if will is not None:
            self._set_will(will)

    def open(self) -> Session:
        """Dial and wait until the broker has taken the client in.

        Raises:
            BrokerRefused: naming the broker, the reason and what to do.
        """
        try:
            self._dial()
        except (OSError, ValueError) as error:
            raise self._unreachable(error) from None
        self._check_wanted()
        self._client.loop_start()
        try:
            answer = self._opening.get(timeout=self._options.connect_timeout_s)
        except queue.Empty:
            answer = "no answer to the MQTT greeting"
        # Given up while the loop was started: nobody else would end it.
        self._check_wanted()
        if isinstance(answer, Session):
            return answer
        self._end()
        raise self._refused(answer)

    def open_soon(self) -> None:
        """Dial on a thread of its own; `Opened` or `NotOpened` is handed over.

        A name service may take longer to say no than anybody wants to wait.
        """
        threading.Thread(target=self._open_and_tell, name="dial", daemon=True).start()

    def publish(self, message: Outgoing | ViewMessage) -> int:
        """Send a message; its packet id comes back in `Acknowledged`."""
        info = self._client.publish(
            str(message.topic),
            message.payload,
            qos=message.qos,
            retain=message.retained,
            properties=_properties(PacketTypes.PUBLISH, message),
        )
        return info.mid

    def subscribe(self, topic_filter: str) -> None:
        """Ask for the messages of this filter, the retained ones first."""
        self._client.subscribe(topic_filter, options=SubscribeOptions(qos=1))

    def acknowledge(self, packet_id: int) -> None:
        """Tell the broker that this message is safe here; of the ones it sent in their order.

        Only of a connection with manual acknowledgement; another one's ids mean nothing to it.
        """
        self._client.ack(packet_id, 1)

    def close(self) -> None:
        """Say goodbye, so that the broker forgets the will, and end."""
        if not self._ended.is_set():
            self._client.disconnect()
            self._ended.wait(_POLITE_END_S)
        self.abandon()

    def abandon(self) -> None:
        """End at once, whatever the network does; the will stands."""
        self._abandoned = True
        self._end()

    def _end(self) -> None:
        connection = self._client.socket()
        if connection is not None:
            _shut(connection)
        # With a message unacknowledged paho's thread would never end.
        self._client.drop_out_messages()
        self._client.loop_stop()
        # Its thread is over: what woke it is closed now, not when paho is collected some day.
        self._client._reset_sockets(sockpair_only=True)

    def _check_wanted(self) -> None:
        """Raises BrokerRefused when the connection was abandoned meanwhile, and ends it."""
        if self._abandoned:
            self._end()
            raise self._refused("the wish to connect was given up")

    def _open_and_tell(self) -> None:
        try:
            session = self.open()
        except BrokerRefused as error:
            self._tell(NotOpened(error))
        else:
            self._tell(Opened(session))

    def _dial(self) -> None:
        options = self._options
        properties = _new_properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = options.session_expiry_s
        properties.ReceiveMaximum = options.receive_maximum
        if options.max_incoming_bytes is not None:
            properties.MaximumPacketSize = options.max_incoming_bytes
        self._client.on_socket_open = _send_at_once
        self._client.connect(
            options.host,
            options.port,
            keepalive=options.keepalive_s,
            clean_start=options.clean_start,
            properties=properties,
        )

    def _set_will(self, will: Will) -> None:
        properties = _properties(PacketTypes.WILLMESSAGE, will.message)
        properties.WillDelayInterval = will.delay_s
        row = will.message.topic.row
        self._client.will_set(
            str(will.message.topic), will.message.payload, row.qos, row.retained, properties
        )

    # paho's thread from here on: hand over, never wait.

    def _on_connect(
        self,
        _client: paho.Client,
        _state: object,
        flags: paho.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._opened:
            return  # a broker that says so again and again is answered once
        if reason.is_failure:
            self._opening.put(reason)
            return
        # Messages of a kept session may follow in the same packet: none may be missed.
        self._opened = True
        self._opening.put(
            Session(
                present=flags.session_present,
                receive_maximum=getattr(properties, "ReceiveMaximum", 65535),
                max_packet_bytes=getattr(properties, "MaximumPacketSize", None),
                broker_certificate_ends_us=peer_certificate_ends_us(self._client.socket()),
                own_certificate_ends_us=self._own_ends_us,
            )
        )

    def _on_disconnect(
        self,
        _client: paho.Client,
        _state: object,
        flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            why = f"the broker ended the connection ({_reason_text(reason)})"
        else:
            why = "the connection was lost"
        self._ended.set()
        if self._opened:
            self._tell(Disconnected(reason=why))
        else:
            self._opening.put(why)

    def _on_publish(
        self,
        _client: paho.Client,
        _state: object,
        packet_id: int,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._tell(Acknowledged(packet_id=packet_id, reason_code=reason.value))

    def _on_message(self, _client: paho.Client, _state: object, message: paho.MQTTMessage) -> None:
        self._tell(
            Incoming(
                topic=message.topic,
                payload=bytes(message.payload),
                user_properties=tuple(getattr(message.properties, "UserProperty", ())),
                retained=message.retain,
                packet_id=message.mid,
            )
        )

    def _tell(self, event: BrokerEvent) -> None:
        if not self._abandoned:
            self._hand_over(event)

    def _unreachable(self, error: OSError | ValueError) -> BrokerRefused:
        what, remedy = explain_failed_dial(error)
        return BrokerRefused(what=what, which=f"broker {self._options.address}", remedy=remedy)

    def _refused(self, answer: ReasonCode | str) -> BrokerRefused:
        which = f"broker {self._options.address}"
        if isinstance(answer, ReasonCode):
            return BrokerRefused(
                what=f"the broker said no ({_reason_text(answer)})",
                which=which,
                remedy=_REMEDIES.get(answer.value, "see the broker's log"),
            )
        if self._options.tls is not None:
            remedy = "check that the broker trusts broker.tls.certificate_file, and its log"
        else:
            remedy = "check that this port speaks MQTT 5 without TLS, and the broker's log"
        return BrokerRefused(what=f"{answer} before it began", which=which, remedy=remedy)


def _new_properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]  # paho left it untyped


def _properties(packet_type: int, message: Outgoing | ViewMessage) -> Properties:
    properties = _new_properties(packet_type)
    properties.ContentType = message.content_type
    if message.content_type == JSON:
        properties.PayloadFormatIndicator = _UTF8_PAYLOAD
    if message.user_properties:
        properties.UserProperty = list(message.user_properties)
    if message.expiry_s is not None:
        properties.MessageExpiryInterval = message.expiry_s
    return properties


def _reason_text(reason: ReasonCode) -> str:
    return f"{reason.getName().lower()}, 0x{reason.value:02x}"


def _send_at_once(_client: paho.Client, _state: object, connection: paho.SocketLike) -> None:
    """Switch off Nagle's algorithm: an alert must not wait for the one before."""
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _shut(connection: paho.SocketLike) -> None:
    if isinstance(connection, socket.socket):
        with contextlib.suppress(OSError):  # it had ended by itself
            connection.shutdown(socket.SHUT_RDWR)
