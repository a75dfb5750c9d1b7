"""An export from its request to its end: judged, held, proven, sealed, and on record."""

import contextlib
import hashlib
import json
import random
import threading

import msgspec
import pytest

from roeh.access.requests import read_approval
from roeh.core.custody import PageRequest, PlaceHold, ReleaseHold
from roeh.core.errors import (
    AccessRefused,
    EvidenceRefused,
    ExportFailed,
    HoldRefused,
    PeerGone,
)
from roeh.core.paths import node_database, segments_dir
from roeh.core.peers import Role, StoreGop, Verb
from roeh.core.retrieval import (
    EraseName,
    NamesRequest,
    PersonRole,
    RequestExport,
    SealedFile,
    ThumbnailRequest,
    Visitor,
)
from roeh.custody import commands
from roeh.keys.cms import read_signed
from roeh.ledger import merkle
from roeh.ledger.note import parse_checkpoint, parse_note
from tests.alert_drafts import alert_draft
from tests.authorities import revoked
from tests.process.children import CLOCK, PATIENCE_S
from tests.process.custodians import parsed
from tests.retrieval_node import retrieval_node
from tests.waiting import wait_until

FILES = (SealedFile("data/export.json", "00" * 32, 7),)
BUNDLE = {"size_bytes": 9, "sha256": "11" * 32}


@pytest.fixture
def node(short_directory):
    with retrieval_node(short_directory) as node:
        node.believe()
        node.record(6)
        yield node


def holds(node):
    return node.call(Verb.HOLDS_PAGE, PageRequest(), Role.CUSTODY).holds


def steps(node, export_id):
    """What stands in the ledger of an export, in order."""
    bodies = node.bodies("export_request", "approval", "export", "release")
    return [
        getattr(body, "step", None) or getattr(body, "verdict", "requested")
        for body in bodies
        if getattr(body, "export_id", export_id) == export_id
    ]


def test_a_request_is_agreed_to_built_sealed_and_taken(node):
    request = node.a_request()
    asked = node.ask(request)
    assert (asked.state, asked.requester) == ("requested", node.investigator.person)
    assert node.approve(node.approver.approve(request)).approver == node.approver.person
    begun = node.begin(request.id)
    assert begun.export.state == "building"
    root = parse_checkpoint(parse_note(begun.checkpoint).text)
    assert root.size == begun.ledger_size
    for proven in node.proofs(request.id, begun.leaves, begun.ledger_size):
        proof = tuple(bytes.fromhex(each) for each in proven.proof)
        leaf_hash = merkle.leaf_hash(proven.record)
        assert merkle.root_by_inclusion(proven.leaf, root.size, leaf_hash, proof) == root.root
    node.tell(request.id, FILES)
    seal = node.seal(request.id)
    manifest = f"{'00' * 32}  data/export.json\n".encode()
    assert seal.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    later = parse_checkpoint(parse_note(seal.checkpoint).text)
    hashes = [bytes.fromhex(each) for each in seal.consistency]
    assert merkle.is_consistent(root.size, root.root, later.size, later.root, hashes)
    assert read_signed(seal.manifest_p7s, manifest).content == manifest
    note = parse_checkpoint(parse_note(seal.checkpoint).text)
    proof = tuple(bytes.fromhex(each) for each in seal.proof)
    leaf_hash = merkle.leaf_hash(seal.record)
    assert merkle.root_by_inclusion(seal.leaf, note.size, leaf_hash, proof) == note.root
    assert node.seal(request.id) == seal
    ready = node.note(request.id, "ready", **BUNDLE)
    assert (ready.state, ready.sha256) == ("ready", "11" * 32)
    assert node.note(request.id, "untaken", detail="cut").state == "ready"
    visitor = Visitor(node.investigator.certificate_der)
    assert node.note(request.id, "taken", visitor=visitor).state == "taken"
    assert [hold.state for hold in holds(node)] == ["active"]
    assert node.note(request.id, "expired").state == "expired"
    assert [hold.state for hold in holds(node)] == ["released"]
    assert steps(node, request.id) == [
        *("requested", "approved", "begun", "sealed", "ready", "untaken", "taken", "expired"),
        "ended",
    ]


