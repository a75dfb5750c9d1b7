"""Whatever is done to a bundle is found and placed, here and by the stock tools concerned."""

import io
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from roeh.access.requests import request_bytes
from roeh.bitstream.media_signing import is_media_signing_sei
from roeh.bitstream.mp4_read import read_fragments, read_init
from roeh.bitstream.mp4_write import fragment, init_segment
from roeh.bitstream.nal import is_slice, split_length_prefixed
from roeh.bundle import layout
from roeh.bundle.encryption import encrypt, new_identity
from roeh.bundle.zip_file import read_zip
from roeh.core.clock import SimulatedClock
from roeh.core.errors import BundleRefused
from roeh.core.gop import TICKS_PER_S
from roeh.core.retrieval import Approval, PersonRole
from roeh.keys.chain import TrustAnchors, trust_anchors
from roeh.keys.revocation import revocation_lists
from roeh.keys.signer import KeyUsage, NodeName
from roeh.ledger.note import checkpoint_text, parse_checkpoint, parse_note, sign_note
from roeh.ledger.records import ExportRecord, ReleaseRecord
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check, Weight
from tests.apt import require_packages
from tests.authorities import day_us, days, list_pem, revoked
from tests.bundles import (
    CAMERA,
    ExportedStore,
    bag_info,
    encrypted,
    kind_of,
    manifest_of,
    sha256,
    told_cameras,
    write_bag,
    zipped,
)
from tests.people import PeopledCity
from tests.sealed_stores import SoftwareSigner
from tests.time_stamping import TimeStamper

DOCS = Path(__file__).parents[2] / "docs" / "verify.md"
SEGMENT = layout.segment_file(CAMERA, 3)
BYTES, SIGNER, COMPLETE = Aspect.BYTES, Aspect.SIGNER, Aspect.COMPLETE
TIME, CUSTODY = Aspect.TIME, Aspect.CUSTODY

pytestmark = pytest.mark.apt("openssl age")


class Exported:
    """A bundle that nobody touched, in each form, and what its reader believes."""

    def __init__(self, directory):
        require_packages("openssl", "age")
        self.directory = directory
        self.stamper = TimeStamper(directory / "tsa")
        self.store = ExportedStore(directory / "store", stamper=self.stamper)
        self.files = self.store.bag()
        self.payload = {p: c for p, c in self.files.items() if layout.is_payload(p)}
        self.identity = new_identity()
        self.key_file = directory / "age.key"
        self.key_file.write_text(f"{self.identity.secret}\n")
        self.root_file = directory / "root.pem"
        self.root_file.write_bytes(self.store.city.root_pem)
        self.beliefs = Beliefs(
            anchors=trust_anchors(self.store.city.root_pem),
            witnesses=(self.store.witness.key,),
            identities=(self.identity.secret,),
            timestamp_roots=(self.stamper.root.certificate,),
        )

    def verified(self, path, **believed):
        beliefs = Beliefs(
            **({name: getattr(self.beliefs, name) for name in Beliefs.__slots__} | believed)
        )
        return verify(path, beliefs, SimulatedClock())

    def sealed_anew(self, change):
        """What a builder that lies gets sealed: `change` gets the payload."""
        payload = dict(self.payload)
        change(payload)
        return self.store.sealed(payload)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("exported"))


def checks(report):
    return {conclusion.aspect: conclusion.check for conclusion in report.conclusions}


def failed(report):
    return {(f.what, f.path) for f in report.findings if f.weight is Weight.FAIL}


# --- what nobody touched ---------------------------------------------------------------------


@pytest.mark.parametrize("form", ["directory", "zip", "age"])
def test_what_nobody_touched_is_found_whole_in_each_form(exported, tmp_path, form):
    path = written(exported.files, tmp_path, form, exported)
    report = exported.verified(path)
    assert [f for f in report.findings if f.weight is not Weight.NOTE] == []
    assert set(checks(report).values()) == {Check.OK}
    assert report.exit_status == 0
    assert report.bundle.form == form
    assert report.bundle.requester.startswith("Dana Levi (100)")
    assert report.bundle.approver.startswith("Noa Bar (200)")
    assert [line.kind for line in report.custody][-2:] == ["export", "export"]


def written(files, directory, form, exported):
    if form == "directory":
        return write_bag(files, directory / "bag")
    content = zipped(files)
    if form == "age":
        content = encrypted(content, exported.identity.recipient)
    path = directory / f"export.zip{'.age' if form == 'age' else ''}"
    path.write_bytes(content)
    return path


def test_what_was_not_brought_is_not_checked(exported, tmp_path):
    """Nobody's word is believed for want of a root, and no time without a witness."""
    bag = write_bag(exported.files, tmp_path / "bag")
    report = verify(bag, Beliefs(), SimulatedClock())
    found = checks(report)
    assert (found[SIGNER], found[TIME], found[CUSTODY]) == (Check.NOT_CHECKED,) * 3
    assert report.exit_status == 32
    report = exported.verified(bag, timestamp_roots=())
    assert checks(report)[TIME] is Check.NOT_CHECKED


def test_a_time_stamp_anchors_where_no_witness_is_known(exported, tmp_path):
    report = exported.verified(write_bag(exported.files, tmp_path / "bag"), witnesses=())
    assert checks(report)[TIME] is Check.OK


def test_another_key_opens_nothing(exported, tmp_path):
    path = written(exported.files, tmp_path, "age", exported)
    with pytest.raises(BundleRefused, match="none of the keys"):
        exported.verified(path, identities=(new_identity().secret,))
    with pytest.raises(BundleRefused, match="no key was given"):
        exported.verified(path, identities=())


# --- what is done to the file that lies on a stick ----------------------------------------------


