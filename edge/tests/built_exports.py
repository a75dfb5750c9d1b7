"""Exports built here, without a child, and what is in them."""

import contextlib
import io
import sys
import zipfile

import msgspec

from roeh.bundle import layout
from roeh.bundle.encryption import decrypt, new_identity
from roeh.bundle.layout import ExportDocument, SegmentEntry
from roeh.bundle.rendering import Renderer
from roeh.core.ipc.stream import StreamClient
from roeh.core.paths import evidence_socket, exports_dir
from roeh.core.peers import Role
from roeh.retrieve.exports.builder import Builder
from roeh.retrieve.exports.building import ExportBuilding
from tests.process.children import CLOCK

#: As fast as it goes.
FAST_BPS = 100_000_000_000
IDENTITY = new_identity()
#: No child can be started: quick, and nothing may depend on it.
NO_RENDERER = Renderer(program="/nonexistent")


def with_access(config, **changed):
    """The configuration with other settings of access; builds as fast as it goes."""
    access = msgspec.structs.replace(config.access, **({"build_bps": FAST_BPS} | changed))
    return msgspec.structs.replace(config, access=access)


def approved(node, seconds, **changed):
    """An export of the first seconds that were recorded, agreed to."""
    said = {"to_utc_us": node.begin_us + seconds * 1_000_000, "recipients": (IDENTITY.recipient,)}
    return node.approved(**(said | changed))


class Beforehand:
    """Evidence as it is; something happens right before each question of one verb."""

    def __init__(self, evidence, verb, happens):
        self._evidence, self._verb, self._happens = evidence, verb, happens

    def call(self, verb, request, answer_type):
        if verb is self._verb:
            self._happens()
        return self._evidence.call(verb, request, answer_type)


def build(node, export_id, *, renderer=NO_RENDERER, before=None, **changed):
    """Build it in this process; `before`: a verb, and what happens before it is asked."""
    config = with_access(node.evidence.config, **changed)
    client = StreamClient(evidence_socket(config), Role.RETRIEVE, CLOCK, timeout_s=30.0)
    try:
        evidence = client if before is None else Beforehand(client, *before)
        return Builder(config, evidence, CLOCK, renderer).build(export_id)
    finally:
        client.close()


def step(node, program=sys.executable, *, times=1, **changed):
    """What retrieve does for its exports, with a child for each that is to be built."""
    config = with_access(node.evidence.config, **changed)
    with contextlib.closing(ExportBuilding(config, CLOCK, program)) as building:
        for _ in range(times):
            building.step()


def bundle_path(node, export_id):
    return exports_dir(node.evidence.config) / f"{export_id}.age"


class OpenedBundle:
    """What is in a bundle that is ready."""

    def __init__(self, node, export_id, identity=IDENTITY):
        sink = io.BytesIO()
        with bundle_path(node, export_id).open("rb") as source:
            decrypt(source, sink, [identity])
        self.raw = sink.getvalue()
        bag = f"{layout.bag_name(export_id)}/"
        with zipfile.ZipFile(sink) as read:
            self.files = {name.removeprefix(bag): read.read(name) for name in read.namelist()}

    @property
    def document(self):
        return msgspec.json.decode(self.files[layout.EXPORT], type=ExportDocument)

    @property
    def segments(self):
        lines = self.files[layout.SEGMENT_LINES].splitlines()
        return [msgspec.json.decode(line, type=SegmentEntry) for line in lines]
