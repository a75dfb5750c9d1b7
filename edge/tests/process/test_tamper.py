"""Whatever is done to a store is found, and placed to its GOP, its file or its record."""

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from roeh.bitstream.media_signing import is_media_signing_sei
from roeh.bitstream.mp4_read import read_fragments, read_init
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.bitstream.nal import is_slice, join_length_prefixed, split_length_prefixed
from roeh.core.clock import SimulatedClock
from roeh.keys.chain import trust_anchors
from roeh.ledger.canonical import canonical_json
from roeh.ledger.merkle import leaf_hash, root
from roeh.ledger.note import Checkpoint, checkpoint_text, sign_note
from roeh.ledger.records import AccessRecord
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check, Weight
from tests.authorities import City
from tests.sealed_stores import RECORDED_US, NodeName, SealedStore, Witness, copied, root_pem
from tests.trees import Tree

CAMERA = "north"
DOCS = Path(__file__).parents[2] / "docs" / "verify.md"


class Recording:
    """A store that was sealed and witnessed as it went, and one of another pole beside it."""

    def __init__(self, directory):
        self.city = City()
        self.witness = Witness()
        self.notes = []
        self.directory = directory / "pole-7"
        self.store = SealedStore(self.directory, self.city)
        source = self.store.source()
        for number in range(5):
            if number == 2:
                self.store.append(AccessRecord(person="clerk-4", action="show", detail="north 1"))
            self.store.record(source, 4)
            self._witness(self.store.seal())
        self.store.close()
        self._witness(self.store.checkpoints.newest())
        other = SealedStore(
            directory / "pole-8", self.city, name=NodeName(site="haifa", node="pole-8")
        )
        other.record(other.source(), 20)
        other.close()
        self.other_directory = directory / "pole-8"

    def _witness(self, note):
        self.notes.append(self.witness.cosign(note, RECORDED_US // 10**6 + 60))

    def verified(self, directory, *, with_checkpoints=False):
        checkpoints = tuple(
            NoteSource(f"witnessed-{number}", note, is_own=False)
            for number, note in enumerate(self.notes)
        )
        beliefs = Beliefs(
            anchors=trust_anchors(root_pem(self.city)),
            checkpoints=checkpoints if with_checkpoints else (),
            witnesses=(self.witness.key,),
        )
        return verify(directory, beliefs, SimulatedClock())


class Copy:
    """A copy of the store, to be tampered with."""

    def __init__(self, recording, directory):
        self.recording = recording
        self.directory = directory

    def segment(self, number):
        return self.directory / "segments" / CAMERA / f"{number:08d}.mp4"

    def rewrite(self, number, change):
        """The segment written anew, as somebody with tools would: `change` gets its GOPs."""
        path = self.segment(number)
        content = path.read_bytes()
        read = list(read_fragments(content))
        lasting = read[0].units[1].dts - read[0].units[0].dts
        gops = change([list(each.units) for each in read])
        written = init_segment(read_init(content))
        dts = 0
        for sequence, units in enumerate(gops, 1):
            timed = [
                msgspec.structs.replace(u, dts=dts + i * lasting, pts=dts + i * lasting)
                for i, u in enumerate(units)
            ]
            end = dts + len(units) * lasting
            written += fragment(sequence, dts, timed, end)
            dts = end
        path.write_bytes(written)

    def flip(self, number, gop, picture, *, in_sei=False):
        """One bit of a picture's slice, or of the signature before it, changed in place."""
        path = self.segment(number)
        content = bytearray(path.read_bytes())
        each = list(read_fragments(bytes(content)))[gop - 1]
        unit = each.units[picture - 1]
        at = each.unit_offsets_bytes[picture - 1]
        for nal in split_length_prefixed(unit.nal_units):
            at += 4
            if is_media_signing_sei(nal) if in_sei else is_slice("h264", nal):
                content[at + len(nal) - 8] ^= 0x10
                break
            at += len(nal)
        path.write_bytes(content)

    @property
    def mirror(self):
        return self.directory / "ledger" / "000000.jsonl"

    def change_mirror(self, change):
        lines = self.mirror.read_bytes().splitlines()
        self.mirror.write_bytes(b"".join(line + b"\n" for line in change(lines)))

    def leaf_of(self, kind, **wanted):
        """The leaf of the first record of a kind."""
        for leaf, line in enumerate(self.mirror.read_bytes().splitlines()):
            body = json.loads(line)["body"]
            if body["kind"] == kind and wanted.items() <= body.items():
                return leaf
        raise AssertionError(kind)

    def sign_anew(self):
        """Sign the ledger as it is now, with the pole's own log key."""
        tree = Tree()
        for line in self.mirror.read_bytes().splitlines():
            tree.append(leaf_hash(line))
        signer = self.recording.store.log_signer
        origin = self.recording.store.log.origin
        text = checkpoint_text(Checkpoint(origin, tree.size, root(tree.size, tree.read)))
        note = sign_note(text, name=origin, spki_der=signer.spki_der, sign=signer.sign)
        (self.directory / "ledger" / "checkpoint").write_text(note)


def edited(line, **changed):
    record = json.loads(line)
    record["body"].update(changed)
    return canonical_json(record)


@dataclass(frozen=True)
class Tampering:
    """What is done, what is found, and where; a row of the table in docs/verify.md."""

    name: str
    do: object
    what: str
    segment: int | None = None
    gop: int | None = None
    leaf: object = None
    against: Aspect = Aspect.BYTES
    with_checkpoints: bool = False


def _swap_gops(gops):
    return [gops[0], gops[2], gops[1], *gops[3:]]


def _swap_pictures(gops):
    gops[1][1], gops[1][2] = gops[1][2], gops[1][1]
    return gops


def _strip_sei(gops):
    kept = [
        nal for nal in split_length_prefixed(gops[1][0].nal_units) if not is_media_signing_sei(nal)
    ]
    gops[1][0] = msgspec.structs.replace(gops[1][0], nal_units=join_length_prefixed(kept))
    return gops


def _truncate(copy):
    path = copy.segment(2)
    each = list(read_fragments(path.read_bytes()))[2]
    with path.open("r+b") as file:
        file.truncate(each.offset_bytes + each.size_bytes // 2)


def _edit_access(copy):
    leaf = copy.leaf_of("access")
    copy.change_mirror(
        lambda lines: [*lines[:leaf], edited(lines[leaf], person="clerk-5"), *lines[leaf + 1 :]]
    )


def _edit_segment_record(copy):
    leaf = copy.leaf_of("segment", segment=2)

    def change(lines):
        body = json.loads(lines[leaf])["body"]
        body["fragments"][1]["sha256"] = "0" * 64
        return [*lines[:leaf], edited(lines[leaf], **body), *lines[leaf + 1 :]]

    copy.change_mirror(change)


def _fork(copy):
    _edit_access(copy)
    copy.sign_anew()


def _cut_tail(copy):
    copy.change_mirror(lambda lines: lines[:-1])
    copy.segment(5).unlink()
    copy.sign_anew()


def _strip_all_seis(copy):
    def strip(gops):
        for gop in gops:
            kept = [
                nal
                for nal in split_length_prefixed(gop[0].nal_units)
                if not is_media_signing_sei(nal)
            ]
            gop[0] = msgspec.structs.replace(gop[0], nal_units=join_length_prefixed(kept))
        return gops

    copy.rewrite(2, strip)


MATRIX = [
    Tampering("bit flipped in a key picture", lambda c: c.flip(2, 2, 1), "gop_changed", 2, 2),
    Tampering("bit flipped in a P picture", lambda c: c.flip(2, 3, 4), "gop_changed", 2, 3),
    Tampering(
        "bit flipped in a signature (SEI)",
        lambda c: c.flip(2, 2, 1, in_sei=True),
        "stream_signature_wrong",
        2,
        1,
    ),
    Tampering(
        "picture removed",
        lambda c: c.rewrite(2, lambda gops: [gops[0], gops[1][:2] + gops[1][3:], *gops[2:]]),
        "pictures_missing",
        2,
        2,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "picture added",
        lambda c: c.rewrite(2, lambda gops: [gops[0], [*gops[1], gops[2][1]], *gops[2:]]),
        "stream_signature_wrong",
        2,
        2,
    ),
    Tampering(
        "pictures swapped", lambda c: c.rewrite(2, _swap_pictures), "stream_signature_wrong", 2, 2
    ),
    Tampering(
        "picture duplicated",
        lambda c: c.rewrite(2, lambda gops: [gops[0], gops[1][:3] + gops[1][2:], *gops[2:]]),
        "stream_signature_wrong",
        2,
        2,
    ),
    Tampering(
        "GOP removed",
        lambda c: c.rewrite(2, lambda gops: [gops[0], *gops[2:]]),
        "gops_missing",
        2,
        2,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "GOPs reordered",
        lambda c: c.rewrite(2, _swap_gops),
        "gop_moved",
        2,
        3,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "GOP duplicated",
        lambda c: c.rewrite(2, lambda gops: [gops[0], gops[1], gops[1], *gops[2:]]),
        "without_signature",
        2,
        3,
    ),
    Tampering(
        "signature (SEI) stripped",
        lambda c: c.rewrite(2, _strip_sei),
        "gop_changed",
        2,
        2,
    ),
    Tampering("every SEI of a segment stripped", _strip_all_seis, "gop_changed", 2, 1),
    Tampering("segment truncated", _truncate, "truncated", 2, 3),
    Tampering(
        "segment deleted",
        lambda c: c.segment(3).unlink(),
        "segment_missing",
        3,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "segment replaced by an older one",
        lambda c: shutil.copy(c.segment(1), c.segment(3)),
        "gop_changed",
        3,
        1,
    ),
    Tampering(
        "segment taken from another pole",
        lambda c: shutil.copy(
            c.recording.other_directory / "segments" / CAMERA / "00000002.mp4", c.segment(2)
        ),
        "signer_not_trusted",
        2,
        1,
        against=Aspect.SIGNER,
    ),
    Tampering(
        "bytes added behind a segment",
        lambda c: c.segment(2).write_bytes(c.segment(2).read_bytes() + b"\0\0\0\x08free"),
        "bytes_added",
        2,
        4,
    ),
    Tampering(
        "segment put in that was never recorded",
        lambda c: shutil.copy(c.segment(2), c.segment(9)),
        "not_recorded",
        9,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "ledger record edited",
        _edit_access,
        "ledger_forked",
        leaf=lambda c: c.leaf_of("access"),
        against=Aspect.COMPLETE,
        with_checkpoints=True,
    ),
    Tampering(
        "ledger record of a segment edited",
        _edit_segment_record,
        "gop_changed",
        2,
        2,
        leaf=lambda c: c.leaf_of("segment", segment=2),
    ),
    Tampering(
        "ledger record removed",
        lambda c: c.change_mirror(lambda lines: [*lines[:4], *lines[5:]]),
        "records_missing",
        leaf=lambda c: 4,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "ledger records reordered",
        lambda c: c.change_mirror(lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]]),
        "record_moved",
        leaf=lambda c: 4,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "ledger record written by hand",
        lambda c: c.change_mirror(lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]]),
        "record_rewritten",
        leaf=lambda c: 0,
        against=Aspect.COMPLETE,
    ),
    Tampering(
        "ledger forked with the real log key",
        _fork,
        "ledger_forked",
        leaf=lambda c: c.leaf_of("access"),
        against=Aspect.COMPLETE,
        with_checkpoints=True,
    ),
    Tampering(
        "tail cut behind a witnessed checkpoint, signed anew",
        _cut_tail,
        "tail_cut",
        leaf=lambda c: len(c.mirror.read_bytes().splitlines()),
        against=Aspect.COMPLETE,
        with_checkpoints=True,
    ),
]


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return Recording(tmp_path_factory.mktemp("recording"))