@dataclass(frozen=True)
class Tampering:
    """What is done, what is found, and where; a row of the table in docs/verify.md."""

    name: str
    do: object
    what: str
    path: str | None
    against: Aspect = BYTES
    gop: int | None = None
    has_leaf: bool = False
    tool: str = ""


def flip(content, at=None):
    changed = bytearray(content)
    changed[len(changed) // 2 if at is None else at] ^= 0x10
    return bytes(changed)


def _in_zip(content, path, member_offset):
    """A byte of the zip that belongs to a member: `header`, `content` or `behind`."""
    members = {m.name.partition("/")[2]: m for m in read_zip(io.BytesIO(content)).members}
    member = members[path]
    at = {
        "header": member.offset_bytes + 8,
        "content": member.content_bytes + member.size_bytes // 2,
        "behind": member.content_bytes + member.size_bytes + 6,
    }[member_offset]
    return flip(content, at)


def _reordered(files):
    order = list(files)
    order[0], order[1] = order[1], order[0]
    return zipped({path: files[path] for path in order})


ZIP = [
    Tampering(
        "byte of the zip round a file",
        lambda files: _in_zip(zipped(files), SEGMENT, "header"),
        "zip_inexact",
        SEGMENT,
    ),
    Tampering(
        "byte of the zip behind a file",
        lambda files: _in_zip(zipped(files), SEGMENT, "behind"),
        "zip_inexact",
        SEGMENT,
    ),
    Tampering(
        "byte of a file in the zip",
        lambda files: _in_zip(zipped(files), SEGMENT, "content"),
        "file_changed",
        SEGMENT,
    ),
    Tampering(
        "byte of the zip's directory",
        lambda files: flip(zipped(files), -1500),
        "zip_damaged",
        None,
    ),
    Tampering("bytes behind the zip", lambda files: zipped(files) + b"more", "zip_damaged", None),
    Tampering("files of the zip in another order", _reordered, "zip_inexact", SEGMENT),
]


def _first_difference(content):
    return content.index(b"\n--- ") + 10


AGE = [
    Tampering(
        "byte of the age file's head",
        lambda content: flip(content, _first_difference(content)),
        "age_not_authentic",
        None,
        tool="age",
    ),
    Tampering("byte of the age file", flip, "age_not_authentic", None, tool="age"),
    Tampering(
        "the age file cut short",
        lambda content: content[:-40],
        "age_not_authentic",
        None,
        tool="age",
    ),
]


def _without(path):
    def do(files):
        del files[path]

    return do


def _flipped(path, at=None):
    def do(files):
        files[path] = flip(files[path], at)

    return do


def _other_digit(path):
    """The first digit of the first hash."""

    def do(files):
        files[path] = (b"1" if files[path][:1] == b"0" else b"0") + files[path][1:]

    return do


def _added(files):
    files["data/report/stills/extra.jpg"] = b"\xff\xd8"


def _manifest_rewritten(files):
    """By somebody who has no key: all hashes are right again."""
    files[SEGMENT] = flip(files[SEGMENT])
    payload = {path: content for path, content in files.items() if layout.is_payload(path)}
    files[layout.MANIFEST] = manifest_of(payload)
    _tags_rewritten(files)


def _tags_rewritten(files):
    tags = {p: c for p, c in files.items() if not layout.is_payload(p) and p != layout.TAG_MANIFEST}
    files[layout.TAG_MANIFEST] = manifest_of(tags)


def _line_moved(files):
    lines = files[layout.MANIFEST].splitlines(keepends=True)
    files[layout.MANIFEST] = b"".join([lines[1], lines[0], *lines[2:]])
    _tags_rewritten(files)


def _outside(files):
    line = f"{sha256(b'')}  data/../../etc/passwd\n".encode()
    files[layout.MANIFEST] += line
    _tags_rewritten(files)


def _oxum(files):
    files[layout.BAG_INFO] = bag_info({"data/x": b"12345"})
    _tags_rewritten(files)


SHA256SUM, CMS, TS = "sha256sum", "openssl cms", "openssl ts"

OUTSIDE = [
    *(
        Tampering(f"byte of {name}", _flipped(path), "file_changed", path, tool=SHA256SUM)
        for name, path in (
            ("a segment", SEGMENT),
            ("the playable video", layout.ONLY_VIDEO),
            ("the report", layout.report_file("en", "html")),
            ("what the bundle says of itself", layout.EXPORT),
            ("the request", layout.REQUEST),
            ("the approval", layout.APPROVAL),
            ("the trust list", layout.TRUST_LIST),
            ("the records", layout.RECORDS),
            ("the proofs", layout.INCLUSION),
            ("the checkpoint", layout.CHECKPOINT),
            ("a certificate", layout.CERTIFICATES["manifest"]),
            ("the seal's record", layout.SEAL_RECORD),
        )
    ),
    Tampering(
        "byte of the checkpoint's time-stamp",
        _flipped(layout.CHECKPOINT_TIMESTAMP, -40),
        "timestamp_wrong",
        layout.CHECKPOINT_TIMESTAMP,
        TIME,
        tool=TS,
    ),
    Tampering(
        "byte of the manifest",
        _other_digit(layout.MANIFEST),
        "manifest_signature_wrong",
        layout.MANIFEST_SIGNATURE,
        tool=CMS,
    ),
    Tampering(
        "byte of the manifest's signature",
        _flipped(layout.MANIFEST_SIGNATURE, -10),
        "manifest_signature_wrong",
        layout.MANIFEST_SIGNATURE,
        tool=CMS,
    ),
    Tampering(
        "byte of the tag manifest",
        _other_digit(layout.TAG_MANIFEST),
        "file_changed",
        layout.BAGIT,
        tool=SHA256SUM,
    ),
    Tampering("file removed", _without(SEGMENT), "file_missing", SEGMENT, COMPLETE, tool=SHA256SUM),
    Tampering("file added", _added, "file_unlisted", "data/report/stills/extra.jpg", COMPLETE),
    Tampering(
        "segment changed, all hashes written anew",
        _manifest_rewritten,
        "manifest_signature_wrong",
        layout.MANIFEST_SIGNATURE,
        tool=CMS,
    ),
    Tampering(
        "lines of the manifest in another order",
        _line_moved,
        "manifest_signature_wrong",
        layout.MANIFEST_SIGNATURE,
        tool=CMS,
    ),
    Tampering("manifest names a file outside", _outside, "path_unsafe", layout.MANIFEST),
    Tampering("count of bytes rewritten", _oxum, "payload_oxum_wrong", layout.BAG_INFO, COMPLETE),
    Tampering(
        "signature removed",
        lambda files: (_without(layout.MANIFEST_SIGNATURE)(files), _tags_rewritten(files)),
        "manifest_unsigned",
        layout.MANIFEST_SIGNATURE,
        SIGNER,
    ),
]


def _put(path, content):
    """A file put in, and whatever nobody signs written anew."""

    def do(files):
        files[path] = content
        _tags_rewritten(files)

    return do


OUTSIDE += [
    Tampering(
        "file added beside data/, tag manifest written anew",
        _put("READ-ME-FIRST.html", b"<h1>All lies</h1>"),
        "file_unlisted",
        "READ-ME-FIRST.html",
        COMPLETE,
    ),
    Tampering(
        "words added to bag-info.txt",
        lambda files: _put(
            layout.BAG_INFO, files[layout.BAG_INFO] + b"External-Description: made up\n"
        )(files),
        "bag_info_wrong",
        layout.BAG_INFO,
    ),
    Tampering(
        "a file whose name differs in capitals alone",
        _put("DATA/video.mp4", b"another video"),
        "path_unsafe",
        layout.ONLY_VIDEO,
    ),
    Tampering(
        "another's certificate for that of the pictures",
        lambda files: _put(layout.CERTIFICATES["media"], files[layout.CERTIFICATES["manifest"]])(
            files
        ),
        "certificate_differs",
        layout.CERTIFICATES["media"],
        SIGNER,
    ),
    Tampering(
        "words among the certificates",
        lambda files: _put(
            layout.CERTIFICATES["log"], b"Revoked!\n" + files[layout.CERTIFICATES["log"]]
        )(files),
        "certificate_differs",
        layout.CERTIFICATES["log"],
        SIGNER,
    ),
    Tampering(
        "proof that the seal continues the ledger removed",
        lambda files: (_without(layout.SEAL_CONSISTENCY)(files), _tags_rewritten(files)),
        "seal_not_proven",
        layout.SEAL_CHECKPOINT,
        CUSTODY,
        has_leaf=True,
    ),
]


def expect(report, tampering):
    found = [
        finding
        for finding in report.findings
        if finding.what == tampering.what
        and finding.weight is Weight.FAIL
        and finding.path == tampering.path
        and (tampering.gop is None or finding.gop == tampering.gop)
        and (not tampering.has_leaf or finding.leaf is not None)
    ]
    assert found, [(f.what, f.path, f.gop, f.leaf, f.detail) for f in report.findings]
    assert checks(report)[tampering.against] is Check.FAIL
    assert report.exit_status & (64 | tampering.against.bit) == 64 | tampering.against.bit


@pytest.mark.parametrize("tampering", ZIP, ids=lambda each: each.name)
def test_a_changed_zip_is_found_and_placed(exported, tmp_path, tampering):
    path = tmp_path / "export.zip"
    path.write_bytes(tampering.do(exported.files))
    expect(exported.verified(path), tampering)


@pytest.mark.parametrize("tampering", AGE, ids=lambda each: each.name)
def test_a_changed_age_file_is_found(exported, tmp_path, tampering):
    path = tmp_path / "export.zip.age"
    content = encrypted(zipped(exported.files), exported.identity.recipient)
    path.write_bytes(content)
    assert stock(exported, path, "age") == 0
    path.write_bytes(tampering.do(content))
    expect(exported.verified(path), tampering)
    assert stock(exported, path, "age") != 0


@pytest.mark.parametrize("tampering", OUTSIDE, ids=lambda each: each.name)
def test_a_changed_bag_is_found_and_placed(exported, tmp_path, tampering):
    files = dict(exported.files)
    tampering.do(files)
    bag = write_bag(files, tmp_path / "bag")
    expect(exported.verified(bag), tampering)
    if tampering.tool:
        assert stock(exported, bag, tampering.tool) != 0


@pytest.mark.parametrize("tool", [SHA256SUM, CMS, TS])
def test_stock_tools_accept_what_nobody_touched(exported, tmp_path, tool):
    assert stock(exported, write_bag(exported.files, tmp_path / "bag"), tool) == 0


def stock(exported, path, tool):
    """The exit status of what an expert of a court runs; docs/verify.md has the same lines."""
    if tool == "age":
        return status(["age", "-d", "-i", exported.key_file, "-o", "/dev/null", path], path.parent)
    if tool == SHA256SUM:
        manifests = (layout.MANIFEST, layout.TAG_MANIFEST)
        return max(status(["sha256sum", "--quiet", "-c", name], path) for name in manifests)
    if tool == CMS:
        then_s = exported.store.now_us() // 10**6
        signed = (
            f"{layout.MANIFEST_SIGNATURE} -content {layout.MANIFEST}",
            layout.APPROVAL,
            layout.TRUST_LIST,
        )
        return max(
            status(
                f"openssl cms -verify -binary -inform DER -in {each} -CAfile {exported.root_file}"
                f" -purpose any -attime {then_s} -out /dev/null".split(),
                path,
            )
            for each in signed
        )
    ca = exported.stamper.root_file
    stamped = (
        (layout.CHECKPOINT_TIMESTAMP, layout.CHECKPOINT),
        (layout.SEAL_TIMESTAMP, layout.MANIFEST),
    )
    return max(
        status(["openssl", "ts", "-verify", "-in", tsr, "-data", data, "-CAfile", ca], path)
        for tsr, data in stamped
    )


def status(command, directory):
    return subprocess.run(
        list(map(str, command)), cwd=directory, capture_output=True, check=False
    ).returncode


def test_a_byte_of_any_file_is_found_there(exported, tmp_path):
    """Of every file that a manifest names; the manifests' own bytes are rows of the table."""
    bag = write_bag(exported.files, tmp_path / "bag")
    named = exported.files.keys() - {layout.MANIFEST, layout.TAG_MANIFEST}
    for path in named:
        (bag / path).write_bytes(flip(exported.files[path]))
    found = {path for what, path in failed(exported.verified(bag)) if what == "file_changed"}
    assert found == named


def test_links_and_pipes_are_not_followed(exported, tmp_path):
    bag = write_bag(exported.files, tmp_path / "bag")
    (bag / SEGMENT).unlink()
    (bag / SEGMENT).symlink_to(tmp_path / "elsewhere.mp4")
    shutil.copy(exported.directory / "root.pem", tmp_path / "elsewhere.mp4")
    assert ("not_a_file", SEGMENT) in failed(exported.verified(bag))


# --- what a pole's own builder could get sealed, if it lied ------------------------------------


def _segment_flipped(picture, *, in_sei=False):
    """One bit of a picture or of a signature, as the pole's disk might have it."""

    def do(payload):
        content = bytearray(payload[SEGMENT])
        each = list(read_fragments(bytes(content)))[1]
        unit, at = each.units[picture - 1], each.unit_offsets_bytes[picture - 1]
        for nal in split_length_prefixed(unit.nal_units):
            at += 4
            if is_media_signing_sei(nal) if in_sei else is_slice("h264", nal):
                content[at + len(nal) - 8] ^= 0x10
                break
            at += len(nal)
        payload[SEGMENT] = bytes(content)

    return do


def _rewritten(content, change, *, lasting_factor=1):
    read = list(read_fragments(content))
    lasting = (read[0].units[1].dts - read[0].units[0].dts) * lasting_factor
    config, gops = change(read_init(content), [list(each.units) for each in read])
    out, dts = init_segment(config), 0
    for sequence, units in enumerate(gops, 1):
        timed = [
            msgspec.structs.replace(u, dts=dts + i * lasting, pts=dts + i * lasting)
            for i, u in enumerate(units)
        ]
        end = dts + len(units) * lasting
        out += fragment(sequence, dts, timed, end)
        dts = end
    return out


def _video(change, **how):
    def do(payload):
        payload[layout.ONLY_VIDEO] = _rewritten(payload[layout.ONLY_VIDEO], change, **how)

    return do


def _lines(path, change):
    def do(payload):
        lines = payload[path].splitlines()
        payload[path] = b"".join(line + b"\n" for line in change(lines))

    return do


def _both_lines(change):
    """The same lines of records and proofs."""

    def do(payload):
        kept = change(payload[layout.RECORDS].splitlines())
        for path in (layout.RECORDS, layout.INCLUSION):
            lines = payload[path].splitlines()
            payload[path] = b"".join(lines[place] + b"\n" for place in kept)
        custody = [
            line
            for line in payload[layout.RECORDS].splitlines()
            if kind_of(line) in layout.CUSTODY_KINDS
        ]
        payload[layout.CUSTODY] = b"".join(line + b"\n" for line in custody)

    return do


def _not(**wanted):
    """Places of the records that are not this one."""

    def change(lines):
        bodies = [json.loads(line)["body"] for line in lines]
        return [n for n, body in enumerate(bodies) if not wanted.items() <= body.items()]

    return change


def _segment_dropped(payload):
    del payload[SEGMENT]
    _lines(
        layout.SEGMENT_LINES,
        lambda lines: [line for line in lines if json.loads(line)["segment"] != 3],
    )(payload)


def _segment_and_record_dropped(payload):
    _segment_dropped(payload)
    _both_lines(_not(kind="segment", segment=3))(payload)


def _first_segment_dropped(payload):
    del payload[layout.segment_file(CAMERA, 2)]
    _lines(layout.SEGMENT_LINES, lambda lines: lines[1:])(payload)
    _both_lines(_not(kind="segment", segment=2))(payload)


def _renumbered(payload):
    payload[layout.segment_file(CAMERA, 9)] = payload.pop(SEGMENT)


def _record_edited(payload):
    lines = payload[layout.RECORDS].splitlines()
    (place,) = [n for n, line in enumerate(lines) if json.loads(line)["body"].get("segment") == 3]
    lines[place] = lines[place].replace(b'"end_reason":"', b'"end_reason":"x', 1)
    payload[layout.RECORDS] = b"".join(line + b"\n" for line in lines)


def _document(**changed):
    def do(payload):
        document = msgspec.json.decode(payload[layout.EXPORT], type=layout.ExportDocument)
        payload[layout.EXPORT] = msgspec.json.encode(msgspec.structs.replace(document, **changed))

    return do


def _other_span(payload):
    document = msgspec.json.decode(payload[layout.EXPORT], type=layout.ExportDocument)
    request = msgspec.structs.replace(document.request, to_utc_us=document.request.to_utc_us + 1)
    payload[layout.REQUEST] = request_bytes(request)
    _document(request=request, request_sha256=sha256(request_bytes(request)))(payload)


def _told(payload):
    return msgspec.json.decode(payload[layout.EXPORT], type=layout.ExportDocument)


def _join_told(payload, **changed):
    """EXPORT tells of the video as it is, as a builder does that is in on it."""
    document, video = _told(payload), payload[layout.ONLY_VIDEO]
    (camera,) = document.cameras
    said = {
        "sha256": sha256(video),
        "size_bytes": len(video),
        "gops": len(list(read_fragments(video))),
    }
    join = msgspec.structs.replace(camera.joins[0], **(said | changed))
    camera = msgspec.structs.replace(camera, joins=(join,))
    _document(cameras=(camera,))(payload)


def _mirrored(payload):
    """The matrix in the header of the track: players show the picture the other way round."""
    video = bytearray(payload[layout.ONLY_VIDEO])
    at = video.index(b"tkhd") + 4 + 40
    assert video[at : at + 4] == b"\x00\x01\x00\x00"
    video[at : at + 4] = b"\xff\xff\x00\x00"
    payload[layout.ONLY_VIDEO] = bytes(video)
    _join_told(payload)


def _turned(payload):
    """Words for the decoder (SEI, display orientation) before a picture."""

    def change(config, gops):
        turned = msgspec.structs.replace(
            gops[1][0], nal_units=b"\x00\x00\x00\x04\x06\x2f\x01\x80" + gops[1][0].nal_units
        )
        return config, [gops[0], [turned, *gops[1][1:]], *gops[2:]]

    _video(change)(payload)
    _join_told(payload)


def _paused(payload):
    """Half a minute in which nothing seems to happen."""
    read = list(read_fragments(payload[layout.ONLY_VIDEO]))
    out = init_segment(read_init(payload[layout.ONLY_VIDEO]))
    for number, each in enumerate(read, 1):
        later = 30 * TICKS_PER_S if number > 3 else 0
        out += fragment(number, each.base_dts + later, each.units, each.end_dts)
    payload[layout.ONLY_VIDEO] = out
    _join_told(payload)


def _left_out_and_told(payload):
    _video(lambda config, gops: (config, gops[:-3]))(payload)
    told = _told(payload).cameras[0].joins[0]
    _join_told(payload, late_gops=0, gops_left_out=3, to_utc_us=told.to_utc_us)


def _entries(change):
    """Other lines of segments, and sums in EXPORT that are theirs."""

    def do(payload):
        lines = payload[layout.SEGMENT_LINES].splitlines()
        entries = [change(msgspec.json.decode(line, type=layout.SegmentEntry)) for line in lines]
        payload[layout.SEGMENT_LINES] = b"".join(msgspec.json.encode(e) + b"\n" for e in entries)
        joins = _told(payload).cameras[0].joins
        _document(cameras=told_cameras(entries, joins))(payload)

    return do


def _hour_later(entry):
    hour_us = 3_600_000_000
    gops = tuple(
        msgspec.structs.replace(
            gop, from_utc_us=gop.from_utc_us + hour_us, to_utc_us=gop.to_utc_us + hour_us
        )
        for gop in entry.gops
    )
    return msgspec.structs.replace(
        entry,
        from_utc_us=entry.from_utc_us + hour_us,
        to_utc_us=entry.to_utc_us + hour_us,
        gops=gops,
    )


def _not_asked(entry):
    gops = tuple(msgspec.structs.replace(gop, is_asked_for=False) for gop in entry.gops)
    return msgspec.structs.replace(entry, gops=gops)


def _gap_invented(payload):
    (camera,) = _told(payload).cameras
    gap = layout.GapEntry(3, CAMERA, camera.from_utc_us, camera.to_utc_us, "power")
    _document(cameras=(msgspec.structs.replace(camera, gaps=(gap,)),))(payload)


def _changed(of, **changed):
    """A part of EXPORT told otherwise."""

    def do(payload):
        part = getattr(_told(payload), of)
        said = {name: change(getattr(part, name)) for name, change in changed.items()}
        _document(**{of: msgspec.structs.replace(part, **said)})(payload)

    return do


def _another_segment(payload):
    payload[layout.segment_file(CAMERA, 6)] = payload[SEGMENT]


def _witnessed_elsewhere(payload):
    """A tree of the same size that is not the beginning of this one."""
    seen = parse_checkpoint(parse_note(payload[layout.WITNESSED].decode()).text)
    other = msgspec.structs.replace(seen, root=bytes(32))
    payload[layout.WITNESSED] = f"{checkpoint_text(other)}\n\N{EM DASH} x AAAAAAA=\n".encode()


def _moved(config, gops):
    return config, [gops[0], gops[2], gops[1], *gops[3:]]


INSIDE = [
    Tampering(
        "segment changed before it was sealed: a picture",
        _segment_flipped(3),
        "gop_changed",
        SEGMENT,
        gop=2,
        has_leaf=True,
    ),
    Tampering(
        "segment changed before it was sealed: a signature (SEI)",
        _segment_flipped(1, in_sei=True),
        "gop_changed",
        SEGMENT,
        gop=2,
        has_leaf=True,
    ),
    Tampering(
        "a changed segment called intact",
        _segment_flipped(3),
        "damage_untold",
        SEGMENT,
        has_leaf=True,
    ),
    Tampering(
        "playable video with another GOP's pictures",
        _video(lambda config, gops: (config, [*gops[:3], gops[3][:-1], *gops[4:]])),
        "video_differs",
        layout.ONLY_VIDEO,
        gop=4,
    ),
    Tampering(
        "playable video in another order",
        _video(_moved),
        "video_differs",
        layout.ONLY_VIDEO,
        gop=2,
    ),
    Tampering(
        "playable video slowed down",
        _video(lambda config, gops: (config, gops), lasting_factor=2),
        "video_differs",
        layout.ONLY_VIDEO,
        gop=1,
    ),
    Tampering(
        "playable video with another header",
        _video(
            lambda config, gops: (
                msgspec.structs.replace(config, width_px=config.width_px + 16),
                gops,
            )
        ),
        "video_differs",
        layout.ONLY_VIDEO,
    ),
    Tampering(
        "playable video cut",
        _video(lambda config, gops: (config, gops[:-3])),
        "video_shorter",
        SEGMENT,
    ),
    Tampering(
        "playable video mirrored by its header", _mirrored, "video_differs", layout.ONLY_VIDEO
    ),
    Tampering(
        "words for the decoder put into the playable video",
        _turned,
        "video_differs",
        layout.ONLY_VIDEO,
        gop=2,
    ),
    Tampering(
        "a pause put into the playable video", _paused, "video_differs", layout.ONLY_VIDEO, gop=4
    ),
    Tampering(
        "playable video cut, and told as unreadable", _left_out_and_told, "video_shorter", SEGMENT
    ),
    Tampering(
        "segments told to be of an hour later",
        _entries(_hour_later),
        "segment_line_wrong",
        SEGMENT,
        has_leaf=True,
    ),
    Tampering(
        "what was asked for told as not asked for",
        _entries(_not_asked),
        "segment_line_wrong",
        SEGMENT,
        has_leaf=True,
    ),
    Tampering("a gap invented", _gap_invented, "export_document_wrong", layout.EXPORT),
    Tampering(
        "the pole's clock told otherwise",
        _changed("clock", t_utc_us=lambda t_utc_us: t_utc_us + 3_600_000_000),
        "export_document_wrong",
        layout.EXPORT,
    ),
    Tampering(
        "the witness said to have seen it otherwise",
        _changed("witness", window_us=lambda _: 0),
        "export_document_wrong",
        layout.EXPORT,
    ),
    Tampering(
        "a key said to be in a chip",
        _document(key_homes={"media": "tpm"}),
        "export_document_wrong",
        layout.EXPORT,
    ),
    Tampering(
        "the approver called by another's name",
        _document(names={"p-00000000000000bb": "Somebody Else (300)"}),
        "names_differ",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "a segment more than was asked for",
        _another_segment,
        "not_asked_for",
        layout.segment_file(CAMERA, 6),
        COMPLETE,
    ),
    Tampering(
        "segment left out", _segment_dropped, "segment_missing", SEGMENT, COMPLETE, has_leaf=True
    ),
    Tampering(
        "segment left out with its record",
        _segment_and_record_dropped,
        "segment_unrecorded",
        None,
        COMPLETE,
        has_leaf=True,
    ),
    Tampering(
        "first segment of the span left out with its record",
        _first_segment_dropped,
        "span_uncovered",
        None,
        COMPLETE,
        has_leaf=True,
    ),
    Tampering(
        "segment renumbered", _renumbered, "not_recorded", layout.segment_file(CAMERA, 9), COMPLETE
    ),
    Tampering(
        "record edited",
        _record_edited,
        "record_not_proven",
        layout.RECORDS,
        COMPLETE,
        has_leaf=True,
    ),
    Tampering(
        "proof of another record",
        _lines(layout.INCLUSION, lambda lines: [lines[1], *lines[1:]]),
        "record_not_proven",
        layout.RECORDS,
        COMPLETE,
        has_leaf=True,
    ),
    Tampering(
        "witnessed checkpoint of another history",
        _witnessed_elsewhere,
        "witnessed_differs",
        layout.WITNESSED,
        COMPLETE,
    ),
    Tampering(
        "another case number in what the bundle says",
        _other_span,
        "request_differs",
        layout.REQUEST,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "another pole's name in what the bundle says",
        _document(node="pole-8"),
        "export_document_wrong",
        layout.EXPORT,
    ),
    Tampering(
        "custody without a record",
        _lines(layout.CUSTODY, lambda lines: lines[:-1]),
        "custody_differs",
        layout.CUSTODY,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "request's record left out",
        _both_lines(_not(kind="export_request")),
        "request_unrecorded",
        layout.REQUEST,
        CUSTODY,
    ),
    Tampering(
        "approval left out", _without(layout.APPROVAL), "approval_missing", layout.APPROVAL, CUSTODY
    ),
    Tampering(
        "time-stamp left out",
        _without(layout.CHECKPOINT_TIMESTAMP),
        "timestamp_missing",
        layout.CHECKPOINT_TIMESTAMP,
        TIME,
    ),
]


@pytest.mark.parametrize("tampering", INSIDE, ids=lambda each: each.name)
def test_what_a_lying_builder_gets_sealed_is_found_and_placed(exported, tmp_path, tampering):
    files = exported.sealed_anew(tampering.do)
    expect(exported.verified(write_bag(files, tmp_path / "bag")), tampering)


# --- who agreed --------------------------------------------------------------------------------


def _approved_by(holder_of, **how):
    """Somebody's approval, put on record by a pole that did not look."""

    def do(store):
        holder = holder_of(store)
        return holder.sign_approval(_approval_of(store, holder, **how))

    return do


def _approval_of(store, holder, *, request=None, not_before_us=None, expires_us=None):
    request = request or store.request
    start = store.request.requested_utc_us - 1_000_000 if not_before_us is None else not_before_us
    return Approval(
        request=request,
        request_sha256=sha256(request_bytes(request)),
        verdict="approved",
        approver_number=holder.person.number,
        not_before_utc_us=start,
        expires_utc_us=start + 86_400_000_000 if expires_us is None else expires_us,
    )


def _longer(store):
    return msgspec.structs.replace(store.request, to_utc_us=store.request.to_utc_us + 60_000_000)


def _own_second_certificate(store):
    return store.city.person(PersonRole.APPROVER, "100", name="Dana Levi")


APPROVALS = [
    Tampering(
        "approval by the asker's own second certificate",
        _approved_by(_own_second_certificate),
        "self_approval",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval for another span",
        lambda store: store.approver.sign_approval(
            _approval_of(store, store.approver, request=_longer(store))
        ),
        "another_request",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval by an investigator",
        _approved_by(lambda store: store.city.person(PersonRole.INVESTIGATOR, "300")),
        "not_an_approver",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval by a certificate of the staff's CA",
        _approved_by(
            lambda store: store.city.person(PersonRole.APPROVER, "300", issuer=store.city.staff_ca)
        ),
        "role_not_of_this_authority",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval by another city's approver",
        _approved_by(lambda store: PeopledCity("Elsewhere").person(PersonRole.APPROVER, "300")),
        "unknown_authority",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval by an expired certificate",
        _approved_by(
            lambda store: store.city.person(PersonRole.APPROVER, "300", validity=days(0, 50))
        ),
        "expired",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
    Tampering(
        "approval that had run out",
        _approved_by(lambda store: store.approver, not_before_us=day_us(90), expires_us=day_us(91)),
        "expired",
        layout.APPROVAL,
        CUSTODY,
        has_leaf=True,
    ),
]


@pytest.fixture(scope="module")
def approving(tmp_path_factory):
    """A store in whose ledger one request is agreed to again and again; the last time counts."""
    return ExportedStore(tmp_path_factory.mktemp("approving") / "store")


@pytest.mark.parametrize("tampering", APPROVALS, ids=lambda each: each.name)
def test_an_approval_that_does_not_count_is_found(approving, tmp_path, tampering):
    store = approving
    store.approval = tampering.do(store)
    store.record_custody()
    files = store.sealed(store.payload())
    expect(verified_alone(store, write_bag(files, tmp_path / "bag")), tampering)


def verified_alone(store, bag, *, crl=b""):
    anchors = trust_anchors(store.city.root_pem)
    if crl:
        anchors = TrustAnchors(anchors.certificates, revocation_lists(crl))
    beliefs = Beliefs(anchors=anchors, witnesses=(store.witness.key,))
    return verify(bag, beliefs, SimulatedClock())


def test_an_export_that_had_ended_does_not_leave(exported, tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    ended = ReleaseRecord(
        hold_id="019b0000-0000-7000-8000-0000000000aa", person="", reason="", step="ended"
    )
    store.append(ended)
    failed_step = ExportRecord(export_id=store.request.id, step="failed", person="", detail="")
    leaf = store.append(failed_step)
    report = verified_alone(store, write_bag(store.bag_of_payload(), tmp_path / "bag"))
    found = {(f.what, f.leaf) for f in report.findings if f.weight is Weight.FAIL}
    assert {("release_unfounded", leaf - 1), ("export_ended", leaf)} <= found


def test_a_record_from_after_somebody_saw_it_is_found(exported, tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.seen = store.witness.cosign(store.store.seal(), store.now_us() // 10**6 - 3600)
    report = verified_alone(store, write_bag(store.bag(), tmp_path / "bag"))
    assert failed(report) == {("clock_contradicted", layout.WITNESSED)}
    assert checks(report)[TIME] is Check.FAIL


def test_an_approval_that_is_not_on_record_is_found(exported, tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    store.approval = store.approver.approve(store.request)
    report = verified_alone(store, write_bag(store.sealed(store.payload()), tmp_path / "bag"))
    assert ("approval_unrecorded", layout.APPROVAL) in failed(report)
    assert checks(report)[CUSTODY] is Check.FAIL


@pytest.mark.parametrize(("on_day", "status"), [(99, Check.FAIL), (101, Check.OK)])
def test_an_approver_who_was_revoked_counts_only_before(exported, tmp_path, on_day, status):
    store = ExportedStore(tmp_path / "store")
    bag = write_bag(store.bag(), tmp_path / "bag")
    entry = revoked(store.approver.certificate, on_day=on_day)
    report = verified_alone(store, bag, crl=list_pem(store.city.police_ca, entry))
    assert checks(report)[CUSTODY] is status
    what = "revoked" if status is Check.FAIL else "revoked_later"
    assert what in {finding.what for finding in report.findings}


def test_a_trust_list_of_another_root_is_not_believed(exported, tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    payload = store.payload()
    payload[layout.TRUST_LIST] = PeopledCity("Elsewhere").trust_list(version=3)
    report = verified_alone(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert ("trust_list_not_trusted", layout.TRUST_LIST) in failed(report)


# --- who sealed it -------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["another city's", "another pole's", "the pole's media key"])
def test_a_manifest_that_another_key_signed_is_not_trusted(exported, tmp_path, key):
    city = exported.store.city
    signer = {
        "another city's": lambda: SoftwareSigner(PeopledCity("Elsewhere"), KeyUsage.MANIFEST),
        "another pole's": lambda: SoftwareSigner(
            city, KeyUsage.MANIFEST, NodeName(site="haifa", node="pole-8")
        ),
        "the pole's media key": lambda: exported.store.store.media,
    }[key]()
    files = dict(exported.files)
    manifest = files[layout.MANIFEST]
    files[layout.MANIFEST_SIGNATURE] = exported.store.sign_manifest(manifest, signer)
    files[layout.CERTIFICATES["manifest"]] = signer.chain_pem
    _tags_rewritten(files)
    report = exported.verified(write_bag(files, tmp_path / "bag"))
    assert ("manifest_key_not_trusted", layout.MANIFEST_SIGNATURE) in failed(report)
    assert ("key_not_recorded", layout.MANIFEST_SIGNATURE) in failed(report)
    assert checks(report)[SIGNER] is Check.FAIL


def test_a_seal_under_a_checkpoint_of_a_key_that_nobody_vouches_for_is_found(exported, tmp_path):
    """Whoever has the manifest key and no log key makes a log key."""
    own = SoftwareSigner(PeopledCity("Elsewhere"), KeyUsage.LOG)
    files = dict(exported.files)
    text = parse_note(files[layout.SEAL_CHECKPOINT].decode()).text
    origin = parse_checkpoint(text).origin
    note = sign_note(text, name=origin, spki_der=own.spki_der, sign=own.sign)
    files[layout.SEAL_CHECKPOINT] = note.encode()
    files[layout.CERTIFICATES["log"]] += own.chain_pem
    _tags_rewritten(files)
    report = exported.verified(write_bag(files, tmp_path / "bag"))
    assert failed(report) == {("log_key_not_trusted", layout.SEAL_CHECKPOINT)}


def test_whatever_this_version_does_not_know_is_not_called_checked(exported, tmp_path):
    files = exported.sealed_anew(lambda payload: payload.update({"data/evil.exe": b"MZ"}))
    report = exported.verified(write_bag(files, tmp_path / "unknown"))
    assert checks(report)[COMPLETE] is Check.NOT_CHECKED

    def say_more(payload):
        payload[layout.EXPORT] = payload[layout.EXPORT][:-1] + b',"verdict":"guilty"}'

    report = exported.verified(write_bag(exported.sealed_anew(say_more), tmp_path / "more"))
    assert checks(report)[BYTES] is Check.NOT_CHECKED


def test_a_file_that_more_keys_open_than_were_agreed_to_is_told(exported, tmp_path):
    keys = [exported.identity.recipient, new_identity().recipient]
    sink = io.BytesIO()
    encrypt([zipped(exported.files)], sink, keys)
    path = tmp_path / "export.zip.age"
    path.write_bytes(sink.getvalue())
    report = exported.verified(path)
    assert [f.what for f in report.findings if f.weight is not Weight.NOTE] == ["more_keys"]
    assert checks(report)[CUSTODY] is Check.NOT_CHECKED


def test_a_zip_that_calls_the_bag_otherwise_is_found(exported, tmp_path):
    path = tmp_path / "export.zip"
    path.write_bytes(zipped(exported.files, "019b0000-0000-7000-8000-00000000000f"))
    assert ("zip_inexact", layout.BAG_INFO) in failed(exported.verified(path))


def test_what_lies_beside_the_bag_is_no_part_of_it(exported, tmp_path):
    write_bag(exported.files, tmp_path / layout.bag_name("x"))
    (tmp_path / "video.mp4").write_bytes(b"another video")
    report = exported.verified(tmp_path)
    assert report.exit_status == 0
    (beside,) = [f for f in report.findings if f.what == "beside_bag"]
    assert "video.mp4" in beside.detail


def test_a_seal_of_another_manifest_is_found(exported, tmp_path):
    other = exported.sealed_anew(lambda payload: payload.update({layout.REQUEST: b"{}"}))
    files = dict(exported.files)
    for path in (layout.SEAL_RECORD, layout.SEAL_INCLUSION, layout.SEAL_CHECKPOINT):
        files[path] = other[path]
    _tags_rewritten(files)
    report = exported.verified(write_bag(files, tmp_path / "bag"))
    assert ("seal_differs", layout.SEAL_RECORD) in failed(report)


def test_time_stamps_of_another_authority_do_not_count(exported, tmp_path):
    other = TimeStamper(tmp_path / "other", "Somebody")
    report = exported.verified(
        write_bag(exported.files, tmp_path / "bag"), timestamp_roots=(other.root.certificate,)
    )
    assert {what for what, _ in failed(report)} == {"timestamp_wrong"}
    assert checks(report)[TIME] is Check.FAIL


def test_damage_on_the_pole_leaves_with_the_bundle_and_is_told(exported, tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    path = tmp_path / "store" / "segments" / CAMERA / "00000003.mp4"
    path.write_bytes(flip(path.read_bytes()))
    report = verified_alone(store, write_bag(store.bag_of_payload(), tmp_path / "bag"))
    words = {(f.what, f.path, f.weight) for f in report.findings}
    assert ("damage_told", SEGMENT, Weight.NOTE) in words
    assert checks(report)[BYTES] is Check.FAIL
    assert "damage_untold" not in {what for what, _, _ in words}


# --- the page ------------------------------------------------------------------------------------

MATRIX = [*AGE, *ZIP, *OUTSIDE, *INSIDE, *APPROVALS]


def table():
    """The matrix as the page shows it."""
    rows = [
        "| what was done | found as | placed to | says FAIL to | and so does |",
        "| --- | --- | --- | --- | --- |",
    ]
    for each in MATRIX:
        places = ["file"] * (each.path is not None) + ["GOP"] * (each.gop is not None)
        places += ["ledger leaf"] * each.has_leaf
        where = ", ".join(places) or "the whole"
        tool = f"`{each.tool}`" if each.tool else ""
        rows.append(f"| {each.name} | `{each.what}` | {where} | {each.against.value} | {tool} |")
    return "\n".join(rows)


def test_the_page_shows_the_matrix():
    shown = re.search(r"<!-- bundle matrix -->\n(.*?)\n<!-- end -->", DOCS.read_text(), re.DOTALL)
    assert shown is not None
    assert shown[1] == table()
