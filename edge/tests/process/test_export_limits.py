"""What an export cannot be made to do: sign for another, fill the store, outlive its erasure."""

import contextlib
import sqlite3

import msgspec
import pytest

from roeh.core.errors import EvidenceRefused, ExportFailed, HoldRefused, PeerRefused
from roeh.core.paths import node_database
from roeh.core.peers import Role, Verb
from roeh.core.retrieval import (
    EraseName,
    NamesRequest,
    PersonRole,
    Region,
    SealedFile,
    Visitor,
    VisitorHold,
)
from roeh.evidence.export_building import MAX_FILES
from roeh.evidence.write_pace import BURST
from roeh.ledger.export_rows import MAX_WAITING
from tests.retrieval_node import retrieval_node
from tests.waiting import wait_until

A_FILE = SealedFile("data/export.json", "00" * 32, 7)
BUNDLE = {"size_bytes": 9, "sha256": "11" * 32}


@pytest.fixture
def node(short_directory):
    with retrieval_node(short_directory) as node:
        node.believe()
        node.record(6)
        yield node


def original(camera, number):
    return SealedFile(f"data/segments/{camera}/{number:08d}.mp4", "ab" * 32, 5)


@contextlib.contextmanager
def stopped(node):
    """Its node.db while evidence does not run."""
    assert node.evidence.stop() == 0
    with contextlib.closing(sqlite3.connect(node_database(node.evidence.config))) as connection:
        yield connection
        connection.commit()
    node.evidence.start()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([A_FILE, A_FILE], "told twice"),
        ([original("south", 1)], "not of the span"),
        ([original("north", 77)], "not of the span"),
    ],
    ids=["twice", "another-camera", "never-recorded"],
)
def test_what_is_not_of_this_export_is_not_signed(node, files, why):
    export = node.approved()
    node.begin(export.id)
    node.tell(export.id, files)

    with pytest.raises(ExportFailed, match=why):
        node.seal(export.id)

    assert [body.step for body in node.bodies("export")] == ["begun"]


def test_another_time_than_agreed_to_is_not_signed(node):
    node.north.skip(3 * 3_600_000_000)
    node.record(2)
    export = node.approved()
    node.begin(export.id)
    assert [body.segment for body in node.bodies("segment")][-1] == 4
    node.tell(export.id, [original("north", 1)])
    node.seal(export.id)

    node.tell(export.id, [original("north", 4)], first=1)

    with pytest.raises(ExportFailed, match="not of the span"):
        node.seal(export.id)


def test_no_original_is_signed_where_a_redacted_copy_was_agreed_to(node):
    officer = node.city.person(PersonRole.PRIVACY_OFFICER, "300", name="Cas Mol")
    request = node.a_request(officer, kind="redacted", regions=(Region("north", 0, 0, 9, 9),))
    node.ask(request, officer)
    node.approve(node.approver.approve(request))
    node.begin(request.id)

    for file in (original("north", 1), SealedFile("data/video.mp4", "00" * 32, 7)):
        node.tell(request.id, [file])
        with pytest.raises(ExportFailed, match="a redacted copy was agreed to"):
            node.seal(request.id)


@pytest.mark.parametrize("path", ["data/../etc", "data//a", "data/./a", "data/a/", "data/.a"])
def test_a_path_that_leads_elsewhere_is_not_even_read(node, path):
    export = node.approved()
    node.begin(export.id)

    with pytest.raises(PeerRefused):
        node.tell(export.id, [SealedFile(path, "00" * 32, 7)])


def test_what_was_told_is_bounded_and_goes_with_the_export(node):
    export = node.approved()
    node.begin(export.id)
    node.tell(export.id, [A_FILE])
    with stopped(node) as store:
        store.execute("UPDATE export_file SET number = ?", (MAX_FILES - 1,))

    with pytest.raises(ExportFailed, match="more files than a bundle may have"):
        node.tell(export.id, [A_FILE], first=MAX_FILES)

    node.note(export.id, "failed", detail="enough")

    def told():
        with stopped(node) as store:
            return store.execute("SELECT COUNT(*) FROM export_file").fetchone()[0]

    wait_until(lambda: told() == 0)


