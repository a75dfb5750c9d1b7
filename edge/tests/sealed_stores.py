"""A node's store as evidence leaves it: recorded, signed, in the ledger and under checkpoints."""

import base64
import hashlib
import shutil

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roeh.bitstream.media_signing import Vendor
from roeh.core.clock import SimulatedClock
from roeh.keys.certificates import (
    certificate_pem,
    leaf_certificate,
    new_private_key,
    node_subject,
    spki_der,
)
from roeh.keys.signer import KeyUsage, NodeName
from roeh.ledger.checkpoints import Checkpoints
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror
from roeh.ledger.note import (
    NoteSignature,
    WitnessKey,
    add_signature_line,
    cosigned_message,
    parse_note,
    signature_line,
    witness_key_id,
)
from roeh.ledger.recorder import Recorder
from roeh.ledger.records import BootRecord, KeyRecord
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.stream_signatures import StreamSignatures
from tests.authorities import City, day_us, days
from tests.gops import GopSource

NODE = NodeName(site="haifa", node="pole-7")
#: When the stores' cameras take pictures: certificates count then.
RECORDED_US = day_us(100)


class SoftwareSigner:
    """A key in memory with a city's certificate for one usage."""

    home = "file"

    def __init__(self, city, usage, name=NODE):
        self._key = new_private_key()
        self.usage = usage
        self.leaf = leaf_certificate(
            node_subject(name, usage.value),
            self._key.public_key(),
            usage,
            city.node_ca,
            days(0, 1000),
        )
        self.chain_pem = city.chain(self.leaf)
        self.spki_der = spki_der(self._key.public_key())

    def sign(self, message):
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))


class Witness:
    """A control room that cosigns checkpoints."""

    def __init__(self, name="desk.example"):
        self._key = ed25519.Ed25519PrivateKey.generate()
        public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key = WitnessKey(name, public)

    @property
    def verifier_key(self):
        """The key as witnesses publish it."""
        encoded = base64.b64encode(b"\x04" + self.key.public_key).decode()
        return f"{self.key.name}+{witness_key_id(self.key).hex()}+{encoded}"

    def cosign(self, written, t_utc_s):
        signature = self._key.sign(cosigned_message(parse_note(written).text, t_utc_s))
        line = NoteSignature(
            self.key.name, witness_key_id(self.key), t_utc_s.to_bytes(8, "big") + signature
        )
        return add_signature_line(written, signature_line(line))


class SealedStore:
    """A store with real keys. `record` fills it, `seal` signs what there is."""

    def __init__(self, directory, city=None, *, name=NODE, segment_s=2.0, cameras=("north",)):
        self.directory = directory
        self.city = city or City()
        self.name = name
        self.media = SoftwareSigner(self.city, KeyUsage.MEDIA, name)
        self.log_signer = SoftwareSigner(self.city, KeyUsage.LOG, name)
        self.clock = SimulatedClock(
            t_mono_ns=10**9, t_utc_ns=RECORDED_US * 1000, boot_id=GopSource().boot_id
        )
        directory.mkdir(parents=True, exist_ok=True)
        self.database = NodeDatabase(directory / "node.db")
        self.log = Log(self.database, self.clock, site=name.site, node=name.node)
        self.files = SegmentFiles(directory / "segments")
        self.mirror = Mirror(directory / "ledger", self.database, self.log)
        self.mirror.reconcile()
        self.checkpoints = Checkpoints(
            self.database, self.log, self.mirror, self.log_signer, self.clock
        )
        self.signatures = StreamSignatures(self.media, Vendor("1", str(name), "Roeh"))
        self.recorder = Recorder(
            self.database,
            self.log,
            self.files,
            self.clock,
            cameras=cameras,
            segment_s=segment_s,
            signatures=self.signatures,
            age_us=lambda: 0,
            make_room=lambda needed_bytes: None,
            on_closed=lambda: None,
            on_lost=lambda error: None,
        )
        self.append(BootRecord(version="1", was_clean=True))
        for signer in (self.media, self.log_signer):
            self.append(
                KeyRecord(
                    usage=signer.usage.value,
                    spki_sha256=hashlib.sha256(signer.spki_der).hexdigest(),
                    certificate_sha256=hashlib.sha256(
                        signer.leaf.public_bytes(Encoding.DER)
                    ).hexdigest(),
                    home="file",
                    is_provisioned=True,
                )
            )

    def append(self, body):
        with self.database.writing() as connection:
            return self.log.append(connection, body)

    def record(self, source, gops):
        for gop in source.take(gops):
            self.recorder.store(gop)
            self.clock.advance(0.5)

    def seal(self):
        """The newest checkpoint, signed now."""
        self.checkpoints.renew()
        return self.checkpoints.newest()

    def close(self):
        self.recorder.close()
        self.seal()
        self.files.close()
        self.database.close()

    def source(self, camera_id="north", **options):
        return GopSource(camera_id, utc_us=RECORDED_US, **options)


def sealed_store(directory, city=None, *, segments=4, **options):
    """A closed store of one camera; each segment has four groups."""
    store = SealedStore(directory, city, **options)
    store.record(store.source(), 4 * segments)
    store.close()
    return store


def copied(directory, to):
    """A copy to tamper with."""
    shutil.copytree(directory, to)
    return to


def root_pem(city):
    return certificate_pem(city.root.certificate)
