"""Ingest as processes of a test's own, and a pole that speaks to it without a recorder."""

import contextlib
import hashlib
import os
import queue
import signal
import threading

import msgspec

from roeh.core.clock import NS_PER_S, SystemClock
from roeh.core.ids import ClockIds
from roeh.core.notify import Notifier
from roeh.desk.commit_hook import NoHook
from roeh.desk.ingest.main import Ingest, IngestParts, connector
from roeh.desk.keys import open_ack_key, open_command_key
from roeh.desk.store import open_desk_store
from roeh.transport.down import Ack, parse_body
from roeh.transport.messages import Incoming
from roeh.transport.mqtt import MqttConnection
from roeh.transport.signed import StatementKind, open_statement
from roeh.transport.topics import down_filter
from tests.desks import desk_with_keys
from tests.forkserver import forking_with
from tests.process.brokers import PATIENCE_S, Client

CLOCK = SystemClock()
_IDS = ClockIds(CLOCK)
_CONTEXT = forking_with(__name__)
#: A pole says again what was not acknowledged by then.
_AGAIN_S = 0.5

#: Between which of its steps ingest is killed, in their order.
STEPS = ("in the transaction", "after the commit", "after the acknowledgement", "after it all")


def desk_at(directory, port, more=""):
    """A desk with keys whose broker listens on that port of this machine."""
    return desk_with_keys(directory, f"{more}\n[broker]\nport = {port}\n")


def ingest(config, killed_at="", after=1, name=""):
    """Run ingest in this process until it is killed; at that step of that commit, if one.

    `name` is the machine's, of which the broker knows each by.
    """
    steps = _Steps(killed_at, after)
    with contextlib.closing(open_desk_store(config)) as store:
        parts = IngestParts(
            store=store,
            hook=_KillingHook(steps),
            ack_signer=_KillingSigner(open_ack_key(config), steps),
            command_signer=open_command_key(config),
            anchors=None,
            notifier=Notifier(),
        )
        connect = connector(config) if not name else _named(config, name)

        def connect_killing(hand_over):
            return _KillingConnection(connect(hand_over), steps)

        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=stop.set).start())
        Ingest(config, parts, connect_killing, CLOCK, stop).run()


def _named(config, name):
    """As an ingester on another machine connects."""
    named = msgspec.structs.replace(config, name=f"{config.name}-{name}")
    return connector(named)


class _Steps:
    """Ends the process, as a power cut would, at its step."""

    def __init__(self, killed_at, after):
        self._killed_at = killed_at
        self._left = after

    def reached(self, step):
        if step == self._killed_at:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


#: An alert of this label makes a value that no database keeps.
UNSTORABLE = "unstorable"


class _KillingHook(NoHook):
    def __init__(self, steps):
        self._steps = steps

    def on_alerts(self, transaction, alerts, now_utc_us):
        self._steps.reached("in the transaction")
        if any(alert.label == UNSTORABLE for alert in alerts):
            transaction.values("SELECT row FROM cursor WHERE name = ?", ("half a sign: \udc80",))


class _KillingSigner:
    """The commit is done when the acknowledgement is signed."""

    def __init__(self, signer, steps):
        self._signer = signer
        self._steps = steps

    def __getattr__(self, name):
        return getattr(self._signer, name)

    def sign(self, addressee, body):
        self._steps.reached("after the commit")
        return self._signer.sign(addressee, body)


class _KillingConnection:
    """A connection to the broker; the acknowledgement has left when the broker is answered."""

    def __init__(self, connection: MqttConnection, steps):
        self._connection = connection
        self._steps = steps

    def __getattr__(self, name):
        return getattr(self._connection, name)

    def acknowledge(self, packet_id):
        self._steps.reached("after the acknowledgement")
        self._connection.acknowledge(packet_id)
        self._steps.reached("after it all")


class SpeakingPole(Client):
    """Publishes and believes only what the desk's key signed."""

    def __init__(self, port, config, site="harbour", node="pole-7", client_id=None):
        super().__init__(port, client_id or f"{site}-{node}-{_IDS.new()}")
        self.addressee = f"{site}/{node}"
        self.acknowledged = []
        self._key = open_ack_key(config).verifier
        self.connection.subscribe(down_filter(site, node))

    def say(self, message):
        """Publish; the broker's answer is not waited for."""
        self.connection.publish(message)

    def insist(self, messages, timeout_s=PATIENCE_S):
        """Say these until each is acknowledged, as a pole does; the entries by id and kind."""
        waiting = {hashlib.sha256(message.payload).hexdigest(): message for message in messages}
        deadline_ns = CLOCK.mono_ns() + int(timeout_s * NS_PER_S)
        while waiting:
            assert CLOCK.mono_ns() < deadline_ns, f"{len(waiting)} are not acknowledged"
            for message in waiting.values():
                self.say(message)
            self.listen(lambda: not waiting.keys() - {one.sha256 for one in self.acknowledged})
            for entry in self.acknowledged:
                waiting.pop(entry.sha256, None)
        return self.acknowledged

    def listen(self, is_enough):
        """Hear acknowledgements until it is enough, or until none comes for a while."""
        while not is_enough():
            try:
                event = self.events.get(timeout=_AGAIN_S)
            except queue.Empty:
                return
            if isinstance(event, Incoming) and event.topic.endswith("/ack"):
                statement = open_statement(
                    event.payload, StatementKind.ACK, self.addressee, [self._key]
                )
                self.acknowledged += parse_body(statement.body, Ack).acks


def start_ingest(*arguments, **how):
    """`ingest` as a process."""
    process = _CONTEXT.Process(target=ingest, args=arguments, kwargs=how, daemon=True)
    process.start()
    return process


def stored(config, sql="SELECT id FROM alert ORDER BY row"):
    """What is in the database, by another connection."""
    with contextlib.closing(open_desk_store(config)) as store, store.reading() as transaction:
        return transaction.values(sql)


def replaced(config, **fields):
    """The same desk with another [ingest]."""
    return msgspec.structs.replace(config, ingest=msgspec.structs.replace(config.ingest, **fields))
