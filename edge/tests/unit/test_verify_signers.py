"""Valid is not trusted: use, node, time and revocation decide."""

import argparse
import base64

import pytest

from roeh.core.clock import SimulatedClock
from roeh.core.errors import EvidenceRefused, KeyRefused
from roeh.keys.chain import trust_anchors
from roeh.verify.anchoring import NoteSource
from roeh.verify.checking import Beliefs, verify
from roeh.verify.commands import add_arguments, beliefs_of, run
from roeh.verify.report import Aspect, Check, Weight
from tests.authorities import City, list_pem, revoked
from tests.sealed_stores import RECORDED_US, SealedStore, Witness, copied, root_pem, sealed_store

RECORDED_S = RECORDED_US // 10**6


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return sealed_store(tmp_path_factory.mktemp("recording") / "store", City(), segments=2)


def judged(store, *, lists=b"", checkpoints=(), witnesses=(), roots=None):
    beliefs = Beliefs(
        anchors=trust_anchors(roots or root_pem(store.city), lists),
        checkpoints=checkpoints,
        witnesses=witnesses,
    )
    report = verify(store.directory, beliefs, SimulatedClock())
    return report, {conclusion.aspect: conclusion.check for conclusion in report.conclusions}


def newest(store):
    return (store.directory / "ledger" / "checkpoint").read_text()


def test_the_city_vouches(recording):
    _, checks = judged(recording)
    assert checks[Aspect.SIGNER] is Check.OK


def test_another_city_does_not(recording):
    report, checks = judged(recording, roots=root_pem(City("Other")))
    assert checks[Aspect.SIGNER] is Check.FAIL
    assert {f.what for f in report.findings if f.weight is Weight.FAIL} == {
        "signer_not_trusted",
        "log_key_not_trusted",
    }
    assert checks[Aspect.BYTES] is Check.OK


def test_signatures_after_a_revocation_are_refused(recording):
    lists = list_pem(recording.city.node_ca, revoked(recording.media.leaf, on_day=50))
    report, checks = judged(recording, lists=lists)
    assert checks[Aspect.SIGNER] is Check.FAIL
    assert any("was revoked" in f.detail for f in report.findings)


def test_signatures_before_a_revocation_need_a_witness(recording):
    """Who stole a key can set a clock back, so the signer's own time is not enough."""
    lists = list_pem(recording.city.node_ca, revoked(recording.media.leaf, on_day=150))
    _, checks = judged(recording, lists=lists)
    assert checks[Aspect.SIGNER] is Check.FAIL
    witness = Witness()
    note = witness.cosign(newest(recording), RECORDED_S + 60)
    _, checks = judged(
        recording,
        lists=lists,
        checkpoints=(NoteSource("seen", note, is_own=False),),
        witnesses=(witness.key,),
    )
    assert checks[Aspect.SIGNER] is Check.OK
    assert checks[Aspect.TIME] is Check.OK


def test_a_witness_after_the_revocation_does_not_help(recording):
    lists = list_pem(recording.city.node_ca, revoked(recording.media.leaf, on_day=150))
    witness = Witness()
    note = witness.cosign(newest(recording), RECORDED_S + 86_400 * 51)
    _, checks = judged(
        recording,
        lists=lists,
        checkpoints=(NoteSource("seen", note, is_own=False),),
        witnesses=(witness.key,),
    )
    assert checks[Aspect.SIGNER] is Check.FAIL


def test_a_cosignature_that_is_wrong_anchors_nothing(recording):
    witness, forger = Witness(), Witness()
    note = forger.cosign(newest(recording), RECORDED_S + 60)
    _, checks = judged(
        recording,
        checkpoints=(NoteSource("seen", note, is_own=False),),
        witnesses=(witness.key,),
    )
    assert checks[Aspect.TIME] is Check.NOT_CHECKED


