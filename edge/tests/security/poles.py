"""A pole of a city: provisioned with its keys, its evidence and publish running."""

import contextlib
import hashlib

import msgspec

from roeh.core.custody import SegmentsPage, SegmentsRequest
from roeh.core.delivery import OutboxKind
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket
from roeh.core.peers import GopStored, Role, StoreGop, Verb
from roeh.keys.signer import KeyUsage
from roeh.transport.down import Ack, AckEntry
from roeh.transport.signed import StatementKind
from tests.ceremonies import pole_of
from tests.gops import GopSource
from tests.process.brokers import CLOCK
from tests.process.publishing_node import PublishingNode
from tests.signing_desks import SigningDesk

NAME = "pole"
TOPIC = f"roeh/v1/harbour/{NAME}"
EXTRA = """
desk_ack_timeout_s = 60.0
[broker.tls]
ca_file = "{ca}"
[desk]
keys_file = "{keys}"
"""


@contextlib.contextmanager
def running_pole(ground):
    """A pole whose desk is `pole.desk`: evidence believes its signatures."""
    desk = SigningDesk(CLOCK, node=NAME)
    keys_file = ground.directory / "desk.keys"
    verifier = desk.verifier.verifier_key
    keys_file.write_text(f"ack {verifier}\ncommand {verifier}\n")
    extra = EXTRA.format(ca=ground.city.broker_ca, keys=keys_file)
    node = PublishingNode(ground.directory, ground.broker.poles_port, extra)
    renew(ground, node, pole_of(node.config).request(KeyUsage))
    node.desk = desk
    try:
        node.start(Role.EVIDENCE, Role.PUBLISH)
        yield node
    finally:
        node.close()


def renew(ground, node, requests):
    """The key keeper signs, the technician installs."""
    certificates, _ = ground.city.nodes.sign(requests, 30, CLOCK)
    assert pole_of(node.config).install(certificates)


def acknowledgement(desk, kind, message_id, payload, key=None, **fields):
    """The desk's word for one message."""
    entry = AckEntry(OutboxKind(kind), message_id, hashlib.sha256(payload).hexdigest())
    body = Ack((msgspec.structs.replace(entry, **fields),))
    return desk.sign(body, kind=StatementKind.ACK, key=key)


class Recorder:
    """Stores a camera's groups of pictures, one after the other; how long each took."""

    def __init__(self, node):
        now = CLOCK.read()
        self._socket = evidence_socket(node.config)
        self._client = StreamClient(self._socket, Role.CAPTURE, CLOCK)
        self._source = GopSource(
            camera_id="sensor",
            boot_id=now.boot_id,
            mono_us=now.t_mono_ns // 1000 - 3_600_000_000,
            utc_us=now.t_utc_ns // 1000 - 3_600_000_000,
        )
        self.took_ms = []

    def store(self):
        gop = self._source.next()
        begun_ns = CLOCK.mono_ns()
        self._client.call(Verb.GOP_STORE, StoreGop(gop), GopStored)
        self.took_ms.append((CLOCK.mono_ns() - begun_ns) / 1e6)

    def kept(self):
        """How many groups of pictures the index has."""
        client = StreamClient(self._socket, Role.CUSTODY, CLOCK)
        with contextlib.closing(client):
            kept, after = 0, -1
            while rows := client.call(
                Verb.SEGMENTS_PAGE, SegmentsRequest(after=after), SegmentsPage
            ).segments:
                kept += sum(len(segment.fragments) for segment in rows)
                after = rows[-1].row
        return kept

    def close(self):
        self._client.close()
