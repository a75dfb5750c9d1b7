"""What was acknowledged is in its file and in the index, byte for byte, and is signed."""

import hashlib
import itertools
import threading

import msgspec
import pytest

from roeh.bitstream.media_signing import Vendor, parse_sei
from roeh.bitstream.nal import split_length_prefixed
from roeh.core.clock import SimulatedClock
from roeh.core.errors import KeyRefused, MessageRefused
from roeh.core.gop import Discontinuity, StreamEnd
from roeh.ledger.database import NodeDatabase
from roeh.ledger.log import Log
from roeh.ledger.recorder import Recorder
from roeh.ledger.records import Record
from roeh.ledger.segments import SegmentFiles
from roeh.ledger.stream_signatures import StreamSignatures
from tests.gops import GopSource
from tests.waiting import wait_until


class QuickSigner:
    """Signs at once, with no key: what a signature is worth is tested where it is checked."""

    chain_pem = b"-----BEGIN CERTIFICATE-----\n"

    def sign(self, message):
        return hashlib.sha256(message).digest() * 2


class Node:
    """A recorder on a store of its own."""

    def __init__(self, directory, signer=None, segment_s=2.0, cameras=("north", "south")):
        self.directory = directory
        self.clock = SimulatedClock(t_mono_ns=10**9)
        self.database = NodeDatabase(directory / "node.db")
        self.log = Log(self.database, self.clock, site="harbour", node="pole-7")
        self.files = SegmentFiles(directory / "segments")
        self.closed = 0
        self.lost = []
        self.signatures = StreamSignatures(signer or QuickSigner(), Vendor("1", "2", "Roeh"))
        self.recorder = Recorder(
            self.database,
            self.log,
            self.files,
            self.clock,
            cameras=cameras,
            segment_s=segment_s,
            signatures=self.signatures,
            age_us=lambda: 7,
            make_room=lambda needed_bytes: None,
            on_closed=self._count_closed,
            on_lost=self.lost.append,
        )

    def _count_closed(self):
        self.closed += 1

    def store(self, *gops):
        return [self.recorder.store(gop) for gop in gops]

    def rows(self, query):
        with self.database.reading() as connection:
            return connection.execute(query).fetchall()

    def records(self, kind=None):
        with self.database.reading() as connection:
            found = [
                msgspec.json.decode(json, type=Record)
                for json in self.log.records(connection, 0, 999)
            ]
        return [
            record.body
            for record in found
            if kind is None or record.body.__struct_config__.tag == kind
        ]

    def bytes_of(self, camera_id, number):
        return (self.directory / "segments" / camera_id / f"{number:08d}.mp4").read_bytes()

    def close(self):
        self.recorder.close()
        self.files.close()
        self.database.close()


@pytest.fixture
def node(memory_directory):
    node = Node(memory_directory)
    yield node
    node.close()


def test_groups_of_a_segment_stand_one_behind_the_other(node):
    stored = node.store(*GopSource().take(6))
    assert [(one.segment, one.fragment) for one in stored] == [
        (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1),
    ]  # fmt: skip
    (segment,) = node.records("segment")
    whole = node.bytes_of("north", 1)
    assert segment.sha256 == hashlib.sha256(whole).hexdigest()
    assert segment.init_bytes + sum(f.size_bytes for f in segment.fragments) == len(whole)
    at = segment.init_bytes
    assert hashlib.sha256(whole[:at]).hexdigest() == segment.init_sha256
    for entry in segment.fragments:
        assert hashlib.sha256(whole[at : at + entry.size_bytes]).hexdigest() == entry.sha256
        at += entry.size_bytes
    assert (segment.end_reason, segment.path) == ("full", "north/00000001.mp4")
    assert [entry.gop_counter for entry in segment.fragments] == [1, 2, 3, 4]
    assert node.records("gap") == []
    assert node.closed == 1
