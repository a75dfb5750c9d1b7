"""A control room that acknowledges what it takes in, with a key of its own."""

import hashlib
import queue
import threading

from roeh.core.delivery import OutboxKind
from roeh.core.errors import MessageRefused
from roeh.core.types import Alert
from roeh.transport.down import MAX_ACKS, AckEntry
from roeh.transport.messages import Incoming, Thumbnail, down_message, parse_up
from roeh.transport.mqtt import BrokerOptions, MqttConnection
from roeh.transport.topics import Channel, parse_topic, topic_filter
from tests.delivering_nodes import AckingDesk
from tests.process.brokers import CLOCK, LOOPBACK

ADDRESSEE = "harbour/pole"
_COMMIT_WAIT_S = 0.005


class AcknowledgingDesk(AckingDesk):
    """Signs for every alert and picture as it comes, unless told to be silent.

    `came` are (kind, id) in the order of their arrival, repetitions too.
    """

    def __init__(self, port, **options):
        super().__init__(addressee=ADDRESSEE)
        self.port = port
        self.came = []
        self.heard = []
        self.silent = False
        self._options = options
        self._lock = threading.Lock()
        self._waiting = queue.SimpleQueue()
        threading.Thread(target=self._acknowledge, daemon=True).start()
        self.connection = None

    def node_lines(self, directory):
        """The lines of node.toml that let a node believe it."""
        keys_file = directory / "desk.keys"
        keys_file.write_text(self.line)
        return f'[desk]\nkeys_file = "{keys_file}"\n'

    def open(self):
        options = {"host": LOOPBACK, "client_id": "desk", "session_expiry_s": 3600, **self._options}
        self.connection = MqttConnection(
            BrokerOptions(port=self.port, clean_start=False, **options), self._take
        )
        self.connection.open()
        self.connection.subscribe(topic_filter())
        return self

    def close(self):
        if self.connection is not None:
            self.connection.close()

    def alerts(self):
        """Ids in the order in which they came first."""
        with self._lock:
            return list(dict.fromkeys(id_ for kind, id_ in self.came if kind is OutboxKind.ALERT))

    def say(self, channel, statement, node="pole"):
        self.connection.publish(down_message("harbour", node, channel, statement))

    def _take(self, event):
        """On paho's thread, which may publish."""
        if not isinstance(event, Incoming):
            return
        try:
            topic = parse_topic(event.topic)
            message = parse_up(topic, event)
        except MessageRefused:
            return
        with self._lock:
            self.heard.append((topic.channel, message))
            if isinstance(message, Alert):
                named = (OutboxKind.ALERT, message.id)
            elif isinstance(message, Thumbnail):
                named = (OutboxKind.THUMBNAIL, message.alert_id)
            else:
                return
            self.came.append(named)
        self._waiting.put(entry_of(*named, event.payload))

    def _acknowledge(self):
        """What came together is acknowledged together, as after a group commit."""
        while (entry := self._waiting.get()) is not None:
            entries = [entry]
            CLOCK.wait(_COMMIT_WAIT_S)
            while len(entries) < MAX_ACKS and not self._waiting.empty():
                entries.append(self._waiting.get())
            if not self.silent:
                self.say(Channel.ACK, self.sign(entry for entry in entries if entry is not None))

    def said(self, channel):
        """What the node said on this channel."""
        with self._lock:
            return [message for at, message in self.heard if at is channel]


def entry_of(kind, message_id, payload):
    """What an acknowledgement names of one message."""
    return AckEntry(kind, message_id, hashlib.sha256(payload).hexdigest())