def test_what_is_over_is_built_while_the_camera_goes_on_though_the_clock_is_not_set(node):
    """Its error may be an hour: that widens what is held, not what is waited for."""
    for gop in node.north.take(2):
        node.call(Verb.GOP_STORE, StoreGop(gop), Role.CAPTURE)
    export = node.approved()
    assert node.begin(export.id).export.state == "building"


def test_a_camera_that_there_is_not_is_named(node):
    with pytest.raises(EvidenceRefused, match="the pole has no such camera: south; it has north"):
        node.ask(node.a_request(cameras=("north", "south")))


def test_a_redacted_copy_names_nobody_who_held_or_looked_at_the_originals(node):
    officer = node.city.person(PersonRole.PRIVACY_OFFICER, "300", name="Noa Peretz")
    request = node.a_request(officer, kind="redacted")
    export = node.ask(request, officer)
    (span,) = holds(node)[0].spans
    hold = PlaceHold("01890a5d-ac96-774b-bcce-b302099a8057", "A. Visser", "case 7", (span,))
    node.call(Verb.HOLD_PLACE, hold, Role.CUSTODY)
    node.approve(node.approver.approve(request))
    begun = node.begin(export.id)
    wanted = {record.leaf: record.body for record in node.records()}
    held = [body for leaf in begun.leaves if (body := wanted[leaf]) and hasattr(body, "hold_id")]
    assert {body.hold_id for body in held} == {export.hold_id}
    assert "A. Visser" not in str(begun.names)


def test_what_belongs_to_it_is_in_it_and_nothing_of_other_cases(node):
    other = node.a_request(case_number="another case")
    node.ask(other)
    export = node.approved()
    begun = node.begin(export.id)
    wanted = {record.leaf: record.body for record in node.records()}
    found = [wanted[leaf] for leaf in begun.leaves]
    kinds = {type(body).__struct_config__.tag for body in found}
    assert kinds >= {
        *("boot", "config", "key", "segment", "hold", "export_request", "approval", "export"),
        "trust_list",
    }
    # The first second as the segments tell the time, and one more with its last signature.
    assert [body.segment for body in found if hasattr(body, "segment")] == [1, 2]
    assert {body.export_id for body in found if hasattr(body, "export_id")} == {export.id}
    assert {body.hold_id for body in found if hasattr(body, "hold_id")} == {export.hold_id}
    assert sorted(begun.names.values()) == [
        "2026/1234",
        "Ada Levi (Police, 100)",
        "Ben Katz (Police, 200)",
    ]
    assert begun.trust_list
    assert begun.homes["manifest"] == "file"
    assert begun.witnessed == ""
    assert (begun.trust_version, begun.trust_issued_utc_us) == (1, node.now_us)


def test_the_same_request_again_is_one_and_another_under_its_id_is_refused(node):
    request = node.a_request()
    first = node.ask(request)
    assert node.ask(request) == first
    with pytest.raises(EvidenceRefused, match="another request has this id"):
        node.ask(node.a_request(id=request.id, reason="something else"))
    assert len(node.bodies("export_request")) == 1
    assert len(holds(node)) == 1


def test_a_signed_request_is_answered_as_it_stands_however_often_it_is_brought(node):
    request = node.a_request()
    signed = node.investigator.sign_request(request)
    assert node.ask_signed(signed).state == "requested"
    node.approve(node.approver.approve(request), Role.USB)
    before = len(node.records())
    assert node.ask_signed(signed).state == "approved"
    assert len(node.records()) == before
    assert node.bodies("export_request")[0].is_signed


def test_an_approval_counts_once(node):
    request = node.a_request()
    node.ask(request)
    approval = node.approver.approve(request)
    node.approve(approval)
    for again in (approval, node.approver.approve(request, verdict="refused")):
        with pytest.raises(AccessRefused, match="already_decided"):
            node.approve(again)
    assert len(node.bodies("approval")) == 1
    assert node.bodies("access_refused")[0].reason == "already_decided"


