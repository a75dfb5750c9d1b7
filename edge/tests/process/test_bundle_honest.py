"""What an honest pole builds is found whole, whatever happened to it before and meanwhile."""

import os

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.paths import node_database
from roeh.core.retrieval import PersonRole, Region
from roeh.keys.chain import trust_anchors
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Weight
from tests.built_exports import IDENTITY, OpenedBundle, build, bundle_path, step
from tests.credential_keys import credential_key
from tests.gops import GopSource
from tests.process.children import CLOCK
from tests.retrieval_node import retrieval_node

#: Nobody witnesses this node's ledger, and it made its keys for itself.
ALWAYS = {"no_witness"}
S = 1_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    directory = tmp_path_factory.mktemp("node")
    with retrieval_node(directory, also_cameras=("south", "east", "west")) as node:
        node.believe()
        node.record(12)
        yield node


def export(node, from_us, to_us, **changed):
    said = {"from_utc_us": from_us, "to_utc_us": to_us, "recipients": (IDENTITY.recipient,)}
    row = node.approved(**(said | changed))
    build(node, row.id)
    return row.id


def verified(node, export_id):
    """Under the city's root and the one that the node made for itself."""
    (own_root,) = node.directory.rglob("anchors.pem")
    beliefs = Beliefs(
        anchors=trust_anchors(node.city.root_pem + own_root.read_bytes()),
        identities=(IDENTITY.secret,),
    )
    return verify(bundle_path(node, export_id), beliefs, SimulatedClock())


def objections(node, export_id):
    """Words of what is not checked in a bundle in which nothing fails."""
    report = verified(node, export_id)
    found = [f for f in report.findings if f.weight is not Weight.NOTE]
    assert [(f.what, f.place, f.detail) for f in found if f.weight is Weight.FAIL] == []
    assert report.exit_status == 32
    return {f.what for f in found} - ALWAYS


@pytest.mark.parametrize(
    ("from_us", "to_us"),
    [(0, 3 * S), (S, 2 * S), (S + 1, 2 * S - 1), (1_300_000, 2_700_000), (0, 6 * S)],
)
def test_wherever_its_span_begins_and_ends(node, from_us, to_us):
    begin_us = node.begin_us
    assert objections(node, export(node, begin_us + from_us, begin_us + to_us)) == set()


def test_a_span_that_begins_and_ends_in_gaps(node):
    node.record(2)
    node.north.skip(10 * S)
    first_us = node.north.utc_us
    node.record(4)
    end_us = node.north.utc_us
    node.north.skip(10 * S)
    node.record(2)
    assert objections(node, export(node, first_us - 5 * S, end_us + 5 * S)) == set()


def test_a_camera_that_is_away_at_the_end_is_told(node):
    node.record(4)
    end_us = node.north.utc_us
    found = objections(node, export(node, end_us - 2 * S, end_us + 5 * S))
    assert found == {"span_end_uncovered"}
    node.north.skip(20 * S)


def test_a_clock_that_was_stepped_both_ways(node):
    begin_us = node.north.utc_us
    node.record(4)
    node.north.utc_us += 30 * S
    node.record(4)
    node.north.utc_us -= 32 * S
    node.record(4)
    assert objections(node, export(node, begin_us, node.north.utc_us)) == set()
    node.north.skip(60 * S)


def test_another_boot_and_another_run_of_the_camera(node):
    begin_us = node.north.utc_us
    node.record(4)
    node.north.boot_id = "00000000-0000-4000-8000-000000000001"
    node.north.mono_us = 5 * S
    node.north.utc_us += 20 * S
    node.north.restart_capture()
    node.record(4)
    node.north.resize(320, 192)
    node.north.restart_capture()
    node.record(4)
    assert objections(node, export(node, begin_us, node.north.utc_us)) == set()


def test_several_cameras_and_one_that_recorded_nothing(node):
    south = GopSource("south", boot_id=node.north.boot_id, mono_us=node.north.mono_us)
    south.utc_us = node.north.utc_us
    node.record_from(south, 6)
    east = GopSource("east", boot_id=south.boot_id, mono_us=south.mono_us + 100 * S)
    east.utc_us = south.utc_us + 100 * S
    node.record_from(east, 2)
    node.record(6)
    span = south.utc_us - 2 * S, south.utc_us
    assert objections(node, export(node, *span, cameras=("north", "south"))) == set()
    found = objections(node, export(node, *span, cameras=("east", "south")))
    assert found == {"camera_unanswered"}


def test_h265_has_no_signatures_and_its_ledger_speaks(node):
    west = GopSource("west", codec="h265", boot_id=CLOCK.read().boot_id)
    west.utc_us = node.begin_us + 900 * S
    begin_us = west.utc_us
    node.record_from(west, 6)
    found = objections(node, export(node, begin_us, begin_us + 2 * S, cameras=("west",)))
    assert found == {"h265_not_signed"}


