"""A disk that is full at any step of an export: the step is there whole, or not at all."""

import contextlib

import pytest

from roeh.core.custody import PageRequest
from roeh.core.errors import AccessRefused, StorageFailed, StorageFull
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import MAX_SEALED_FILES, SealedFile, Visitor, VisitorHold
from tests.process.small_disk import small_disk
from tests.retrieval_node import retrieval_node

FILES = tuple(
    SealedFile(f"data/report/stills/{n:0178}", "00" * 32, 7) for n in range(MAX_SEALED_FILES)
)


@pytest.fixture
def disk(as_root, short_directory):
    with small_disk(short_directory) as disk:
        yield disk


@pytest.fixture
def node(disk):
    directory = disk.point / "pole"
    directory.mkdir()
    with retrieval_node(directory) as node:
        node.believe()
        node.record(3)
        yield node


def test_each_step_of_an_export_is_whole_or_not_there_when_the_disk_is_full(node, disk):
    request, hold_id = node.a_request(), node.ids.new()
    approval = node.approver.approve(request)
    visitor = Visitor(node.approver.certificate_der)
    hold = VisitorHold(
        visitor, hold_id, ("north",), node.begin_us, node.begin_us + 1_000_000, "case 7"
    )
    refused = []

    def full_and_again(step):
        disk.fill()
        try:
            step()
        except (StorageFull, StorageFailed) as error:
            refused.append(error.code)
        disk.free()
        with contextlib.suppress(AccessRefused):  # the approval may have counted before
            step()

    process = node.evidence.process
    full_and_again(lambda: node.believe(version=2))
    full_and_again(lambda: node.ask(request))
    full_and_again(lambda: node.call(Verb.VISITOR_HOLD, hold))
    full_and_again(lambda: node.approve(approval))
    full_and_again(lambda: node.begin(request.id))
    full_and_again(lambda: node.tell(request.id, FILES))
    full_and_again(lambda: node.seal(request.id))
    full_and_again(lambda: node.note(request.id, "ready", size_bytes=9, sha256="11" * 32))
    full_and_again(lambda: node.note(request.id, "expired"))

    assert node.evidence.process is process
    assert process.is_alive()
    assert set(refused) <= {"STORAGE_FULL"}
    assert refused
    assert [body.version for body in node.bodies("trust_list")] == [1, 2]
    assert len(node.bodies("export_request")) == len(node.bodies("approval")) == 1
    begun, *rest = (body.step for body in node.bodies("export"))
    assert begun == "begun"
    assert rest[-3:] == ["sealed", "ready", "expired"]
    assert rest[:-3] in ([], ["interrupted", "begun"])
    holds = node.call(Verb.HOLDS_PAGE, PageRequest(), Role.CUSTODY).holds
    assert {hold.hold_id: hold.state for hold in holds} == {
        request.id: "released",
        hold_id: "active",
    }
    assert len(node.bodies("hold")) == 2
