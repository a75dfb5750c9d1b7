"""Evidence's side of delivery on a store of its own, and a desk that acknowledges."""

import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric import ed25519

from roeh.core.clock import SimulatedClock
from roeh.core.config import parse_config
from roeh.core.delivery import (
    AcknowledgeOutbox,
    CheckpointProofRequest,
    ConnectionBegin,
    KeepCosignature,
    OutboxDelivered,
    OutboxKind,
)
from roeh.core.peers import Verb
from roeh.evidence.delivery import Delivery, DeliveryParts
from roeh.evidence.refusals import RefusedStatements
from roeh.evidence.storage_state import StorageState
from roeh.evidence.trust import DeskTrust
from roeh.keys.signer import NodeName
from roeh.ledger.age import NodeAge
from roeh.ledger.alert_records import AlertRecords
from roeh.ledger.alerts import NodeStore
from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.records import Record
from roeh.ledger.witnessed import Witnessed
from roeh.transport.down import Ack, AckEntry
from roeh.transport.signed import DeskKey, StatementKind, sign_statement
from tests.alert_drafts import alert_draft
from tests.ledgers import NODE, SITE, Ledger
from tests.witnesses import unprovisioned_key

ADDRESSEE = f"{SITE}/{NODE}"
CONFIG = """
[node]
site = "{site}"
name = "{node}"
[desk]
keys_file = "{keys_file}"
[[sensors]]
source = {{ kind = "composed" }}
lens = {{ width_px = 640, height_px = 640, fov_deg = 180 }}
"""


class AckingDesk:
    """Says that messages are committed."""

    def __init__(self, name="haifa-desk", addressee=ADDRESSEE):
        self.name, self.addressee = name, addressee
        self.key = ed25519.Ed25519PrivateKey.generate()

    @property
    def line(self):
        """For a pole's desk.keys_file."""
        key = DeskKey(self.name, self.key.public_key().public_bytes_raw())
        return f"ack {key.verifier_key}\n"

    def sign(self, entries, *, kind=StatementKind.ACK, addressee=None, key=None):
        return sign_statement(
            kind,
            addressee or self.addressee,
            msgspec.json.encode(Ack(tuple(entries))),
            name=self.name,
            key=key or self.key,
        )

    def acknowledge(self, items):
        """The statement for leased rows, as they came."""
        return self.sign([entry(item) for item in items])


def entry(item, payload=None):
    """What the desk names of a message; `payload`: what it committed instead."""
    sha256 = hashlib.sha256(item.payload if payload is None else payload).hexdigest()
    return AckEntry(item.kind, item.alert_id, sha256)


class DeliveringNode:
    """The parts as evidence wires them; `reopen` is what a crash leaves."""

    def __init__(self, directory, *, ack="desk", witness_lines="", clock=None, **bounds):
        self.ledger = Ledger(directory, clock=clock or SimulatedClock())
        self.ledger.mirror.reconcile()
        self.clock = self.ledger.clock
        self.key = unprovisioned_key(NodeName(SITE, NODE))
        self.desk = AckingDesk()
        self.keys_file = directory / "desk.keys"
        self.keys_file.write_text(self.desk.line + witness_lines)
        self.ack = ack
        self.bounds = {"outbox_max_bytes": 1 << 20, **bounds}
        self._open()

    def _open(self):
        ledger = self.ledger
        self.age = NodeAge(ledger.database, self.clock, ledger.log)
        self.age.tick()
        records = AlertRecords(ledger.log)
        self.checkpoints = Checkpoints(
            ledger.database, ledger.log, ledger.mirror, self.key, self.clock
        )
        self.store = NodeStore(
            ledger.database,
            self.clock,
            witnesses=(records.on_alert,),
            evicted=records.on_evicted,
            age_us=self.age.now_us,
            **self.bounds,
        )
        config = parse_config(
            CONFIG.format(site=SITE, node=NODE, keys_file=self.keys_file), name="node.toml"
        )
        self.trust = DeskTrust(config)
        self.refused = RefusedStatements(ledger.database, ledger.log, self.clock)
        self.witnessed = Witnessed(ledger.database, ledger.log, self.checkpoints)
        self.delivery = Delivery(
            DeliveryParts(
                addressee=ADDRESSEE,
                ack=self.ack,
                store=self.store,
                storage=StorageState(),
                trust=self.trust,
                refused=self.refused,
                witnessed=self.witnessed,
                log_chain_pem=self.key.chain_pem.decode(),
            )
        )

    def close(self):
        self.store.wake()
        self.ledger.close()

    def reopen(self):
        self.store.wake()
        self.ledger.reopen()
        self.ledger.mirror.reconcile()
        self._open()

    def ask(self, verb, request):
        return self.delivery.answerers[verb](request)

    def store_alert(self, thumbnail=None, **fields):
        """Its number in the count."""
        return self.store.store(alert_draft(thumbnail=thumbnail, **fields), thumbnail)

    def waiting(self, *kinds):
        """What waits in the outbox, of these kinds or of all."""
        items = self.store.lease(limit=10_000, in_flight_rows=(), wait_s=0).items
        return [item for item in items if not kinds or item.kind in kinds]

    def acknowledge(self, statement):
        """The rows that evidence says are with the desk."""
        return self.ask(Verb.OUTBOX_ACKNOWLEDGE, AcknowledgeOutbox(statement)).rows

    def delivered(self, rows):
        return self.ask(Verb.OUTBOX_DELIVERED, OutboxDelivered(tuple(rows)))

    def cosigned(self, note):
        return self.ask(Verb.COSIGNATURE_KEEP, KeepCosignature(note))

    def proof(self):
        return self.ask(Verb.CHECKPOINT_PROOF, CheckpointProofRequest())

    def connect(self, at_least=0):
        return self.ask(Verb.CONNECTION_BEGIN, ConnectionBegin(at_least))

    def kept(self):
        """Numbers of the alerts that are still stored, waiting or not."""
        with self.ledger.database.reading() as connection:
            return [seq for (seq,) in connection.execute("SELECT seq FROM alert ORDER BY seq")]

    def bodies(self, body_type):
        """Bodies of this type in the ledger."""
        found = [msgspec.json.decode(json, type=Record).body for json in self.ledger.records()]
        return [body for body in found if isinstance(body, body_type)]


def numbers(items, kind=OutboxKind.ALERT):
    """The numbers of the rows of one kind."""
    return sorted(item.seq for item in items if item.kind is kind)
