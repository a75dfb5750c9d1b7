"""A ledger of its own: database, log and mirror in one directory, opened and reopened."""

import base64

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from roeh.core.clock import SimulatedClock
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.mirror import Mirror
from roeh.ledger.mirror_parts import list_parts, part_path
from roeh.ledger.records import AccessRecord

SITE, NODE = "hq", "pole-1"
ORIGIN = f"roeh/{SITE}/{NODE}"


class Ledger:
    """Small parts, so that a test fills several."""

    def __init__(self, directory, *, records_per_part=4, clock=None):
        self.directory = directory
        self.ledger_directory = directory / "ledger"
        self.records_per_part = records_per_part
        self.clock = clock or SimulatedClock()
        self.open()

    def open(self):
        """What a process has in memory, made anew."""
        self.database = NodeDatabase(self.directory / "node.db")
        self.log = Log(self.database, self.clock, site=SITE, node=NODE)
        self.mirror = Mirror(
            self.ledger_directory,
            self.database,
            self.log,
            records_per_part=self.records_per_part,
        )

    def reopen(self):
        self.close()
        self.open()

    def close(self):
        self.database.close()

    def append(self, count, detail="x"):
        with self.database.writing() as connection:
            for _ in range(count):
                body = AccessRecord(person="p", action="show", detail=detail)
                self.log.append(connection, body)

    @property
    def size(self):
        with self.database.reading() as connection:
            return self.log.size(connection)

    def root(self, size):
        with self.database.reading() as connection:
            return self.log.root(connection, size)

    def records(self):
        with self.database.reading() as connection:
            return self.log.records(connection, 0, 1_000_000)

    def part(self, number):
        return part_path(self.ledger_directory, number)

    def mirrored(self):
        """All bytes of the mirror's parts, in order."""
        parts = list_parts(self.ledger_directory)
        return b"".join(self.part(number).read_bytes() for number in parts)

    def expected_mirror(self):
        return b"".join(record + b"\n" for record in self.records())

    def kept(self):
        """Names of files set aside."""
        return sorted(path.name for path in self.ledger_directory.glob("*.kept-*"))


class FileLogKey:
    """A log key in memory; counts what it signed."""

    def __init__(self):
        self._private = ec.generate_private_key(ec.SECP256R1())
        self.spki_der = self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self.chain_pem = b"%s\n" % base64.b64encode(self.spki_der)
        self.signed = []

    def sign(self, message):
        self.signed.append(message)
        return self._private.sign(message, ec.ECDSA(hashes.SHA256()))
