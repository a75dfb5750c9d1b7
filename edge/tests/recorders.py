"""A recorder on a store of its own, and what it left."""

import hashlib

import msgspec

from roeh.bitstream.media_signing import Vendor, is_media_signing_sei, parse_sei
from roeh.bitstream.mp4_read import read_fragments
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import SimulatedClock
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.recorder import Recorder
from roeh.ledger.records import Record
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.stream_signatures import StreamSignatures


class QuickSigner:
    """Signs at once, with no key: what a signature is worth is tested where it is checked."""

    chain_pem = b"-----BEGIN CERTIFICATE-----\n"

    def sign(self, message):
        return hashlib.sha256(message).digest() * 2


class RecordingStore:
    """A recorder in `directory`, by a clock that moves when told."""

    def __init__(self, directory, signer=None, segment_s=2.0, cameras=("north", "south")):
        self.directory = directory
        self.clock = SimulatedClock(t_mono_ns=10**9)
        self.database = NodeDatabase(directory / "node.db")
        self.log = Log(self.database, self.clock, site="harbour", node="pole-7")
        self.files = SegmentFiles(directory / "segments")
        self.closed = 0
        self.lost = []
        self.asked_room_bytes = []
        self.recorder = Recorder(
            self.database,
            self.log,
            self.files,
            self.clock,
            cameras=cameras,
            segment_s=segment_s,
            signatures=StreamSignatures(signer or QuickSigner(), Vendor("1", "2", "Roeh")),
            age_us=lambda: 7,
            make_room=self.asked_room_bytes.append,
            on_closed=self._count_closed,
            on_lost=self.lost.append,
        )

    def _count_closed(self):
        self.closed += 1

    def store(self, *gops):
        """(segment, fragment) of each."""
        stored = [self.recorder.store(gop) for gop in gops]
        return [(one.segment, one.fragment) for one in stored]

    def rows(self, query):
        with self.database.reading() as connection:
            return connection.execute(query).fetchall()

    def records(self, kind):
        """The bodies of the ledger's records of this kind."""
        return records_of(self.rows("SELECT json FROM record ORDER BY leaf"), kind)

    def path_of(self, number, camera_id="north"):
        return self.directory / "segments" / camera_id / f"{number:08d}.mp4"

    def signed_counters(self, number, camera_id="north"):
        """The counters of the SEI in front of each fragment's first picture."""
        found = []
        with self.path_of(number, camera_id).open("rb") as file:
            for fragment in read_fragments(file):
                nals = [bytes(nal) for nal in split_length_prefixed(fragment.units[0].nal_units)]
                signed = [parse_sei(nal) for nal in nals if is_media_signing_sei(nal)]
                found.append([gop.counter for gop in signed])
        return found

    def close(self):
        self.recorder.close()
        self.files.close()
        self.database.close()


def as_sent(nal_units):
    """The NAL units of a stored picture without the signatures that recording put there."""
    nals = [bytes(nal) for nal in split_length_prefixed(nal_units)]
    return [nal for nal in nals if not is_media_signing_sei(nal)]


def records_of(rows, kind):
    """The bodies of this kind in rows of record bytes."""
    bodies = [msgspec.json.decode(json, type=Record).body for (json,) in rows]
    return [body for body in bodies if body.__struct_config__.tag == kind]
