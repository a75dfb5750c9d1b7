"""What else a bundle can be: redacted, with holes by rule, garbage; and no libraries to read it."""

import json
import subprocess
import sys

import msgspec
import pytest

from roeh.bundle import layout
from roeh.core.clock import SimulatedClock
from roeh.core.retrieval import PersonRole, Region
from roeh.keys.chain import trust_anchors
from roeh.ledger.records import PruneRecord, Record
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Aspect, Check, Weight
from tests.authorities import day_us, revoked
from tests.bundles import (
    CAMERA,
    ExportedStore,
    sha256,
    told_cameras,
    told_join,
    write_bag,
    zipped,
)

BYTES, COMPLETE, CUSTODY = Aspect.BYTES, Aspect.COMPLETE, Aspect.CUSTODY
SEGMENT = layout.segment_file(CAMERA, 3)


def verified(store, bag, **believed):
    beliefs = Beliefs(
        **(
            {
                "anchors": trust_anchors(store.city.root_pem),
                "witnesses": (store.witness.key,),
            }
            | believed
        )
    )
    return verify(bag, beliefs, SimulatedClock())


def checks(report):
    return {conclusion.aspect: conclusion.check for conclusion in report.conclusions}


def failed(report):
    return {(f.what, f.path) for f in report.findings if f.weight is Weight.FAIL}


# --- deleted by rule, before it was asked for --------------------------------------------------


def pruned_export(store):
    """Segment 3 was deleted, on record, before the export."""
    with store.store.database.reading() as connection:
        lines = store.store.log.records(connection, 0, 1000)
    (leaf,) = [
        leaf for leaf, line in enumerate(lines) if json.loads(line)["body"].get("segment") == 3
    ]
    store.store.append(
        PruneRecord(row=3, camera_id=CAMERA, segment=3, segment_leaf=leaf, reason="age")
    )
    store.record_custody()
    payload = store.payload()
    original = payload.pop(SEGMENT)
    entries = [
        msgspec.json.decode(line, type=layout.SegmentEntry)
        for line in payload[layout.SEGMENT_LINES].splitlines()
    ]
    entries[1] = msgspec.structs.replace(
        entries[1], path="", state="deleted", sha256="", size_bytes=0, gops=()
    )
    payload[layout.SEGMENT_LINES] = b"".join(msgspec.json.encode(e) + b"\n" for e in entries)
    # What is left is played in two pieces.
    first, _, last = store.recorded_segments()
    joins = []
    del payload[layout.ONLY_VIDEO]
    for number, (segment, entry) in enumerate(((first, entries[0]), (last, entries[2])), 1):
        path = layout.video_file(CAMERA, number)
        payload[path] = store.video([segment])
        joins.append(told_join(path, payload[path], [entry]))
    store.tell(payload, cameras=told_cameras(entries, joins))
    return payload, original


def test_what_was_deleted_by_rule_is_not_missed(tmp_path):
    store = ExportedStore(tmp_path / "store")
    payload, _ = pruned_export(store)
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert failed(report) == set()
    assert checks(report)[COMPLETE] is Check.OK
    assert report.ledger.pruned == 1


def test_a_rule_that_is_not_on_record_deletes_nothing(tmp_path):
    """The same bundle without the record that it was deleted."""
    store = ExportedStore(tmp_path / "store")
    payload, _ = pruned_export(store)
    lines = payload[layout.RECORDS].splitlines()
    kept = [n for n, line in enumerate(lines) if json.loads(line)["body"]["kind"] != "prune"]
    for path in (layout.RECORDS, layout.INCLUSION):
        each = payload[path].splitlines()
        payload[path] = b"".join(each[n] + b"\n" for n in kept)
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert ("segment_missing", SEGMENT) in failed(report)


# --- redacted ----------------------------------------------------------------------------------


class Redacted(ExportedStore):
    """A privacy officer asked: a derived video instead of originals."""

    def __init__(self, directory):
        super().__init__(directory, kind="redacted", regions=(Region(CAMERA, 0, 0, 16, 16),))
        officer = self.city.person(PersonRole.PRIVACY_OFFICER, "100", name="Dana Levi")
        self.request_signed = officer.sign_request(self.request)

    def redacted_payload(self):
        self.record_custody()
        payload = self.payload()
        originals = []
        for line in payload[layout.RECORDS].splitlines():
            record = msgspec.json.decode(line, type=Record)
            body = record.body
            path = layout.segment_file(CAMERA, getattr(body, "segment", 0))
            if path in payload:
                del payload[path]
                originals.append(
                    layout.OriginalEntry(body.segment, record.leaf, body.sha256, body.sha256)
                )
        video = payload.pop(layout.ONLY_VIDEO)
        path, sidecar = layout.redacted_file(CAMERA, 1), layout.redacted_sidecar(CAMERA, 1)
        payload[path] = video
        payload[sidecar] = msgspec.json.encode(
            layout.RedactedSidecar(
                camera_id=CAMERA,
                sha256=sha256(video),
                size_bytes=len(video),
                from_utc_us=self.request.from_utc_us,
                to_utc_us=self.request.to_utc_us,
                regions=self.request.regions,
                originals=tuple(originals),
            )
        )
        lines = [
            msgspec.structs.replace(msgspec.json.decode(line, type=layout.SegmentEntry), path="")
            for line in payload[layout.SEGMENT_LINES].splitlines()
        ]
        payload[layout.SEGMENT_LINES] = b"".join(msgspec.json.encode(e) + b"\n" for e in lines)
        self.tell(
            payload,
            kind="redacted",
            cameras=told_cameras(lines, ()),
            redacted=(layout.RedactedEntry(CAMERA, path, sidecar),),
        )
        return payload


