"""Groups of pictures through the whole evidence process: kept, playable, continued."""

import contextlib
import hashlib
import random
import threading

import msgspec
import pytest

from roeh.core.errors import MessageRefused, PeerGone, StorageFailed
from roeh.core.gop import Discontinuity, StreamEnd
from roeh.core.paths import node_database, segments_dir
from roeh.core.peers import Done, EndStream, GopStored, Role, StoreGop, Verb
from roeh.ledger.database import open_database
from roeh.ledger.records import Record
from tests.apt import require_packages
from tests.gops import GopSource
from tests.process.children import CLOCK, PATIENCE_S, node_config, running_evidence
from tests.waiting import wait_until

SHORT_SEGMENTS = """
[evidence]
segment_s = 2.0
min_free_bytes = 0
"""


def store_gop(evidence, gop):
    return evidence.client(Role.CAPTURE).call(Verb.GOP_STORE, StoreGop(gop), GopStored)


def records(config, kind=None):
    """The bodies of the ledger's records, once evidence has ended."""
    database = open_database(node_database(config))
    try:
        rows = database.execute("SELECT json FROM record ORDER BY leaf").fetchall()
    finally:
        database.close()
    bodies = [msgspec.json.decode(json, type=Record).body for (json,) in rows]
    return [one for one in bodies if kind is None or one.__struct_config__.tag == kind]


def files(config):
    return sorted(segments_dir(config).glob("*/*.mp4"))


def test_what_was_acknowledged_is_there_and_the_end_is_clean(short_directory):
    source = GopSource("sensor")
    with running_evidence(short_directory, SHORT_SEGMENTS) as evidence:
        for gop in source.take(6):
            store_gop(evidence, gop)
        wait_until(lambda: evidence.status().checkpoint)
        assert [one.camera_id for one in evidence.status().cameras] == ["sensor"]
        assert evidence.stop() == 0
    segments = records(evidence.config, "segment")
    assert [one.end_reason for one in segments] == ["full", "stopped"]
    for segment, path in zip(segments, files(evidence.config), strict=True):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == segment.sha256
    assert [one.was_clean for one in records(evidence.config, "boot")] == [True]
