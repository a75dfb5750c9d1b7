"""An approved export becomes a bundle that stock tools open; what is damaged leaves as it is."""

import contextlib
import hashlib
import os
import subprocess

import msgspec
import pytest

from roeh.bundle import layout
from roeh.bundle.zip_file import read_zip
from roeh.core.errors import ExportFailed
from roeh.core.gop import StreamEnd
from roeh.core.peers import EndStream, Role, StoreGop, Verb
from roeh.core.retrieval import PersonRole, Region
from roeh.retrieve.exports.builder import BuildLater
from tests.apt import require_packages
from tests.built_exports import (
    IDENTITY,
    OpenedBundle,
    approved,
    build,
    bundle_path,
    step,
)
from tests.credential_keys import credential_key
from tests.process.custodians import probed
from tests.retrieval_node import retrieval_node
from tests.time_stamping import TimeStamper, openssl, serving

#: Two groups of pictures a segment, a segment a second.
SECONDS = 6


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    with retrieval_node(tmp_path_factory.mktemp("node")) as node:
        node.believe()
        node.record(2 * SECONDS)
        yield node


def segment_path(node, number):
    return node.directory / f"data/segments/north/{number:08d}.mp4"


def built(node, seconds, **changed):
    row = approved(node, seconds)
    build(node, row.id, **changed)
    return OpenedBundle(node, row.id)


@contextlib.contextmanager
def kept_as_it_is(path):
    """What a test does to a file is undone."""
    content = path.read_bytes()
    try:
        yield content
    finally:
        path.write_bytes(content)


@pytest.mark.apt("age", "unzip", "ffmpeg")
def test_stock_tools_open_check_and_play_what_the_pole_built_by_itself(node, tmp_path):
    require_packages("age", "unzip", "ffmpeg")
    row = approved(node, 3)
    step(node)  # a child builds it, report and all
    assert node.exports(row.id)[0].state == "ready"
    encrypted = bundle_path(node, row.id)
    assert hashlib.sha256(encrypted.read_bytes()).hexdigest() == node.exports(row.id)[0].sha256

    (tmp_path / "key.txt").write_text(f"{IDENTITY.secret}\n")
    opening = f"age -d -i key.txt {encrypted} > b.zip && unzip -q b.zip && cd roeh-export-*"
    checking = "sha256sum -c --quiet manifest-sha256.txt tagmanifest-sha256.txt"
    subprocess.run(["bash", "-ec", f"{opening} && {checking}"], cwd=tmp_path, check=True)
    bag = tmp_path / layout.bag_name(row.id)
    pictures, seconds, complaints = probed(bag / layout.ONLY_VIDEO)
    # Half a second more brings the signature of the last group of pictures.
    assert (pictures, seconds, complaints) == (35, pytest.approx(3.5), "")
    for number in (1, 2, 3, 4):
        copied = bag / layout.segment_file("north", number)
        assert copied.read_bytes() == segment_path(node, number).read_bytes()
    assert not (bag / layout.segment_file("north", 5)).exists()
    for language in ("en", "he"):
        assert (bag / layout.report_file(language, "pdf")).read_bytes().startswith(b"%PDF")
        assert b"<html" in (bag / layout.report_file(language, "html")).read_bytes()
    assert len(list((bag / layout.STILLS_DIRECTORY).iterdir())) == 3
    with (tmp_path / "b.zip").open("rb") as file:
        assert read_zip(file).faults == ()


def test_each_file_is_where_the_layout_says_and_told_in_export_json(node):
    bundle = built(node, 2)
    assert all(map(layout.is_known_path, bundle.files))
    listed = bundle.files[layout.MANIFEST].decode().splitlines()
    found = {line.split("  ")[1]: line.split("  ")[0] for line in listed}
    for path, content in bundle.files.items():
        if layout.is_payload(path):
            assert found.pop(path) == hashlib.sha256(content).hexdigest()
    assert not found
    document = bundle.document
    (camera,) = document.cameras
    (join,) = camera.joins
    assert (camera.intact, camera.damaged, camera.unproven) == (3, 0, 0)
    assert (join.gops, join.late_gops, join.gops_left_out) == (5, 1, 0)
    assert document.damage == ()
    assert document.trust_list.version == 1
    lines = bundle.files[layout.RECORDS].splitlines()
    assert document.records == len(lines) == len(bundle.files[layout.INCLUSION].splitlines())
    assert set(bundle.files[layout.CUSTODY].splitlines()) < set(lines)