@pytest.fixture(scope="module")
def redacted(tmp_path_factory):
    """A store, and the payload of a redacted export of it."""
    store = Redacted(tmp_path_factory.mktemp("redacted") / "store")
    return store, store.redacted_payload()


def test_a_redacted_bundle_names_proven_originals(redacted, tmp_path):
    store, payload = redacted
    files = store.sealed(payload)
    report = verified(store, write_bag(files, tmp_path / "bag"))
    assert failed(report) == set()
    assert report.exit_status == 0
    assert "derivative" in {f.what for f in report.findings}
    assert "derivative" in report.conclusions[0].reasons[0]


def test_a_redacted_copy_of_something_else_is_found(redacted, tmp_path):
    store, payload = redacted[0], dict(redacted[1])
    sidecar = layout.redacted_sidecar(CAMERA, 1)
    content = json.loads(payload[sidecar])
    content["originals"][0]["sha256_recorded"] = "0" * 64
    content["originals"][1]["sha256"] = "1" * 64
    content["originals"][2]["leaf"] += 100
    payload[sidecar] = json.dumps(content).encode()
    payload[layout.redacted_file(CAMERA, 1)] += b"more"
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert {
        ("original_differs", sidecar),
        ("original_damaged", sidecar),
        ("original_unproven", sidecar),
        ("redacted_differs", layout.redacted_file(CAMERA, 1)),
    } <= failed(report)


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("original_left_out", lambda told: {"originals": told.originals[1:]}),
        ("region_shown", lambda told: {"regions": (Region(CAMERA, 0, 0, 16, 15),)}),
        ("sidecar_wrong", lambda told: {"to_utc_us": told.to_utc_us - 1_000_000}),
        ("sidecar_wrong", lambda told: {"camera_id": "south"}),
    ],
)
def test_a_redacted_copy_that_hides_less_or_shows_less_is_found(redacted, tmp_path, what, change):
    store, payload = redacted[0], dict(redacted[1])
    sidecar = layout.redacted_sidecar(CAMERA, 1)
    told = msgspec.json.decode(payload[sidecar], type=layout.RedactedSidecar)
    payload[sidecar] = msgspec.json.encode(msgspec.structs.replace(told, **change(told)))
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert what in {what for what, _ in failed(report)}


@pytest.mark.parametrize(
    "path", [SEGMENT, layout.ONLY_VIDEO, layout.redacted_file(CAMERA, 2)], ids=str
)
def test_a_redacted_bundle_with_more_than_was_agreed_to_is_found(redacted, tmp_path, path):
    store, payload = redacted[0], dict(redacted[1])
    payload[path] = payload[layout.redacted_file(CAMERA, 1)]
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    wanted = {"export_document_wrong", "video_untold"}
    assert wanted & {what for what, _ in failed(report)}


# --- checkpoints that were kept elsewhere --------------------------------------------------------


def test_a_checkpoint_kept_elsewhere_is_compared_where_it_can_be(tmp_path):
    store = ExportedStore(tmp_path / "store")
    bag = write_bag(store.bag(), tmp_path / "bag")
    same = NoteSource("kept", store.checkpoint, is_own=False)
    assert verified(store, bag, checkpoints=(same,)).exit_status == 0
    later = NoteSource("later", store.store.seal(), is_own=False)
    report = verified(store, bag, checkpoints=(later,))
    assert "checkpoint_unrelated" in {f.what for f in report.findings}
    assert report.exit_status == 32
    other = ExportedStore(tmp_path / "other")
    other.record_custody()
    other.payload()
    forked = NoteSource("other", other.checkpoint, is_own=False)
    report = verified(store, bag, checkpoints=(forked,))
    assert checks(report)[COMPLETE] is not Check.OK


def test_the_bag_in_its_directory_is_found_as_unzip_leaves_it(tmp_path):
    store = ExportedStore(tmp_path / "store")
    write_bag(store.bag(), tmp_path / "unpacked" / layout.bag_name("x"))
    assert verified(store, tmp_path / "unpacked").exit_status == 0


# --- garbage -------------------------------------------------------------------------------------