def test_a_refusal_lets_the_hold_go(node):
    request = node.a_request()
    node.ask(request)
    assert node.approve(node.approver.approve(request, verdict="refused")).state == "refused"
    assert steps(node, request.id) == ["requested", "refused", "ended"]
    assert [hold.state for hold in holds(node)] == ["released"]
    with pytest.raises(ExportFailed, match="it is refused"):
        node.begin(request.id)


def test_what_nobody_agrees_to_ends_by_itself_and_its_hold_with_it(short_directory):
    with retrieval_node(short_directory, keep_days=1e-9) as node:
        node.believe()
        node.record(3)
        request = node.a_request()
        node.ask(request)
        wait_until(lambda: node.exports(request.id)[0].state == "expired")
        assert steps(node, request.id) == ["requested", "expired", "ended"]
        assert [hold.state for hold in holds(node)] == ["released"]


def test_nobody_lets_the_hold_of_an_export_go_while_it_goes_on(node):
    request = node.a_request()
    node.ask(request)
    release = ReleaseHold(request.id, "A. Visser", "not needed")
    with pytest.raises(HoldRefused, match="export that goes on"):
        node.call(Verb.HOLD_RELEASE, release, Role.CUSTODY)


def test_approving_ones_own_request_with_a_second_certificate_is_refused(node):
    request = node.a_request()
    node.ask(request)
    same = node.city.person(PersonRole.APPROVER, "100", name="Ada Levi")
    approval = node.approver.approve(request)
    with pytest.raises(AccessRefused):
        same.approve(request)
    with pytest.raises(AccessRefused, match="another_request"):
        node.approve(node.approver.approve(node.a_request(id=request.id, reason="more")))
    with pytest.raises(AccessRefused, match="self_approval"):
        node.approve(same.sign_approval(_as_approver(approval, "100")))
    assert node.approve(approval).state == "approved"
    refused = node.bodies("access_refused")[-1]
    (asked,) = node.bodies("export_request")
    assert (refused.reason, refused.person) == ("self_approval", asked.person)
    assert refused.certificate_sha256 == same.person.certificate_sha256


def _as_approver(approval_p7m, number):
    return msgspec.structs.replace(read_approval(approval_p7m), approver_number=number)


def test_who_was_dismissed_sees_nothing_of_the_request_they_signed(node):
    signed = node.investigator.sign_request(node.a_request())
    visitor = Visitor(node.investigator.certificate_der)
    bring = RequestExport(signed, visitor)
    assert node.call(Verb.EXPORT_REQUEST, bring).export.state == "requested"
    assert node.call(Verb.EXPORT_REQUEST, bring).export.state == "requested"
    node.believe(
        version=2, revoked=[revoked(node.investigator.certificate, on_day=250)], list_number=2
    )
    with pytest.raises(AccessRefused, match="revoked"):
        node.call(Verb.EXPORT_REQUEST, bring)


def test_nothing_recorded_or_not_over_yet_is_refused_and_says_what_there_is(node):
    with pytest.raises(EvidenceRefused, match="there is video from"):
        node.ask(node.a_request(from_utc_us=1, to_utc_us=2))
    with pytest.raises(EvidenceRefused, match="not over yet"):
        node.ask(node.a_request(to_utc_us=node.begin_us + 86_400_000_000))
    assert node.bodies("export_request") == []


def test_an_interrupted_one_is_begun_again_by_the_same_approval(node):
    export = node.approved()
    node.begin(export.id)
    node.tell(export.id, FILES)
    assert node.note(export.id, "interrupted", detail="cable").state == "approved"
    node.begin(export.id)
    assert node.begin(export.id).export.state == "building"
    with pytest.raises(ExportFailed, match="no file was told"):
        node.seal(export.id)
    found = steps(node, export.id)
    assert found[2:] == ["begun", "interrupted", "begun", "interrupted", "begun"]


