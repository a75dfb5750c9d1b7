"""What an honest pole builds is found whole, whatever happened to it before and meanwhile."""

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.retrieval import PersonRole
from roeh.keys.chain import trust_anchors
from roeh.verify.checking import Beliefs, verify
from roeh.verify.report import Weight
from tests.built_exports import IDENTITY, OpenedBundle, build, bundle_path
from tests.gops import GopSource
from tests.process.children import CLOCK
from tests.retrieval_node import retrieval_node

#: Nobody witnesses this node's ledger, and it made its keys for itself.
ALWAYS = {"no_witness"}
S = 1_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    directory = tmp_path_factory.mktemp("node")
    with retrieval_node(directory, also_cameras=("south", "east")) as node:
        node.believe()
        node.record(12)
        yield node


def export(node, from_us, to_us, **changed):
    said = {"from_utc_us": from_us, "to_utc_us": to_us, "recipients": (IDENTITY.recipient,)}
    row = node.approved(**(said | changed))
    build(node, row.id)
    return row.id


def objections(node, export_id):
    """Words of what is found against a bundle, and whether each fails."""
    (own_root,) = node.directory.rglob("anchors.pem")
    beliefs = Beliefs(
        anchors=trust_anchors(node.city.root_pem + own_root.read_bytes()),
        identities=(IDENTITY.secret,),
    )
    report = verify(bundle_path(node, export_id), beliefs, SimulatedClock())
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
    node.record(6)
    span = south.utc_us - 2 * S, south.utc_us
    assert objections(node, export(node, *span, cameras=("north", "south"))) == set()
    found = objections(node, export(node, *span, cameras=("east", "south")))
    assert found == {"camera_unanswered"}


def test_h265_has_no_signatures_and_its_ledger_speaks(node):
    east = GopSource("east", codec="h265", boot_id=CLOCK.read().boot_id)
    east.utc_us = node.begin_us + 900 * S
    begin_us = east.utc_us
    node.record_from(east, 6)
    found = objections(node, export(node, begin_us, begin_us + 2 * S, cameras=("east",)))
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
