"""A client that says whatever it likes to a broker, and hears what it is told."""

from __future__ import annotations

import queue
import ssl

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PATIENCE_S = 10.0
NOT_AUTHORISED = 0x87
NO_SUBSCRIBERS = 0x10


class Refused(Exception):
    """The broker did not take the client in."""


class _Socket(ssl.SSLSocket):
    """Closed when the greeting fails; paho would leave it."""

    def do_handshake(self, block=False):
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise


def tls_of(ca, own=None, newest=None):
    """TLS with the broker's name checked; `own` is a file of key and certificates."""
    context = ssl.create_default_context(cafile=str(ca))
    context.sslsocket_class = _Socket
    if own is not None:
        context.load_cert_chain(str(own))
    if newest is not None:
        context.maximum_version = newest
    return context


class Intruder:
    """One connection; everything it hears waits in `heard` as (topic, payload)."""

    def __init__(self, port, context, *, client_id="intruder", will=None, expiry_s=0):
        self.heard = queue.SimpleQueue()
        self.ended = queue.SimpleQueue()
        self._answers = queue.SimpleQueue()
        self._opening = queue.SimpleQueue()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=paho.MQTTv5,
            reconnect_on_failure=False,
        )
        if context is not None:
            self._client.tls_set_context(context)
        if will is not None:
            self._client.will_set(*will, qos=1, retain=True)
        self._client.max_inflight_messages = 0
        self._client.on_connect = lambda _c, _u, flags, reason, _p: self._opening.put(
            (reason.value, flags.session_present)
        )
        self._client.on_disconnect = lambda _c, _u, _f, reason, _p: self._over(reason)
        self._client.on_publish = lambda _c, _u, _mid, reason, _p: self._answers.put(reason.value)
        self._client.on_subscribe = lambda _c, _u, _mid, reasons, _p: self._answers.put(
            [reason.value for reason in reasons]
        )
        self._client.on_message = lambda _c, _u, message: self.heard.put(
            (message.topic, bytes(message.payload))
        )
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = expiry_s
        try:
            self._client.connect("127.0.0.1", port, clean_start=not expiry_s, properties=properties)
        except OSError as error:
            raise Refused(str(error)) from None
        self._client.loop_start()
        reason, self.session_present = self._opening.get(timeout=PATIENCE_S)
        if reason:
            self.close()
            raise Refused(f"0x{reason:02x}")

    def publish(self, topic, payload=b"{}", *, retain=False):
        """The reason code that the broker answers with."""
        self._client.publish(topic, payload, qos=1, retain=retain)
        return self._answers.get(timeout=PATIENCE_S)

    def throw(self, topic, payload):
        """Publish without waiting for an answer."""
        return self._client.publish(topic, payload, qos=0)

    def subscribe(self, *filters):
        self._client.subscribe([(item, SubscribeOptions(qos=1)) for item in filters])
        return self._answers.get(timeout=PATIENCE_S)

    def hear(self, timeout_s=PATIENCE_S):
        return self.heard.get(timeout=timeout_s)

    def is_out(self, timeout_s=PATIENCE_S):
        """Whether the broker ends the connection in this time."""
        try:
            self.ended.get(timeout=timeout_s)
        except queue.Empty:
            return False
        return True

    def vanish(self):
        """End without a goodbye: the will is said."""
        self._client.socket().shutdown(2)
        self._client.loop_stop()

    def close(self):
        self._client.disconnect()
        self._client.loop_stop()
        # Nothing holds it any more but its owner: paho closes its own sockets when it is let go.
        self._client.on_connect = self._client.on_disconnect = self._client.on_publish = None
        self._client.on_subscribe = self._client.on_message = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _over(self, reason):
        self._opening.put((reason.value or 0xFF, False))
        self.ended.put(reason.value)