def test_without_a_renderer_there_is_a_bundle_and_it_says_what_it_lacks(node):
    bundle = built(node, 1)
    assert layout.report_file("he", "html") in bundle.files
    assert layout.report_file("he", "pdf") not in bundle.files
    assert any("no picture" in note for note in bundle.document.notes)
    assert any("PDF" in note for note in bundle.document.notes)


@pytest.mark.parametrize("place", [100, -100], ids=["in the first pictures", "in the last ones"])
def test_a_changed_byte_leaves_with_the_evidence_and_is_told(node, place):
    path = segment_path(node, 2)
    with kept_as_it_is(path) as content:
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        bundle = built(node, 3)
    entry = bundle.segments[1]
    assert entry.state == "damaged"
    assert bundle.files[entry.path] == bytes(changed)
    assert entry.sha256 == hashlib.sha256(changed).hexdigest() != entry.sha256_recorded
    assert bundle.document.cameras[0].damaged == 1
    assert any("north/00000002.mp4" in line for line in bundle.document.damage)
    others = [one.state for one in bundle.segments if one.segment != 2]
    assert set(others) == {"intact"}


def test_a_segment_that_is_gone_is_told_and_the_rest_leaves(node):
    path = segment_path(node, 2)
    with kept_as_it_is(path):
        path.unlink()
        bundle = built(node, 3)
    entry = bundle.segments[1]
    assert (entry.state, entry.path, entry.sha256) == ("missing", "", "")
    assert entry.sha256_recorded
    assert layout.segment_file("north", 3) in bundle.files
    joins = bundle.document.cameras[0].joins
    assert sum(join.gops for join in joins) == 5  # those of the others, and the late one


@pytest.mark.parametrize("what", ["cut", "longer", "empty", "garbage", "a directory", "a link"])
def test_whatever_became_of_a_segment_there_is_a_bundle(node, what):
    path = segment_path(node, 2)
    with kept_as_it_is(path) as content:
        path.unlink()
        if what == "a directory":
            path.mkdir()
        elif what == "a link":
            path.symlink_to("/etc/hostname")
        else:
            made = {"cut": content[:700], "longer": content + b"more", "empty": b""}
            path.write_bytes(made.get(what, os.urandom(len(content))))
        bundle = built(node, 3)
        path.rmdir() if what == "a directory" else path.unlink()
    assert bundle.segments[1].state in {"damaged", "unreadable"}
    assert bundle.document.damage_count
    if what not in {"a directory", "a link"}:
        assert len(bundle.files[bundle.segments[1].path]) == bundle.segments[1].size_bytes
    assert not any(b"hostname" in content for content in bundle.files.values())


def test_a_redacted_copy_holds_no_original_and_names_them(node):
    officer = node.city.person(PersonRole.PRIVACY_OFFICER, "300", name="Noa Bar")
    request = node.a_request(
        officer,
        kind="redacted",
        recipients=(IDENTITY.recipient,),
        regions=(Region("north", 10, 10, 60, 60),),
    )
    node.ask(request, officer)
    node.approve(node.approver.approve(request))
    step(node)
    bundle = OpenedBundle(node, request.id)
    original = segment_path(node, 1).read_bytes()
    assert not any(path.startswith(("data/segments/", "data/video")) for path in bundle.files)
    copy = bundle.files[layout.redacted_file("north", 1)]
    beside = bundle.files[layout.redacted_sidecar("north", 1)]
    sidecar = msgspec.json.decode(beside, type=layout.RedactedSidecar)
    assert sidecar.sha256 == hashlib.sha256(copy).hexdigest()
    assert sidecar.originals[0].sha256 == hashlib.sha256(original).hexdigest()
    assert sidecar.regions[0].camera_id == "north"