def test_other_files_are_another_seal_and_files_are_told_in_order(node):
    export = node.approved()
    node.begin(export.id)
    with pytest.raises(ExportFailed, match="files from 0 on"):
        node.tell(export.id, FILES, first=1)
    node.tell(export.id, FILES)
    first = node.seal(export.id)
    node.tell(export.id, [SealedFile("data/records.jsonl", "22" * 32, 1)], first=1)
    second = node.seal(export.id)
    assert first.manifest_sha256 != second.manifest_sha256
    sealed = [body for body in node.bodies("export") if body.step == "sealed"]
    assert [body.files for body in sealed] == [1, 2]
    with pytest.raises(ExportFailed, match="that is no step"):
        node.note(export.id, "taken")
    with pytest.raises(ExportFailed, match="a size and a SHA-256"):
        node.note(export.id, "ready")


def test_a_damaged_segment_is_sealed_and_counted(node):
    export = node.approved()
    node.begin(export.id)
    directory = segments_dir(node.evidence.config) / "north"
    whole = hashlib.sha256((directory / "00000001.mp4").read_bytes()).hexdigest()
    node.tell(
        export.id,
        [
            SealedFile("data/segments/north/00000001.mp4", whole, 1),
            SealedFile("data/segments/north/00000002.mp4", "ab" * 32, 1),
        ],
    )
    node.seal(export.id)
    assert node.bodies("export")[-1].damaged == 1


@pytest.mark.parametrize("name", ["request.json", "approval.p7m", "trust-list.p7m"])
def test_a_manifest_with_another_word_of_a_person_is_not_signed(node, name):
    export = node.approved()
    begun = node.begin(export.id)
    right = {
        "request.json": export.request,
        "approval.p7m": export.approval_p7m,
        "trust-list.p7m": begun.trust_list,
    }[name]
    node.tell(export.id, [SealedFile(f"data/{name}", "cd" * 32, 1)])
    with pytest.raises(ExportFailed, match="not what was signed"):
        node.seal(export.id)
    node.tell(export.id, [SealedFile(f"data/{name}", hashlib.sha256(right).hexdigest(), 1)])
    node.seal(export.id)


def test_killed_after_each_step_nothing_is_lost_and_nothing_is_there_twice(node):
    request = node.a_request()
    approval = node.approver.approve(request)
    node.ask(request)
    node.restart()
    assert node.ask(request).state == "requested"
    node.approve(approval)
    node.restart()
    with pytest.raises(AccessRefused, match="already_decided"):
        node.approve(approval)
    node.begin(request.id)
    node.tell(request.id, FILES)
    node.restart()
    first = node.seal(request.id)
    node.restart()
    assert node.seal(request.id) == first
    node.note(request.id, "ready", **BUNDLE)
    node.restart()
    assert node.note(request.id, "ready", **BUNDLE).state == "ready"
    assert steps(node, request.id) == ["requested", "approved", "begun", "sealed", "ready"]
    assert [hold.state for hold in holds(node)] == ["active"]


def test_killed_while_it_answers_each_step_is_there_once_or_not_at_all(node):
    chance = random.Random(5)

    def killed_and_again(step):
        """The step, evidence killed while it answers, and the step once more."""

        def attempt():
            with contextlib.suppress(PeerGone):
                step()

        thread = threading.Thread(target=attempt)
        thread.start()
        CLOCK.wait(chance.uniform(0.0, 0.03))
        node.restart()
        thread.join(PATIENCE_S)
        with contextlib.suppress(AccessRefused):  # the approval may have counted before
            step()

    for _ in range(2):
        request = node.a_request()
        approval = node.approver.approve(request)
        killed_and_again(lambda request=request: node.ask(request))
        killed_and_again(lambda approval=approval: node.approve(approval))
        killed_and_again(lambda request=request: node.begin(request.id))
        node.tell(request.id, FILES)
        killed_and_again(lambda request=request: node.seal(request.id))
        killed_and_again(lambda request=request: node.note(request.id, "ready", **BUNDLE))
        assert node.exports(request.id)[0].state == "ready"
        found = steps(node, request.id)
        begun = found[2:-2]
        assert [*found[:2], *found[-2:]] == ["requested", "approved", "sealed", "ready"]
        assert begun in (["begun"], ["begun", "interrupted", "begun"])
    assert [hold.state for hold in holds(node)] == ["active", "active"]