def test_a_checkpoint_of_another_ledger_is_not_taken_for_ours(recording, tmp_path):
    other = sealed_store(tmp_path / "other", recording.city, segments=1)
    report, checks = judged(
        recording, checkpoints=(NoteSource("other", newest(other), is_own=False),)
    )
    # Same name, another log key: nothing of ours signed it.
    assert "checkpoint_refused" in {f.what for f in report.findings}
    assert checks[Aspect.COMPLETE] is not Check.OK


def test_without_the_log_keys_certificate_the_ledger_is_not_proven(recording, tmp_path):
    copy = copied(recording.directory, tmp_path / "copy")
    (copy / "ledger" / "log.pem").unlink()
    beliefs = Beliefs(anchors=trust_anchors(root_pem(recording.city)))
    report = verify(copy, beliefs, SimulatedClock())
    checks = {conclusion.aspect: conclusion.check for conclusion in report.conclusions}
    assert checks[Aspect.COMPLETE] is Check.NOT_CHECKED
    assert checks[Aspect.BYTES] is Check.OK


def test_h265_is_covered_by_the_ledger_alone(tmp_path):
    store = SealedStore(tmp_path / "store")
    store.record(store.source(codec="h265"), 8)
    store.close()
    report, checks = judged(store)
    assert checks[Aspect.BYTES] is Check.OK
    assert checks[Aspect.SIGNER] is Check.NOT_CHECKED
    assert "h265_not_signed" in {f.what for f in report.findings}
    path = next((store.directory / "segments" / "north").iterdir())
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    _, checks = judged(store)
    assert checks[Aspect.BYTES] is Check.FAIL


def parsed(*options):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([*map(str, options)])


def test_the_command_line_brings_it_all(recording, tmp_path, capsys):
    witness = Witness()
    (tmp_path / "root.pem").write_bytes(root_pem(recording.city))
    (tmp_path / "desk.key").write_text(f"# the control room\n{witness.verifier_key}\n")
    (tmp_path / "seen").write_text(witness.cosign(newest(recording), RECORDED_S + 60))
    options = ["--trust", tmp_path / "root.pem", "--witness", tmp_path / "desk.key"]
    chosen = parsed(recording.directory, *options, "--checkpoint", tmp_path / "seen")
    assert run(chosen) == 0
    shown = capsys.readouterr().out
    assert "bytes intact    OK" in shown
    assert "custody         NOT CHECKED" in shown


@pytest.mark.parametrize("option", ["--trust", "--crl", "--checkpoint", "--witness"])
def test_files_that_are_not_what_they_should_be_are_refused_or_told(recording, tmp_path, option):
    (tmp_path / "junk").write_bytes(base64.b64encode(b"junk" * 99))
    (tmp_path / "root.pem").write_bytes(root_pem(recording.city))
    chosen = parsed(
        recording.directory, "--trust", tmp_path / "root.pem", option, tmp_path / "junk"
    )
    if option == "--checkpoint":
        report = verify(recording.directory, beliefs_of(chosen), SimulatedClock())
        assert "checkpoint_refused" in {finding.what for finding in report.findings}
    else:
        with pytest.raises(KeyRefused):
            beliefs_of(chosen)


def test_nothing_to_verify_is_refused(tmp_path):
    with pytest.raises(EvidenceRefused):
        verify(tmp_path, Beliefs(), SimulatedClock())
    with pytest.raises(EvidenceRefused):
        verify(tmp_path / "nowhere", Beliefs(), SimulatedClock())


def test_a_record_that_a_power_cut_tore_is_no_objection(recording, tmp_path):
    copy = copied(recording.directory, tmp_path / "copy")
    with (copy / "ledger" / "000000.jsonl").open("ab") as file:
        file.write(b'{"body":{"kind":"gap","cam')
    beliefs = Beliefs(anchors=trust_anchors(root_pem(recording.city)))
    report = verify(copy, beliefs, SimulatedClock())
    assert [f.weight for f in report.findings if f.what == "mirror_torn"] == [Weight.NOTE]
    assert report.exit_status == 32