@pytest.mark.apt("openssl")
def test_an_authority_stamps_checkpoint_and_manifest(node, tmp_path):
    authority = TimeStamper(tmp_path / "authority")
    with serving(authority.answer) as url:
        bundle = built(node, 1, tsa_url=url)
    assert bundle.document.timestamp.state == "granted"
    for stamp, content in (
        (layout.CHECKPOINT_TIMESTAMP, layout.CHECKPOINT),
        (layout.SEAL_TIMESTAMP, layout.MANIFEST),
    ):
        (tmp_path / "stamp").write_bytes(bundle.files[stamp])
        (tmp_path / "content").write_bytes(bundle.files[content])
        openssl(
            *("ts", "-verify", "-data", tmp_path / "content", "-in", tmp_path / "stamp"),
            *("-CAfile", authority.root_file),
        )


def test_an_authority_that_is_away_is_told_and_holds_nothing_up(node):
    bundle = built(node, 1, tsa_url="http://127.0.0.1:9/")
    assert bundle.document.timestamp.state == "failed"
    assert layout.CHECKPOINT_TIMESTAMP not in bundle.files


@pytest.mark.apt("openssl")
def test_a_copy_of_the_join_carries_content_credentials_where_they_are_wanted(node, tmp_path):
    bundle = built(node, 1, c2pa_file=str(credential_key(tmp_path)))
    (join,) = bundle.document.cameras[0].joins
    assert b"c2pa" in bundle.files[join.credentials]
    assert b"c2pa" not in bundle.files[join.path]
    bundle = built(node, 1, c2pa_file=str(tmp_path / "nowhere.pem"))
    assert any("content credentials" in note for note in bundle.document.notes)


def test_a_segment_that_is_still_written_is_waited_for(node):
    row = approved(node, SECONDS)
    for gop in node.north.take(1):
        node.call(Verb.GOP_STORE, StoreGop(gop), Role.CAPTURE)
    now_us = node.north.utc_us
    request = node.a_request(
        from_utc_us=now_us - 400_000, to_utc_us=now_us, recipients=(IDENTITY.recipient,)
    )
    node.ask(request)
    node.approve(node.approver.approve(request))
    with pytest.raises(BuildLater):
        build(node, request.id)
    assert node.exports(request.id)[0].state == "approved"
    node.call(Verb.STREAM_END, EndStream("north", StreamEnd.SOURCE_ENDED), Role.CAPTURE)
    build(node, request.id)
    build(node, row.id)
    assert node.exports(request.id)[0].state == node.exports(row.id)[0].state == "ready"


@pytest.mark.parametrize(
    "setting", [{"exports_max_bytes": 1024 * 1024}, {"min_free_bytes": 1 << 60}]
)
def test_what_does_not_fit_is_refused_with_figures_before_a_byte_is_written(node, setting):
    row = approved(node, 1)
    config = node.evidence.config
    if "min_free_bytes" in setting:
        evidence = msgspec.structs.replace(config.evidence, **setting)
        node.evidence.config = msgspec.structs.replace(config, evidence=evidence)
        setting = {}
    try:
        with pytest.raises(ExportFailed):
            build(node, row.id, **setting)
    finally:
        node.evidence.config = config
    failed = node.exports(row.id)[0]
    assert failed.state == "failed"
    assert "MB" in failed.detail
    assert not bundle_path(node, row.id).exists()
    assert segment_path(node, 1).exists()


def test_where_the_format_changes_there_is_another_video_and_a_gap_is_told(node):
    begin_us = node.north.utc_us
    node.north.restart_capture()
    node.record(4)
    node.north.skip(20_000_000)
    node.north.restart_capture()
    node.north.resize(320, 192)
    node.record(4)
    span = {"from_utc_us": begin_us, "to_utc_us": node.north.utc_us}
    row = approved(node, 0, **span)
    build(node, row.id)
    bundle = OpenedBundle(node, row.id)
    (camera,) = bundle.document.cameras
    assert [join.path for join in camera.joins] == [
        layout.video_file("north", 1),
        layout.video_file("north", 2),
    ]
    assert [join.width_px for join in camera.joins] == [160, 320]
    assert [join.gops for join in camera.joins] == [4, 4]
    assert any(gap.to_utc_us - gap.from_utc_us >= 20_000_000 for gap in camera.gaps)