def checks(report):
    return {conclusion.aspect: conclusion.check for conclusion in report.conclusions}


def test_what_nobody_touched_is_found_whole(recording):
    report = recording.verified(recording.directory, with_checkpoints=True)
    assert [f for f in report.findings if f.weight is not Weight.NOTE] == []
    assert report.exit_status == 0
    assert set(checks(report).values()) == {Check.OK, Check.NOT_CHECKED}
    assert checks(report)[Aspect.CUSTODY] is Check.NOT_CHECKED


@pytest.mark.parametrize("tampering", MATRIX, ids=lambda each: each.name)
def test_tampering_is_found_and_placed(recording, tmp_path, tampering):
    copy = Copy(recording, copied(recording.directory, tmp_path / "copy"))
    leaf = tampering.leaf(copy) if tampering.what != "tail_cut" and tampering.leaf else None
    tampering.do(copy)
    if tampering.what == "tail_cut":
        leaf = tampering.leaf(copy)
    report = recording.verified(copy.directory, with_checkpoints=tampering.with_checkpoints)
    path = tampering.segment and f"segments/{CAMERA}/{tampering.segment:08d}.mp4"
    found = [
        finding
        for finding in report.findings
        if finding.what == tampering.what
        and finding.weight is Weight.FAIL
        and finding.path == path
        and finding.gop == tampering.gop
        and (leaf is None or finding.leaf == leaf)
    ]
    assert found, [(f.what, f.path, f.gop, f.leaf, f.detail) for f in report.findings]
    assert checks(report)[tampering.against] is Check.FAIL
    assert report.exit_status & (64 | tampering.against.bit) == 64 | tampering.against.bit


def test_a_file_of_another_pole_is_not_trusted_without_its_ledger_either(recording, tmp_path):
    """The city's root vouches for both poles; only the ledger says whose store this is."""
    report = recording.verified(recording.other_directory / "segments" / CAMERA / "00000001.mp4")
    assert checks(report)[Aspect.SIGNER] is Check.OK


def table():
    """The matrix as the page shows it."""
    rows = ["| what was done | found as | placed to | says FAIL to |", "| --- | --- | --- | --- |"]
    for each in MATRIX:
        places = ["file"] * (each.segment is not None) + ["GOP"] * (each.gop is not None)
        places += ["ledger leaf"] * (each.leaf is not None)
        rows.append(f"| {each.name} | `{each.what}` | {', '.join(places)} | {each.against.value} |")
    return "\n".join(rows)


def test_the_page_shows_the_matrix():
    shown = re.search(r"<!-- matrix -->\n(.*?)\n<!-- end -->", DOCS.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == table()