GARBAGE = {
    "nothing": lambda content: b"",
    "another type": lambda content: b"[]",
    "deep": lambda content: b"[" * 100_000,
    "half": lambda content: content[: len(content) // 2],
    "twice": lambda content: content * 2,
    "no text": lambda content: bytes(byte ^ 0xA5 for byte in content),
    "large numbers": lambda content: content.replace(b"1", b"99999999999999999999"),
    "below zero": lambda content: content.replace(b":1", b":-1"),
    "null": lambda content: content.replace(b'":"', b'":null,"x":"'),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store, and the files of an export of it."""
    store = ExportedStore(tmp_path_factory.mktemp("whole") / "store")
    return store, store.bag()


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_in_every_file_is_a_report(whole, tmp_path, name):
    """All files at once but the manifests, then the manifests too."""
    store, files = whole
    manifests = {layout.MANIFEST, layout.TAG_MANIFEST}
    for spared in (manifests, set()):
        changed = {
            path: content if path in spared else GARBAGE[name](content)
            for path, content in files.items()
        }
        changed[layout.BAGIT] = changed[layout.BAGIT] or b"x"
        report = verified(store, write_bag(changed, tmp_path / f"bag-{len(spared)}"))
        assert report.exit_status & 64


@pytest.mark.parametrize("at", [2, 10, 50, 90, 97, 99])
def test_a_cut_zip_is_a_report(whole, tmp_path, at):
    store, files = whole
    content = zipped(files)
    path = tmp_path / "export.zip"
    path.write_bytes(content[: len(content) * at // 100])
    report = verified(store, path)
    assert {what for what, _ in failed(report)} == {"zip_damaged"}


# --- libraries that are not there -----------------------------------------------------------------

_WITHOUT = """
import sys
sys.modules["pyrage"] = sys.modules["rfc3161_client"] = None
from roeh.verify.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_check_whose_library_is_absent_is_not_checked(tmp_path):
    store = ExportedStore(tmp_path / "store")
    root = tmp_path / "root.pem"
    root.write_bytes(store.city.root_pem)
    store.record_custody()
    payload = store.payload()
    payload[layout.CHECKPOINT_TIMESTAMP] = b"stamp"
    bag = write_bag(store.sealed(payload), tmp_path / "bag")
    (tmp_path / "export.age").write_bytes(b"age-encryption.org/v1\n-> X25519 x\n")
    (tmp_path / "age.key").write_text("AGE-SECRET-KEY-1QQQ\n")
    alone, key = (sys.executable, "-c", _WITHOUT), tmp_path / "age.key"
    for path, what in ((bag, "timestamp_unchecked"), (tmp_path / "export.age", "age_not_checked")):
        done = subprocess.run(
            [*alone, path, "--json", "--trust", root, "--tsa", root, "--identity", key],
            capture_output=True,
            text=True,
            check=False,
        )
        report = json.loads(done.stdout)
        (found,) = [finding for finding in report["findings"] if finding["what"] == what]
        assert found["weight"] == "not checked"
        assert "pip install" in found["detail"]
        assert done.returncode & 32


def test_who_asks_over_tls_is_the_poles_word(tmp_path):
    """Without a signature of their own it is a note; a record that says otherwise is no note."""
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    payload = store.payload()
    del payload[layout.REQUEST_SIGNED]
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert "request_unsigned" in {f.what for f in report.findings if f.weight is Weight.NOTE}
    assert ("request_differs", layout.REQUEST_SIGNED) in failed(report)


def test_a_request_signed_by_somebody_else_is_found(tmp_path):
    store = ExportedStore(tmp_path / "store")
    other = store.city.person(PersonRole.INVESTIGATOR, "500")
    store.request_signed = other.sign_request(store.request)
    report = verified(store, write_bag(store.bag(), tmp_path / "bag"))
    assert ("another_signer", layout.REQUEST_SIGNED) in failed(report)


def test_a_pole_s_key_that_the_trust_list_revokes_is_not_trusted(tmp_path):
    """A witness had seen the pictures before, so those still count; the manifest came after."""
    store = ExportedStore(tmp_path / "store")
    entries = [revoked(leaf, on_day=100) for leaf in (store.manifest_signer.leaf,)]
    store.trust_list = store.city.trust_list(version=4, issued_us=day_us(99), revoked=entries)
    store.trust_version = 4
    report = verified(store, write_bag(store.bag(), tmp_path / "bag"))
    assert failed(report) == {("manifest_key_not_trusted", layout.MANIFEST_SIGNATURE)}


def test_a_camera_that_nothing_answers_for_is_not_called_complete(tmp_path):
    store = ExportedStore(tmp_path / "store", cameras=(CAMERA, "south"))
    report = verified(store, write_bag(store.bag(), tmp_path / "bag"))
    assert failed(report) == set()
    assert checks(report)[COMPLETE] is Check.NOT_CHECKED


def test_an_approver_s_trust_list_that_is_older_than_the_record_is_told(tmp_path):
    store = ExportedStore(tmp_path / "store")
    store.record_custody()
    payload = store.payload()
    payload[layout.TRUST_LIST] = store.city.trust_list(version=2, issued_us=day_us(98))
    report = verified(store, write_bag(store.sealed(payload), tmp_path / "bag"))
    assert ("trust_list_differs", layout.TRUST_LIST) in failed(report)
    assert checks(report)[CUSTODY] is Check.FAIL
    assert checks(report)[BYTES] is Check.OK