def test_after_a_rebuild_an_export_has_failed_and_its_approval_counts_no_more(node):
    request = node.a_request()
    approval = node.approver.approve(request)
    node.ask(request)
    node.approve(approval)
    node.begin(request.id)  # everything is in the mirror by its checkpoint
    _lose_database(node)
    (row,) = node.exports(request.id)
    assert (row.state, row.detail, row.request) == ("failed", "rebuilt", b"")
    assert [(hold.hold_id, hold.state) for hold in holds(node)] == [(request.id, "active")]
    with pytest.raises(AccessRefused):
        node.approve(approval)
    with pytest.raises(ExportFailed, match="it is failed"):
        node.begin(request.id)
    assert node.ask(request).state == "failed"
    # Two persons may let its hold go now, and nothing is held for ever.
    for person in ("A. Visser", "B. Smit"):
        node.call(Verb.HOLD_RELEASE, ReleaseHold(request.id, person, "over"), Role.CUSTODY)
    assert [hold.state for hold in holds(node)] == ["released"]


def test_whatever_state_exports_are_in_a_rebuild_ends_them_once_and_keeps_what_they_held(node):
    steps_to = {
        "requested": (),
        "approved": ("approve",),
        "building": ("approve", "begin"),
        "ready": ("approve", "begin", "ready"),
        "taken": ("approve", "begin", "ready", "taken"),
        "refused": ("refuse",),
        "failed": ("approve", "failed"),
        "expired": ("approve", "begin", "ready", "expired"),
    }
    ids = {}
    for state, wanted in steps_to.items():
        request = node.a_request()
        node.ask(request)
        ids[request.id] = state
        for step in wanted:
            if step in ("approve", "refuse"):
                verdict = "approved" if step == "approve" else "refused"
                node.approve(node.approver.approve(request, verdict=verdict))
            elif step == "begin":
                node.begin(request.id)
                node.tell(request.id, FILES)
                node.seal(request.id)
            else:
                node.note(request.id, step, **BUNDLE if step == "ready" else {})
    assert {row.id: row.state for row in node.exports()} == ids
    for _ in range(2):
        node.begin(node.approved().id)  # everything is in the mirror by its checkpoint
        _lose_database(node)
        after = {row.id: (row.state, row.detail) for row in node.exports()}
        held = {hold.hold_id: hold.state for hold in holds(node)}
        for export_id, state in ids.items():
            was_over = state in ("refused", "failed", "expired")
            assert after[export_id][0] == (state if was_over else "failed")
            assert (after[export_id][1] == "rebuilt") == (not was_over)
            assert held[export_id] == ("released" if was_over else "active")
    failed = [body.export_id for body in node.bodies("export") if body.detail == "rebuilt"]
    assert len(failed) == len(set(failed)) == 7


def _lose_database(node):
    node.evidence.kill()
    database = node_database(node.evidence.config)
    for end in ("", "-wal", "-shm"):
        database.with_name(database.name + end).unlink(missing_ok=True)
    node.evidence.start()


