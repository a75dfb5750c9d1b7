"""`roeh evidence rebuild`: node.db lost, the evidence process goes on as if it had not been."""

import json

import pytest

from roeh.core.errors import ChecksFailed, EvidenceRefused
from roeh.ledger.records import ALERT_SEQ_MARGIN
from roeh.verify.placing import GopState
from roeh.verify.report import Aspect, Check, Weight
from tests.process.custodians import custodian

FAILED = ChecksFailed.exit_status


@pytest.fixture
def pole(short_directory):
    """Recorded by its evidence process, which then ended."""
    with custodian(short_directory) as pole:
        pole.record(7)
        pole.alert(pole.north.mono_us, pole.north.mono_us)
        pole.evidence.stop()
        yield pole


def lose_database(pole):
    for path in pole.data.glob("node.db*"):
        path.unlink()


def rebuilt(pole, capsys, status=0):
    """What the command says as JSON."""
    capsys.readouterr()
    assert pole.run("rebuild", "--json") == status
    return json.loads(capsys.readouterr().out)


def answers(pole):
    return {one.aspect: one.check for one in pole.verified(pole.data).conclusions}


def signature_states(pole):
    report = pole.verified(pole.data)
    return [gop.stream_signature for file in report.files for gop in file.gops]


def goes_on(pole):
    """Recording goes on after it; the alert's place in the count."""
    pole.evidence.start()
    pole.north.skip(5_000_000)
    pole.record(4)
    _, seq = pole.alert(pole.north.mono_us, pole.north.mono_us)
    pole.evidence.stop()
    return seq


def test_a_deleted_database_comes_back_and_recording_goes_on(pole, capsys):
    root = pole.verified(pole.data).ledger.root
    before = answers(pole)
    assert before[Aspect.BYTES] is before[Aspect.COMPLETE] is Check.OK
    lose_database(pole)

    report = rebuilt(pole, capsys)

    assert (report["checkpoint"], report["segments"], report["recovered"]) == ("continued", 4, 0)
    assert (report["lost"], report["unreadable"], report["kept"]) == ([], [], [])
    assert answers(pole) == before
    assert pole.verified(pole.data).ledger.root == root
    assert goes_on(pole) == 1 + ALERT_SEQ_MARGIN + 1
    # One chain of signatures over the rebuild: only the newest group has none yet.
    assert signature_states(pole) == [GopState.VALID] * 10 + [GopState.PENDING]
    assert answers(pole) == before
    notes = {finding.what for finding in pole.verified(pole.data).findings}
    assert {"rebuilt", "alerts_counted_on"} <= notes
    assert [body["reason"] for body in pole.records("rebuild")] == [
        "node.db was missing; asked for by a person"
    ]


def test_the_ledger_goes_on_under_the_checkpoints_from_before(pole, capsys):
    """No false fork: what the control room saw before is a beginning of what it sees now."""
    before = (pole.data / "ledger/checkpoint").read_text()
    lose_database(pole)
    rebuilt(pole, capsys)
    goes_on(pole)
    kept = pole.directory / "seen-before"
    kept.write_text(before)
    report = pole.verified(pole.data, checkpoints=[kept])
    assert [f.what for f in report.findings if f.weight is Weight.FAIL] == []
    assert report.ledger.checkpoint_size == report.ledger.size


def test_a_database_overwritten_by_garbage_is_kept_and_replaced(pole, capsys):
    before = answers(pole)
    lose_database(pole)
    garbage = bytes(range(256)) * 100
    pole.database.write_bytes(garbage)

    report = rebuilt(pole, capsys)

    assert report["kept"] == ["node.db.kept-1"]
    assert (pole.data / "node.db.kept-1").read_bytes() == garbage
    assert answers(pole) == before
    assert goes_on(pole) > 1


def test_a_missing_segment_is_told(pole, capsys):
    lose_database(pole)
    pole.segment(2).unlink()
    assert pole.run("rebuild") == FAILED
    said = capsys.readouterr().out
    assert "FAIL segments/north/00000002.mp4: on record, and its file is not there" in said
    assert goes_on(pole) > 1
    assert [body["what"] for body in pole.records("tamper")] == ["file_missing"]


def test_a_mirror_torn_in_its_last_record_is_told_by_the_checkpoint(pole, capsys):
    lose_database(pole)
    (part,) = pole.data.glob("ledger/*.jsonl")
    part.write_bytes(part.read_bytes()[:-20])
    assert pole.run("rebuild") == FAILED
    said = capsys.readouterr().out
    assert "FAIL the newest checkpoint is of more records than there are" in said
    assert goes_on(pole) > 1
    assert "mirror_cut" in [body["what"] for body in pole.records("tamper")]


def test_what_was_not_mirrored_yet_is_taken_in_from_its_file(short_directory, capsys):
    with custodian(short_directory) as pole:
        pole.record(7)
        pole.evidence.kill()
        lose_database(pole)
        rebuilt(pole, capsys)
        goes_on(pole)
        report = pole.verified(pole.data)
        assert sum(len(file.gops) for file in report.files) == 11
        found = answers(pole)
        assert found[Aspect.BYTES] is found[Aspect.SIGNER] is Check.OK


def test_beside_a_running_node_it_is_refused(pole):
    pole.evidence.start()
    content = pole.database.read_bytes()
    with pytest.raises(EvidenceRefused, match="stop it first; nothing was changed") as refused:
        pole.run("rebuild")
    assert "\n" not in refused.value.line()
    assert pole.database.read_bytes() == content
    assert not list(pole.data.glob("node.db.*"))


def test_it_says_what_it_did_and_what_it_cannot_do(pole, capsys):
    assert pole.run("rebuild") == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].startswith("node.db was there: it was made anew")
    assert "the newest checkpoint is of their tree" in said
    assert "kept      node.db.kept-1" in said
    assert "Not restored, since no record holds it: messages and thumbnails of alerts" in said
