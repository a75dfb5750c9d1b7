"""Witnesses for tests, and poles whose ledgers they see."""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.clock import SimulatedClock
from roeh.desk.witness.key import make_witness_keys
from roeh.desk.witness.witness import Witness
from roeh.keys.certificates import (
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_subject,
    spki_der,
)
from roeh.keys.home_file import PemSigner, unprovisioned_set
from roeh.keys.key_pem import parse_entry
from roeh.keys.signer import KeyUsage, NodeName
from roeh.ledger.merkle import consistency_proof, leaf_hash, root
from roeh.ledger.note import (
    Checkpoint,
    SignatureState,
    checkpoint_text,
    cosignatures,
    parse_checkpoint,
    parse_note,
    sign_note,
)
from roeh.transport.messages import CheckpointMessage
from tests.authorities import days
from tests.trees import Tree

POLE = NodeName("haifa", "pole-7")


class CityLogKey:
    """A log key that a city's CA vouches for."""

    def __init__(self, city, name=POLE, usage=KeyUsage.LOG):
        self._private = new_private_key()
        self.spki_der = spki_der(self._private.public_key())
        leaf = leaf_certificate(
            node_subject(name, usage.value),
            self._private.public_key(),
            usage,
            city.node_ca,
            days(0, 1000),
        )
        self.chain_pem = certificate_pem(leaf, city.node_ca.certificate)

    def sign(self, message):
        return self._private.sign(message, ec.ECDSA(hashes.SHA256()))


def unprovisioned_key(name=POLE):
    """What a pole makes for itself."""
    pem = unprovisioned_set(name)["log.pem"]
    return PemSigner(parse_entry(pem, KeyUsage.LOG, "log"), home="file", which="log")


class Pole:
    """A ledger in memory and its key: what it signs and shows."""

    def __init__(self, key=None, name=POLE, records=()):
        self.name = name
        self.key = key or unprovisioned_key(name)
        self.tree = Tree()
        for record in records:
            self.tree.append(leaf_hash(record))

    @property
    def chain_pem(self):
        return self.key.chain_pem.decode()

    def append(self, count, mark=b"x"):
        for _ in range(count):
            self.tree.append(leaf_hash(mark + b"%d" % self.tree.size))

    def note(self, size=None):
        size = self.tree.size if size is None else size
        origin = f"roeh/{self.name}"
        text = checkpoint_text(Checkpoint(origin, size, root(size, self.tree.read)))
        return sign_note(text, name=origin, spki_der=self.key.spki_der, sign=self.key.sign)

    def message(self, from_size=0, size=None, note=None, hashes=None):
        """The checkpoint with its proof, as it is published."""
        size = self.tree.size if size is None else size
        if hashes is None:
            known = from_size <= size
            hashes = consistency_proof(from_size, size, self.tree.read) if known else ()
        return CheckpointMessage(
            site=self.name.site,
            node=self.name.node,
            note=note or self.note(size),
            from_size=from_size,
            hashes=tuple(base64.b64encode(step).decode() for step in hashes),
        )


class RunningWitness:
    """A witness whose process may end and begin again."""

    def __init__(self, directory, anchors=None, clock=None, **options):
        self.directory = directory
        self.anchors = anchors
        self.clock = clock or SimulatedClock()
        self.options = options
        self.keys = make_witness_keys(directory, "police")
        self.witness = None
        self.begin()

    def begin(self):
        self.witness = Witness(self.directory, self.keys, self.anchors, self.clock, **self.options)

    def restart(self):
        self.witness.close()
        self.begin()

    def read_all(self):
        """As the process does when there is nothing else to do."""
        while not self.witness.is_read:
            self.witness.read_next()

    def introduce(self, pole):
        self.witness.announce(pole.name, pole.chain_pem)

    def cosigned(self, message):
        """(size, root, time) of what it says to this checkpoint; None: nothing."""
        note = self.witness.take(message)
        return None if note is None else said_by(self.keys.witness, note)

    def alarms(self):
        return [(alarm.ledger, alarm.alarm.value) for alarm in self.witness.alarms()]

    def history(self, name=POLE):
        return self.directory / "ledgers" / f"{name.site}.{name.node}.history"


def said_by(witness, written):
    """What a witness cosigned in this note, verified by its key."""
    note = parse_note(written)
    (found,) = cosignatures(note, [witness])
    assert found.state is SignatureState.VALID
    checkpoint = parse_checkpoint(note.text)
    return checkpoint.size, checkpoint.root, found.t_utc_s