def test_a_name_is_erased_by_record_when_no_export_of_theirs_goes_on(node):
    request = node.a_request(reason="Zzyzx")
    node.ask(request)
    names = node.call(Verb.NAMES_READ, NamesRequest(), Role.CUSTODY).names
    pseudonym = next(one for one, shown in names.items() if shown.startswith("Ada"))
    erase = EraseName(pseudonym, "they asked for it")
    with pytest.raises(EvidenceRefused, match="goes on"):
        node.call(Verb.NAME_ERASE, erase, Role.CUSTODY)
    node.approve(node.approver.approve(request, verdict="refused"))
    node.call(Verb.NAME_ERASE, erase, Role.CUSTODY)
    assert [body.pseudonym for body in node.bodies("erasure")] == [pseudonym]
    (row,) = node.exports(request.id)
    assert (row.request, row.requester.number) == (b"", pseudonym)
    data = node.directory / "data"
    assert [one for one in data.iterdir() if one.is_file() and b"Zzyzx" in one.read_bytes()] == []
    with pytest.raises(EvidenceRefused, match="nobody is known"):
        node.call(Verb.NAME_ERASE, erase, Role.CUSTODY)
    node.ask(node.a_request())
    assert len({body.person for body in node.bodies("export_request")}) == 2


def test_who_asked_for_a_release_and_was_erased_has_asked_for_nothing(node):
    node.ask(node.a_request())
    (span,) = holds(node)[0].spans
    hold = PlaceHold("01890a5d-ac96-774b-bcce-b302099a8057", "A. Visser", "case 7", (span,))
    node.call(Verb.HOLD_PLACE, hold, Role.CUSTODY)

    def release(person):
        asked = ReleaseHold(hold.hold_id, person, "over")
        return node.call(Verb.HOLD_RELEASE, asked, Role.CUSTODY).hold

    assert release("B. Smit").release_asked_by == "B. Smit"
    names = node.call(Verb.NAMES_READ, NamesRequest(), Role.CUSTODY).names
    smit = next(one for one, shown in names.items() if shown == "B. Smit")
    node.call(Verb.NAME_ERASE, EraseName(smit, "they asked for it"), Role.CUSTODY)
    assert release("B. Smit").state == "release_asked"
    assert release("C. Jansen").state == "released"


def test_without_names_everything_goes_on_and_one_alarm_stands(node):
    node.ask(node.a_request())
    node.evidence.kill()
    (node.directory / "data" / "names.db").unlink()
    node.evidence.start()
    alarms = [alarm for alarm in node.evidence.status().alarms if "names.db" in alarm]
    assert len(alarms) == 1
    assert holds(node)[0].person.startswith("p-")
    export = node.approved()
    assert node.begin(export.id).export.state == "building"
    node.record(1)


def test_whoever_looks_after_the_pole_sees_exports_and_names_and_the_check_is_sound(node, capsys):
    request = node.a_request()
    node.ask(request)
    node.approve(node.approver.approve(request, verdict="refused"))

    def said(*arguments):
        capsys.readouterr()
        assert commands.run(parsed(node.config_path, *arguments)) == 0
        return capsys.readouterr().out

    assert "Ada Levi" in said("exports")
    (row,) = (json.loads(line) for line in said("exports", "--json").splitlines())
    assert (row["id"], row["state"]) == (request.id, "refused")
    assert "Ben Katz (Police, 200)" in said("exports", request.id)
    _, *steps_said = (
        json.loads(line) for line in said("exports", request.id, "--json").splitlines()
    )
    assert [step["step"] for step in steps_said] == ["requested", "refused"]
    named = {
        one["name"]: one["pseudonym"]
        for one in map(json.loads, said("names", "--json").splitlines())
    }
    assert "forgotten" in said("names", "--erase", named["2026/1234"], "--reason", "over")
    assert "2026/1234" not in said("names")
    with pytest.raises(EvidenceRefused, match="for a reason"):
        commands.run(parsed(node.config_path, "names", "--erase", named["2026/1234"]))
    assert "Ada Levi" in said("exports")
    said("check", "--level", "index")


def test_an_alerts_picture_can_be_read(node):
    draft = alert_draft(thumbnail=b"jpeg")
    node.evidence.store(draft, b"jpeg")
    asked = ThumbnailRequest(draft.id)
    assert node.call(Verb.THUMBNAIL_READ, asked).picture == b"jpeg"
    other = ThumbnailRequest("01890a5d-ac96-774b-bcce-b302099a8057")
    assert node.call(Verb.THUMBNAIL_READ, other).picture == b""