def test_the_same_span_twice_and_one_that_was_interrupted(node):
    span = node.begin_us, node.begin_us + 2 * S
    assert objections(node, export(node, *span)) == set()
    row = node.approved(from_utc_us=span[0], to_utc_us=span[1], recipients=(IDENTITY.recipient,))
    node.begin(row.id)
    node.note(row.id, "interrupted", detail="the builder ended")
    build(node, row.id)
    assert objections(node, row.id) == set()


def test_a_request_that_was_signed(node):
    request = node.a_request(recipients=(IDENTITY.recipient,))
    node.ask_signed(node.investigator.sign_request(request))
    node.approve(node.approver.approve(request))
    build(node, request.id)
    assert objections(node, request.id) == set()


def test_a_trust_list_that_was_renewed_and_an_approver_who_was_dismissed_since(node):
    other = node.city.person(PersonRole.APPROVER, "201", name="Gil Dan")
    request = node.a_request(recipients=(IDENTITY.recipient,))
    node.ask(request)
    node.approve(other.approve(request))
    node.believe(version=2, list_number=2)
    build(node, request.id)
    assert objections(node, request.id) == set()
    assert OpenedBundle(node, request.id).document.trust_list.version == 2


DAMAGE = {
    "gone": lambda path, content: path.unlink(),
    "cut": lambda path, content: path.write_bytes(content[:700]),
    "longer": lambda path, content: path.write_bytes(content + b"more"),
    "empty": lambda path, content: path.write_bytes(b""),
    "garbage": lambda path, content: path.write_bytes(os.urandom(len(content))),
    "a picture": lambda path, content: path.write_bytes(flipped(content, -100)),
    "the header": lambda path, content: path.write_bytes(flipped(content, 100)),
    "a box": lambda path, content: path.write_bytes(flipped(content, 700)),
}
#: What is said of damage; nothing of lies is among it.
OF_DAMAGE = {
    *("file_missing", "gop_changed", "init_changed", "truncated", "bytes_added", "damaged"),
    *("segment_missing", "unreadable", "size_wrong", "gop_displaced", "gops_missing"),
    *("stream_signature_wrong", "pictures_missing", "without_signature", "not_linked"),
    *("damaged_signature",),
}


def flipped(content, at):
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("what", DAMAGE)
def test_damage_that_the_pole_tells_fails_and_is_no_lie(node, what):
    path = node.directory / "data/segments/north/00000002.mp4"
    content = path.read_bytes()
    DAMAGE[what](path, content)
    report = verified(node, export(node, node.begin_us, node.begin_us + 3 * S))
    path.write_bytes(content)
    words = {f.what for f in report.findings if f.weight is Weight.FAIL}
    assert words
    assert words - OF_DAMAGE == set()
    assert "damage_told" in {f.what for f in report.findings}


def test_what_was_deleted_by_rule_before_it_was_asked_for(tmp_path):
    with retrieval_node(tmp_path, evidence="max_bytes = 1048576") as node:
        node.believe()
        noisy = GopSource(
            boot_id=node.north.boot_id,
            mono_us=node.north.mono_us,
            utc_us=node.north.utc_us,
            width_px=320,
            height_px=192,
            noise=60,
        )
        node.record_from(noisy, 40)
        row = export(node, node.begin_us, noisy.utc_us)
        assert objections(node, row) == set()
        states = {entry.state for entry in OpenedBundle(node, row).segments}
    assert states == {"intact", "deleted"}


def test_after_a_restart_and_after_a_rebuild(tmp_path):
    with retrieval_node(tmp_path) as node:
        node.believe()
        node.record(4)
        node.restart()
        node.record(4)
        export(node, node.begin_us, node.north.utc_us)  # its checkpoint mirrors everything
        node.evidence.kill()
        database = node_database(node.evidence.config)
        for end in ("", "-wal", "-shm"):
            database.with_name(database.name + end).unlink(missing_ok=True)
        node.evidence.start()
        node.record(4)
        row = export(node, node.begin_us, node.north.utc_us)
        assert objections(node, row) == set()


def test_a_redacted_copy(node):
    officer = node.city.person(PersonRole.PRIVACY_OFFICER, "300", name="Noa Bar")
    request = node.a_request(
        officer,
        kind="redacted",
        recipients=(IDENTITY.recipient,),
        from_utc_us=node.begin_us + 300_000,
        to_utc_us=node.begin_us + 2_300_000,
        regions=(Region("north", 10, 10, 60, 60), Region("north", 100, 40, 400, 400)),
    )
    node.ask(request, officer)
    node.approve(node.approver.approve(request))
    step(node)
    assert objections(node, request.id) == set()


def test_a_copy_with_content_credentials_shows_what_the_video_shows(node, tmp_path):
    row = node.approved(recipients=(IDENTITY.recipient,))
    build(node, row.id, c2pa_file=str(credential_key(tmp_path)))
    assert objections(node, row.id) == set()
    assert "credentials" in {f.what for f in verified(node, row.id).findings}