def test_more_segments_than_one_export_may_have_are_refused_and_nothing_is_held(node):
    with stopped(node) as store:
        columns = [column for _, column, *_ in store.execute("PRAGMA table_info(segment)")]
        values = ", ".join(
            {"row": "99", "number": "250000", "state": "'pruned'"}.get(column, column)
            for column in columns
        )
        store.execute(f"INSERT INTO segment SELECT {values} FROM segment WHERE number = 1")

    with pytest.raises(EvidenceRefused, match="segments, more than the 200000 of one export"):
        node.ask(node.a_request())

    assert node.bodies("hold", "export_request") == []


def test_one_person_cannot_have_everything_held(node):
    for _ in range(MAX_WAITING):
        node.ask(node.a_request())
    with pytest.raises(EvidenceRefused, match=f"{MAX_WAITING} requests of this person wait"):
        node.ask(node.a_request(case_number="one more"))

    names = node.call(Verb.NAMES_READ, NamesRequest(), Role.CUSTODY).names
    assert "one more" not in names.values()  # nor does a refused one fill names.db
    signed = node.investigator.sign_request(node.a_request())
    assert node.ask_signed(signed).state == "requested"  # whoever speaks for them uses up none
    another = node.city.person(PersonRole.INVESTIGATOR, "101", name="Dov Ron")
    assert node.ask(node.a_request(another), another).state == "requested"


def test_whoever_asks_for_holds_or_seals_without_end_is_turned_away(node):
    visitor = Visitor(node.approver.certificate_der)
    export = node.approved()
    node.begin(export.id)
    node.tell(export.id, [A_FILE])

    def hold():
        span = node.begin_us, node.begin_us + 1_000_000
        return node.call(
            Verb.VISITOR_HOLD, VisitorHold(visitor, node.ids.new(), ("north",), *span, "case 7")
        )

    def without_end(ask):
        for _ in range(3 * BURST):
            ask()

    for ask in (hold, lambda: node.seal(export.id)):
        with pytest.raises((PeerRefused, HoldRefused)):
            without_end(ask)


def test_what_was_erased_is_in_no_file(node):
    """Requests, approvals and rows were rewritten many times until then."""
    secrets = ("Zzyzx", "Ada Levi", "Qwghlm", "Yoyodyne")
    for number in range(8):
        request = node.a_request(
            reason="Zzyzx " * 60, case_number="Qwghlm", legal_basis="Yoyodyne " * (number + 1)
        )
        if number == 7:
            node.ask(request)
            refusal = node.approver.approve(request, verdict="refused", note="Zzyzx is known")
            assert node.approve(refusal).detail == "Zzyzx is known"
            break
        if number % 2:
            node.ask_signed(node.investigator.sign_request(request))
        else:
            node.ask(request)
        node.approve(node.approver.approve(request))
        node.begin(request.id)
        node.tell(request.id, [A_FILE])
        node.seal(request.id)
        node.note(request.id, "ready", **BUNDLE)
        node.note(request.id, "expired")
    names = node.call(Verb.NAMES_READ, NamesRequest(), Role.CUSTODY).names
    for pseudonym, shown in names.items():
        if shown.startswith(("Ada", "Qwghlm")):
            node.call(Verb.NAME_ERASE, EraseName(pseudonym, "over"), Role.CUSTODY)

    found = {
        (path.name, secret, path.read_bytes().count(secret.encode()))
        for path in (node.directory / "data").rglob("*")
        if path.is_file()
        for secret in secrets
        if secret.encode() in path.read_bytes()
    }
    assert found == set()


def test_what_a_pole_without_retrieve_holds_for_exports_ends_too(node):
    """Nobody builds, nobody fetches, nobody clears away: each hold ends all the same."""
    building, ready = node.approved().id, node.approved().id
    node.begin(building)
    node.begin(ready)
    node.tell(ready, [A_FILE])
    node.seal(ready)
    node.note(ready, "ready", **BUNDLE)

    assert node.evidence.stop() == 0
    soon = msgspec.structs.replace(node.evidence.config.access, keep_days=0.1 / 86_400)
    node.evidence.config = msgspec.structs.replace(node.evidence.config, access=soon)
    node.evidence.start()

    ends = {building: "failed", ready: "expired"}
    wait_until(lambda: {row.id: row.state for row in node.exports()} == ends)
    assert [body.step for body in node.bodies("release")] == ["ended", "ended"]
